//! A Redis Cluster of the test's own.

use crate::common::Server;
use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_redis::{Config, RedisStore};
use std::process::Command;
use std::sync::Arc;

/// Three servers that are one cluster, and the store's clock.
pub struct ClusterBed {
    nodes: [Server; 3],
    clock: ManualClock,
}

impl Default for ClusterBed {
    fn default() -> Self {
        // The bus of a node is on a port 10,000 above its own; only ports below 55,536 have one.
        let node = || {
            (0..50)
                .map(|_| {
                    Server::start_with(&["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"])
                })
                .find(|server| server.port < 55_000)
                .expect("a port whose bus has one too")
        };
        let nodes = [node(), node(), node()];
        let places: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&places)
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .expect("redis-cli is installed (`make setup`)");
        assert!(made.status.success(), "no cluster: {}", String::from_utf8_lossy(&made.stdout));
        Self { nodes, clock: ManualClock::default() }
    }
}

impl conformance::Bed for ClusterBed {
    fn open(&self) -> Arc<dyn Store> {
        let places: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let config = Config {
            partitions: Some(4),
            clock: Some(Arc::new(self.clock.clone())),
            ..Config::new(format!("redis-cluster://{}", places.join(",")))
        };
        Arc::new(RedisStore::open(&config).expect("the store opens"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
