//! The embedded store under test, in a folder of its own.

use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_sqlite::SqliteStore;
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A file and its clock.
pub struct Bed {
    folder: TempDir,
    clock: ManualClock,
}

impl Default for Bed {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder for the test"), clock: ManualClock::default() }
    }
}

impl Bed {
    /// The file.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("reelmill.db")
    }
}

impl conformance::Bed for Bed {
    fn open(&self) -> Arc<dyn Store> {
        let store = SqliteStore::open_with(self.file(), Arc::new(self.clock.clone()));
        Arc::new(store.expect("the store opens"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
