//! The state that commands work on: that of one home folder, or that of a fleet.

use crate::OpenError;
use reelmill_artifacts::LocalArtifacts;
use reelmill_context::Runs;
use reelmill_control::Control;
use reelmill_ports::{RunStore, Store};
use reelmill_store_redis::RedisStore;
use reelmill_store_sqlite::SqliteStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where runs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a database of the home folder: no services are needed.
    Home,
    /// In a Redis that workers of many machines share, at this address.
    Redis(String),
}

/// The state, open.
pub struct State {
    /// The home folder: artifacts, scratch, secrets.
    pub home: PathBuf,
    /// Use cases over the state.
    pub control: Control,
    /// The store behind all of its ports.
    pub store: Arc<dyn Store>,
}

impl State {
    /// Opens the state; `home` is made when missing.
    pub fn open(home: &Path, place: &Place) -> Result<Self, OpenError> {
        std::fs::create_dir_all(home)
            .map_err(|source| OpenError::Io { what: format!("make {}", home.display()), source })?;
        let store: Arc<dyn Store> = match place {
            Place::Home => Arc::new(SqliteStore::open(home.join("reelmill.db"))?),
            Place::Redis(url) => Arc::new(RedisStore::open(&reelmill_store_redis::Config::new(url))?),
        };
        let artifacts = Arc::new(LocalArtifacts::open(home.join("artifacts"))?);
        let control = Control {
            queue: store.clone(),
            store: store.clone(),
            events: store.clone(),
            cache: store.clone(),
            artifacts,
            runs: Runs::new(store.clone() as Arc<dyn RunStore>),
        };
        Ok(Self { home: home.to_owned(), control, store })
    }
}
