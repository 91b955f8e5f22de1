//! The state of one home folder.

use crate::OpenError;
use reelmill_artifacts::{Artifacts, RemoteConfig};
use reelmill_context::Runs;
use reelmill_control::Control;
use reelmill_ports::RunStore;
use reelmill_store_sqlite::SqliteStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The state of one home folder, open.
pub struct State {
    /// The folder.
    pub home: PathBuf,
    /// Use cases over the state.
    pub control: Control,
    /// The store behind all of its ports.
    pub store: Arc<SqliteStore>,
}

impl State {
    /// Opens the state in `home`, which is made when missing. With a shared store the artifacts lie there, and the
    /// folder in `home` is their cache.
    pub fn open(home: &Path, shared: Option<&RemoteConfig>) -> Result<Self, OpenError> {
        std::fs::create_dir_all(home)
            .map_err(|source| OpenError::Io { what: format!("make {}", home.display()), source })?;
        let store = Arc::new(SqliteStore::open(home.join("reelmill.db"))?);
        let folder = home.join("artifacts");
        let artifacts = match shared {
            Some(config) => Artifacts::shared(folder, config)?,
            None => Artifacts::local(folder)?,
        };
        let control = Control {
            queue: store.clone(),
            store: store.clone(),
            events: store.clone(),
            cache: store.clone(),
            artifacts: Arc::new(artifacts),
            runs: Runs::new(store.clone() as Arc<dyn RunStore>),
        };
        Ok(Self { home: home.to_owned(), control, store })
    }
}
