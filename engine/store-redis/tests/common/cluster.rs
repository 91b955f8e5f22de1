//! A Redis Cluster of the test's own.

use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::RedisCluster;
use std::sync::Arc;

/// Three servers that are one cluster, and the store's clock.
pub struct ClusterBed {
    cluster: RedisCluster,
    clock: ManualClock,
}

impl Default for ClusterBed {
    fn default() -> Self {
        Self { cluster: RedisCluster::start(), clock: ManualClock::default() }
    }
}

impl conformance::Bed for ClusterBed {
    fn open(&self) -> Arc<dyn Store> {
        let config = Config {
            partitions: Some(4),
            clock: Some(Arc::new(self.clock.clone())),
            ..Config::new(self.cluster.url())
        };
        Arc::new(RedisStore::open(&config).expect("the store opens"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
