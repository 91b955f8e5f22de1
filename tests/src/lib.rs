//! What the end-to-end tests share: the real binaries, a folder of their own, and how one asks cargo about the
//! workspace.

pub mod browser;
pub mod engine;
pub mod fleet;
pub mod http;
pub mod outside;
mod running;
pub mod serving;

pub use reelmill_test_postgres::PostgresServer;
pub use reelmill_test_redis::RedisServer;
pub use running::{Running, get, post};

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Time after which a test gives up waiting for something; far more than it takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// What `cargo metadata` is asked with: the lock file as it is, and only what is built here, so that nothing has to
/// be downloaded for other systems.
pub const METADATA_OPTIONS: [&str; 3] = ["--locked", "--filter-platform", HOST];

#[cfg(target_arch = "x86_64")]
const HOST: &str = "x86_64-unknown-linux-gnu";
#[cfg(target_arch = "aarch64")]
const HOST: &str = "aarch64-unknown-linux-gnu";

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// The folder with the binaries of this build: the one above that of the running test.
#[must_use]
pub fn binaries() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps").to_owned();
    let reelmill = folder.join("reelmill");
    assert!(
        reelmill.is_file(),
        "{} is missing: build the workspace first (make test does)",
        reelmill.display()
    );
    folder
}

/// A folder of its own for one test: working folder and home, gone at the end.
pub struct Place {
    root: TempDir,
    /// The Redis of a fleet, where runs are kept there.
    redis: Option<String>,
    /// The PostgreSQL where ended runs of a fleet are kept.
    archive: Option<String>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard output as one JSON document.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }

    /// The same, having made sure that it ended with this code.
    #[must_use]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl Place {
    /// An empty folder.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a default that makes a folder would surprise")]
    pub fn new() -> Self {
        Self {
            root: tempfile::tempdir().expect("a temporary folder can be made"),
            redis: None,
            archive: None,
        }
    }

    /// A folder whose runs are kept in a Redis.
    #[must_use]
    pub fn of_fleet(server: &RedisServer) -> Self {
        Self::of_redis(&server.url())
    }

    /// A folder whose runs are kept in the Redis at this address.
    #[must_use]
    pub fn of_redis(url: &str) -> Self {
        Self { redis: Some(url.to_owned()), ..Self::new() }
    }

    /// The same, with an archive in PostgreSQL.
    #[must_use]
    pub fn with_archive(self, archive: &PostgresServer) -> Self {
        Self { archive: Some(archive.url()), ..self }
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        let folder = path.parent().expect("a file lies in a folder");
        std::fs::create_dir_all(folder).expect("a folder can be made");
        std::fs::write(path, text).expect("a file can be written");
    }

    /// A file in it.
    #[must_use]
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// `reelmill` with its home and working folder here, and nothing of the environment of whoever runs the tests
    /// but the search path.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binaries().join("reelmill"));
        command
            .args(arguments)
            .current_dir(self.root.path())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.root.path())
            .env("REELMILL_HOME", self.path("home"))
            .envs(self.redis.iter().map(|url| ("REELMILL_REDIS", url)))
            .envs(self.archive.iter().map(|url| ("REELMILL_ARCHIVE", url)))
            .stdin(std::process::Stdio::null());
        command
    }

    /// Puts the test plugin, whose stages misbehave on purpose and whose library no search finds by itself, beside
    /// the pipelines of this place.
    #[must_use]
    pub fn with_faulty(self) -> Self {
        std::fs::create_dir_all(self.path("plugins")).expect("a folder can be made");
        let library = binaries().join("libreelmill_faulty.so");
        std::fs::copy(&library, self.path("plugins/libreelmill_plugin_faulty.so"))
            .unwrap_or_else(|error| panic!("{}: {error}; build the workspace first", library.display()));
        self
    }

    /// Runs `reelmill` to its end.
    #[must_use]
    pub fn reelmill(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().expect("reelmill can be started");
        Ended {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asks for the status of the newest run until it is as wanted.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        let since = Instant::now();
        loop {
            let ended = self.reelmill(&["status", "last", "-o", "json"]);
            if ended.code == Some(0) && wanted(&ended.json()) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "waited in vain for {what}: {ended:?}");
        }
    }
}
