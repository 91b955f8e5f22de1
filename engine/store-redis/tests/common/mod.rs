//! Beds for the suites: a Redis of the test's own, with its clock.

use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::RedisServer;
use std::sync::Arc;

/// A server of its own, and its clock.
pub struct Bed {
    server: RedisServer,
    clock: ManualClock,
    partitions: u16,
}

impl Default for Bed {
    fn default() -> Self {
        Self::with_partitions(1)
    }
}

impl Bed {
    /// A store of so many partitions.
    pub fn with_partitions(partitions: u16) -> Self {
        Self { server: RedisServer::in_memory(), clock: ManualClock::default(), partitions }
    }
}

impl conformance::Bed for Bed {
    fn open(&self) -> Arc<dyn Store> {
        let config = Config {
            partitions: Some(self.partitions),
            clock: Some(Arc::new(self.clock.clone())),
            ..Config::new(self.server.url())
        };
        Arc::new(RedisStore::open(&config).expect("the store opens"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
