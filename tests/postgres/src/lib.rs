//! PostgreSQL servers for tests. Each is a real one, on a free port, in a folder that is gone at the end; it can be asked,
//! stopped, and started again where it was.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use tempfile::TempDir;

/// Time after which waiting is given up; far more than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often a port that was free is tried again, when someone else took it meanwhile.
const PORTS_TRIED_MAX: usize = 5;
/// Who the server runs as where tests run as root: it refuses to be root.
const NOBODY: (u32, u32) = (65_534, 65_534);

/// A running server, or one that was stopped. Ended when dropped.
pub struct PostgresServer {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl PostgresServer {
    /// Makes a cluster of databases and starts its server.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        if is_root() {
            chown(folder.path(), Some(NOBODY.0), Some(NOBODY.1)).expect("root can give a folder away");
        }
        let made = program("initdb")
            .current_dir(folder.path())
            .args(["--username=reelmill", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .output()
            .expect("initdb can be started; `make setup` installs it");
        assert!(made.status.success(), "no databases: {}", String::from_utf8_lossy(&made.stderr));
        for _ in 0..PORTS_TRIED_MAX {
            let port = free_port();
            if let Some(child) = spawn(folder.path(), port) {
                return Self { folder, port, child: Some(child) };
            }
        }
        panic!("the server of PostgreSQL did not start; `make setup` installs it")
    }

    /// The address of its database.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://reelmill@127.0.0.1:{}/postgres", self.port)
    }

    /// What it answers to a statement: a line a row, `|` between columns.
    #[must_use]
    pub fn ask(&self, sql: &str) -> String {
        let asked = program("psql")
            .current_dir(self.folder.path())
            .args(["--no-psqlrc", "--tuples-only", "--no-align", "--command", sql, &self.url()])
            .output()
            .expect("psql can be started");
        assert!(asked.status.success(), "{sql}: {}", String::from_utf8_lossy(&asked.stderr));
        String::from_utf8_lossy(&asked.stdout).trim().to_owned()
    }

    /// Cuts all connections and ends it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            end(&mut child);
        }
    }

    /// Starts it again on the same port, with what it had written.
    pub fn start_again(&mut self) {
        self.stop();
        self.child = Some(spawn(self.folder.path(), self.port).expect("the port is still free"));
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Ends a server with its children, in the quickest way that leaves none of them.
fn end(child: &mut Child) {
    // It may have ended by itself; waiting tells.
    let _ = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status();
    let _ = child.wait();
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0)
}

/// A program of PostgreSQL, of the newest version that Debian has installed, run as somebody who is not root.
fn program(name: &str) -> Command {
    let path = installed(name).unwrap_or_else(|| PathBuf::from(name));
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={}", NOBODY.0))
        .arg(format!("--regid={}", NOBODY.1))
        .arg("--clear-groups")
        .arg(path);
    command
}

fn installed(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let number = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(number)?;
    Some(newest.join("bin").join(name))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    listener.local_addr().expect("it has an address").port()
}

/// A server that takes connections; none when it ended instead.
fn spawn(folder: &Path, port: u16) -> Option<Child> {
    let mut child = program("postgres")
        .current_dir(folder)
        .arg("-D")
        .arg(folder.join("data"))
        .args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", "", "-c", "max_connections=20"])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("postgres can be started; `make setup` installs it");
    let log = BufReader::new(child.stderr.take().expect("it is piped"));
    let (send, lines) = channel();
    // Read to the end, so that the server never waits for a reader.
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            // Nobody listens once the server is ready.
            let _ = send.send(line);
        }
    });
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if line.contains("database system is ready to accept connections") {
            return Some(child);
        }
    }
    // Its output ended, so it did; or it hangs, and must not be left behind.
    end(&mut child);
    None
}
