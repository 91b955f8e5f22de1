//! The state that commands work on: that of one home folder, or that of a fleet.

use crate::OpenError;
use reelmill_archive::{Archived, PostgresArchive};
use reelmill_artifacts::{Artifacts, RemoteConfig};
use reelmill_context::Runs;
use reelmill_control::Control;
use reelmill_control::schedule::SystemTimer;
use reelmill_ports::{Archive, RunStore, Store};
use reelmill_store_redis::RedisStore;
use reelmill_store_sqlite::SqliteStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where runs are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a database of the home folder: no services are needed.
    Home,
    /// In a Redis that workers of many machines share.
    Redis {
        /// Its address.
        url: String,
        /// The address of the PostgreSQL where its ended runs are kept; a database of the home folder when none.
        archive: Option<String>,
    },
}

/// The state, open.
pub struct State {
    /// The home folder: artifacts, scratch, secrets.
    pub home: PathBuf,
    /// Use cases over the state.
    pub control: Control,
    /// The store behind all of its ports.
    pub store: Arc<dyn Store>,
    /// What that is made of, for a fleet.
    pub(crate) fleet: Option<FleetStores>,
}

/// The two stores of a fleet.
#[derive(Clone)]
pub(crate) struct FleetStores {
    /// Where work happens.
    pub hot: Arc<RedisStore>,
    /// Where ended runs are kept.
    pub cold: Arc<dyn Archive>,
}

impl State {
    /// Opens the state; `home` is made when missing. With a shared store the artifacts lie there, and the folder in
    /// `home` is their cache. Ended runs of a fleet are found in its archive too.
    pub fn open(home: &Path, place: &Place, shared: Option<&RemoteConfig>) -> Result<Self, OpenError> {
        std::fs::create_dir_all(home)
            .map_err(|source| OpenError::Io { what: format!("make {}", home.display()), source })?;
        let (store, fleet): (Arc<dyn Store>, Option<FleetStores>) = match place {
            Place::Home => (Arc::new(SqliteStore::open(home.join("reelmill.db"))?), None),
            Place::Redis { url, archive } => {
                let cold: Arc<dyn Archive> = match archive {
                    Some(url) => Arc::new(PostgresArchive::new(url)?),
                    None => Arc::new(SqliteStore::open(home.join("archive.db"))?),
                };
                let hot = Arc::new(RedisStore::open(&reelmill_store_redis::Config::new(url))?);
                let stores = FleetStores { hot, cold };
                (
                    Arc::new(Archived::new(stores.hot.clone(), stores.cold.clone(), Arc::new(SystemTimer))),
                    Some(stores),
                )
            }
        };
        let folder = home.join("artifacts");
        let artifacts = match shared {
            Some(config) => Artifacts::shared(folder, config)?,
            None => Artifacts::local(folder)?,
        };
        let control = Control {
            queue: store.clone(),
            store: store.clone(),
            limits: store.clone(),
            fleet: store.clone(),
            events: store.clone(),
            cache: store.clone(),
            registry: store.clone(),
            marks: store.clone(),
            artifacts: Arc::new(artifacts),
            runs: Runs::new(store.clone() as Arc<dyn RunStore>),
        };
        Ok(Self { home: home.to_owned(), control, store, fleet })
    }
}
