//! The store: its partitions, put together.

use crate::connect::{Address, shown};
use crate::desk::Desk;
use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::keys::{self, Keys, META};
use crate::leased::LeasedRuns;
use crate::limits::Places;
use crate::link::Link;
use crate::offer::Offers;
use crate::readers::Readers;
use crate::wake::Wakes;
use crate::wire::Wire;
use redis::cmd;
use reelmill_lifecycle::Damage;
use reelmill_model::RunId;
use reelmill_ports::{Clock, StoreError};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The layout of keys that this code writes and reads.
const LAYOUT: &str = "4";
/// Partitions of a new cluster, unless it was asked for others: more than it has nodes, so that it may grow.
const PARTITIONS_OF_A_CLUSTER: u16 = 16;

/// How to open the store.
#[derive(Clone)]
pub struct Config {
    /// Where Redis is; see [`Address`].
    pub url: String,
    /// Partitions of a store that is new; none: one on a single server, 16 on a cluster. A store that exists keeps its
    /// number.
    pub partitions: Option<u16>,
    /// A clock for tests; none: the server's own.
    pub clock: Option<Arc<dyn Clock>>,
}

impl Config {
    /// The store of an address.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), partitions: None, clock: None }
    }
}

/// The store of a fleet. Dropping it finishes what was asked and closes the connections.
pub struct RedisStore {
    desks: Vec<Desk>,
    turn: AtomicUsize,
    pub(crate) keys: Vec<Keys>,
    pub(crate) readers: Readers,
    pub(crate) graphs: Arc<Graphs>,
    pub(crate) wakes: Wakes,
    pub(crate) offers: Offers,
    pub(crate) leased: LeasedRuns,
    pub(crate) places: Places,
    pub(crate) clock: Option<Arc<dyn Clock>>,
}

impl std::fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisStore").field("partitions", &self.keys.len()).finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Opens the store, which is made if need be. Blocks until the server has answered.
    pub fn open(config: &Config) -> Result<Self, StoreError> {
        let server = shown(&config.url);
        let address =
            Address::parse(&config.url).map_err(|error| Trouble::from(error).into_store_error(&server))?;
        let tell = |trouble: Trouble| trouble.into_store_error(&server);
        let count = partitions(&address, config.partitions).map_err(tell)?;
        let graphs = Arc::<Graphs>::default();
        let leased = LeasedRuns::default();
        let keys: Vec<Keys> = (0..count).map(Keys::of).collect();
        let mut desks = Vec::new();
        for keys in &keys {
            let wire = Wire::to(address.clone());
            let seed = RandomState::new().hash_one("dice");
            let link = Link::new(
                wire,
                keys.clone(),
                Arc::clone(&graphs),
                leased.clone(),
                config.clock.clone(),
                seed,
            );
            desks.push(Desk::start(link, server.clone())?);
        }
        let wakes = keys.iter().cloned().zip(desks.iter().map(|desk| desk.counter().clone())).collect();
        Ok(Self {
            desks,
            turn: AtomicUsize::new(0),
            readers: Readers::new(address.clone()),
            wakes: Wakes::new(&address, wakes),
            offers: Offers::new(&address, &keys[0]),
            keys,
            graphs,
            leased,
            places: Places::default(),
            clock: config.clock.clone(),
        })
    }

    /// The partition of a run.
    pub(crate) fn place(&self, run: RunId) -> usize {
        let count = u16::try_from(self.keys.len()).unwrap_or(u16::MAX);
        usize::from(keys::partition(run, count))
    }

    /// The desk of a run.
    pub(crate) fn desk(&self, run: RunId) -> &Desk {
        &self.desks[self.place(run)]
    }

    /// All desks.
    pub(crate) fn desks(&self) -> &[Desk] {
        &self.desks
    }

    /// The partition whose turn it is to be leased from first.
    pub(crate) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.desks.len().max(1)
    }
}

/// The number of partitions of the store, which is decided once.
fn partitions(address: &Address, wanted: Option<u16>) -> Result<u16, Trouble> {
    let mut wire = Wire::to(address.clone());
    let otherwise = if address.is_cluster() { PARTITIONS_OF_A_CLUSTER } else { 1 };
    let new = wanted.unwrap_or(otherwise).max(1);
    let set = |field: &str, value: &str| {
        let mut command = cmd("HSETNX");
        command.arg(META).arg(field).arg(value);
        command
    };
    let known = |wire: &mut Wire| -> Result<(Option<String>, Option<u16>), Trouble> {
        wire.query(cmd("HMGET").arg(META).arg("layout").arg("partitions"))
    };
    let mut found = known(&mut wire)?;
    // A store that is there is only read, so that it may be full.
    if found.0.is_none() || found.1.is_none() {
        wire.query::<()>(&set("layout", LAYOUT))?;
        wire.query::<()>(&set("partitions", &new.to_string()))?;
        found = known(&mut wire)?;
    }
    let (Some(layout), Some(partitions)) = found else {
        return Err(Damage("what was just written there is gone".into()).into());
    };
    if layout != LAYOUT {
        let what =
            format!("its layout is {layout}, this version reads {LAYOUT}; use the version that wrote it");
        return Err(Damage(what).into());
    }
    Ok(partitions.max(1))
}
