//! A master, its replica, and a sentinel that watches both.

use crate::server::{REDIS, free_port, spawn};
use crate::{PATIENCE, RedisServer, ask};
use std::process::Child;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What the sentinel calls the master.
pub const MASTER: &str = "main";

/// Two servers and a sentinel. Gone when dropped.
pub struct RedisSentinel {
    folder: TempDir,
    port: u16,
    child: Child,
    servers: [RedisServer; 2],
}

impl RedisSentinel {
    /// Starts them, and waits until the replica follows its master and the sentinel knows both.
    #[must_use]
    pub fn start() -> Self {
        let master = RedisServer::start();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &master.port().to_string()]);
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let port = free_port();
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {0}\nunixsocket {0}/redis.sock\n\
             sentinel monitor {MASTER} 127.0.0.1 {1} 1\n\
             sentinel down-after-milliseconds {MASTER} 500\nsentinel failover-timeout {MASTER} 4000\n",
            folder.path().display(),
            master.port()
        );
        let file = folder.path().join("sentinel.conf");
        std::fs::write(&file, text).expect("a file can be written");
        let arguments = [file.to_string_lossy().into_owned(), "--sentinel".to_owned()];
        let child = spawn(REDIS.as_ref(), &arguments, &["+monitor master"]).expect("the sentinel starts");
        let started = Self { folder, port, child, servers: [master, replica] };
        started.wait_for_replica();
        started
    }

    /// Waits until the replica has everything that the master has, and the sentinel knows.
    pub fn wait_for_replica(&self) {
        self.wait("the sentinel to know the replica", |sentinel| {
            sentinel.ask(&["SENTINEL", "replicas", MASTER]).contains("master-link-status\nok")
                && sentinel.master().ask(&["WAIT", "1", "1000"]) == "1"
        });
    }

    /// The address, as the fleet's store takes it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis-sentinel://127.0.0.1:{}/{MASTER}", self.port)
    }

    /// Asks the sentinel something.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> String {
        ask::ask(&self.folder.path().join("redis.sock"), words).unwrap_or_else(|error| error.to_string())
    }

    /// The server that is the master now.
    #[must_use]
    pub fn master(&self) -> &RedisServer {
        &self.servers[self.place()]
    }

    /// Kills the master, and waits until its replica has taken over.
    pub fn kill_master(&mut self) {
        let before = self.place();
        self.servers[before].kill();
        self.wait("the replica to take over", |sentinel| sentinel.has_moved(before));
    }

    /// Tells the sentinel to change the two over, and waits until it has: the old master is a replica then.
    pub fn fail_over(&self) {
        let before = self.place();
        self.wait("the sentinel to begin", |sentinel| {
            sentinel.ask(&["SENTINEL", "FAILOVER", MASTER]) == "OK"
        });
        // Until it is told, the old master takes writes, which are lost.
        self.wait("the two to change over", |sentinel| {
            sentinel.has_moved(before) && sentinel.servers[before].info("role").as_deref() == Some("slave")
        });
    }

    fn has_moved(&self, before: usize) -> bool {
        self.place() != before && self.master().info("role").as_deref() == Some("master")
    }

    fn place(&self) -> usize {
        let address = self.ask(&["SENTINEL", "get-master-addr-by-name", MASTER]);
        let port = address.lines().last().and_then(|port| port.parse::<u16>().ok());
        let place = self.servers.iter().position(|server| Some(server.port()) == port);
        place.unwrap_or_else(|| panic!("the sentinel names no server of its own: {address}"))
    }

    fn wait(&self, what: &str, happened: impl Fn(&Self) -> bool) {
        let since = Instant::now();
        while !happened(self) {
            assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for RedisSentinel {
    fn drop(&mut self) {
        // It holds nothing worth keeping.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
