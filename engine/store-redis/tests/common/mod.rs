//! A Redis of the test's own: on a free port, in a folder that goes with it.

use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_redis::{Config, RedisStore};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

/// A running server.
pub struct Server {
    child: Child,
    _folder: TempDir,
    /// Where it listens.
    pub port: u16,
}

impl Server {
    /// Starts a server that keeps nothing on disk, and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// The same with more arguments.
    pub fn start_with(more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(more)
            .arg("--dir")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("redis-server is installed (`make setup`)");
        let said = BufReader::new(child.stdout.take().expect("its output is piped"));
        let ready =
            said.lines().map_while(Result::ok).any(|line| line.contains("Ready to accept connections"));
        assert!(ready, "redis-server did not start");
        Self { child, _folder: folder, port }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing worth keeping.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server of its own, and its clock.
pub struct Bed {
    server: Server,
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
        Self { server: Server::start(), clock: ManualClock::default(), partitions }
    }
}

impl conformance::Bed for Bed {
    fn open(&self) -> Arc<dyn Store> {
        let config = Config {
            partitions: Some(self.partitions),
            clock: Some(Arc::new(self.clock.clone())),
            ..Config::new(format!("redis://127.0.0.1:{}", self.server.port))
        };
        Arc::new(RedisStore::open(&config).expect("the store opens"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
