//! A Redis Cluster.

use crate::RedisServer;
use std::process::Command;

/// Three servers that are one cluster, without replicas.
pub struct RedisCluster {
    nodes: [RedisServer; 3],
}

impl RedisCluster {
    /// Starts the servers and joins them. They keep nothing on disk.
    #[must_use]
    pub fn start() -> Self {
        let node = || {
            RedisServer::start_with(&[
                "--appendonly",
                "no",
                "--cluster-enabled",
                "yes",
                "--cluster-require-full-coverage",
                "no",
            ])
        };
        let cluster = Self { nodes: [node(), node(), node()] };
        let made = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(cluster.places())
            .args(["--cluster-replicas", "0", "--cluster-yes"])
            .output()
            .expect("redis-cli can be started; `make setup` installs it");
        assert!(made.status.success(), "no cluster: {}", String::from_utf8_lossy(&made.stdout));
        cluster
    }

    /// Its address, as the fleet's store takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis-cluster://{}", self.places().join(","))
    }

    fn places(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::place).collect()
    }
}
