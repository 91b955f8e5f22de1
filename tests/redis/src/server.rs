//! One server.

use crate::{Certificates, PATIENCE, ask};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use tempfile::TempDir;

/// The program, unless it is another's.
pub const REDIS: &str = "redis-server";
/// How often a port that was free is tried again, when someone else took it meanwhile.
const PORTS_TRIED_MAX: usize = 5;
/// What a server says when its socket is open, which comes last; Valkey, and Redis since 7.2, in other words.
const READY: [&str; 2] = ["ready to accept connections at", "Ready to accept connections unix"];
/// A node of a cluster listens on a second port, 10,000 above its own; higher ports have none.
const PORT_MAX: u16 = u16::MAX - 10_000;

/// A running server, or one that was stopped. Killed when dropped.
pub struct RedisServer {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    certificates: Option<Certificates>,
    more: Vec<String>,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server that writes every command to its file before it answers.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server that keeps nothing on disk: quicker, and empty when it is started again.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::start_with(&["--appendonly", "no"])
    }

    /// The durable one with more arguments, which win: `["--maxmemory", "16mb"]`.
    #[must_use]
    pub fn start_with(more: &[&str]) -> Self {
        Self::open(REDIS.into(), None, more)
    }

    /// A Valkey that keeps nothing on disk.
    #[must_use]
    pub fn valkey() -> Self {
        Self::open(valkey(), None, &["--appendonly", "no"])
    }

    /// The durable one behind TLS, which takes only clients with a certificate.
    #[must_use]
    pub fn with_tls(certificates: Certificates) -> Self {
        Self::open(REDIS.into(), Some(certificates), &[])
    }

    fn open(program: PathBuf, certificates: Option<Certificates>, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let more = more.iter().map(|&word| word.to_owned()).collect();
        let mut server = Self { program, folder, port: 0, certificates, more, child: None };
        for _ in 0..PORTS_TRIED_MAX {
            server.port = free_port();
            server.child = spawn(&server.program, &server.arguments(), &READY);
            if server.child.is_some() {
                return server;
            }
        }
        panic!("{} did not start with {:?}", server.program.display(), server.arguments())
    }

    fn arguments(&self) -> Vec<String> {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let (folder, port) = (self.folder.path(), self.port.to_string());
        let mut words = vec!["--bind".into(), "127.0.0.1".into(), "--dir".into(), path(folder)];
        words.extend(["--unixsocket".into(), path(&socket(folder))]);
        match &self.certificates {
            None => words.extend(["--port".into(), port]),
            Some(made) => {
                words.extend(["--port".into(), "0".into(), "--tls-port".into(), port]);
                words.extend(["--tls-cert-file".into(), path(&made.cert("server"))]);
                words.extend(["--tls-key-file".into(), path(&made.key("server"))]);
                words.extend(["--tls-ca-cert-file".into(), path(&made.cert("ca"))]);
            }
        }
        let durable = ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no"];
        words.extend(durable.map(str::to_owned));
        words.extend(self.more.iter().cloned());
        words
    }

    /// Its address, as clients take it.
    #[must_use]
    pub fn url(&self) -> String {
        let Some(made) = &self.certificates else { return format!("redis://{}/0", self.place()) };
        let (ca, cert, key) = (made.cert("ca"), made.cert("client"), made.key("client"));
        let files = format!("ca={}&cert={}&key={}", ca.display(), cert.display(), key.display());
        format!("rediss://{}/0?{files}", self.place())
    }

    /// Its address for a user.
    #[must_use]
    pub fn url_of(&self, user: &str, password: &str) -> String {
        self.url().replacen("://", &format!("://{user}:{password}@"), 1)
    }

    /// Its host and port.
    #[must_use]
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The address of its Unix socket.
    #[must_use]
    pub fn socket_url(&self) -> String {
        format!("unix://{}", socket(self.folder.path()).display())
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Asks it something. The answer as plain text: lists a line an item, nothing for nil, errors as their message.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> String {
        ask::ask(&socket(self.folder.path()), words).unwrap_or_else(|error| error.to_string())
    }

    /// A field of `INFO`; none when there is no such field.
    #[must_use]
    pub fn info(&self, field: &str) -> Option<String> {
        let info = self.ask(&["INFO", "everything"]);
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    }

    /// A field of `INFO` that is a figure.
    #[must_use]
    pub fn figure(&self, field: &str) -> f64 {
        self.info(field).and_then(|value| value.parse().ok()).unwrap_or(0.0)
    }

    /// Its process; none while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills it at once, as `kill -9` does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("a running server can be killed");
            child.wait().expect("it can be waited for");
        }
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let pid = child.id().to_string();
            let sent =
                Command::new("kill").args(["-s", "TERM", &pid]).status().expect("`kill` can be started");
            assert!(sent.success(), "SIGTERM could not be sent to {pid}");
            child.wait().expect("it can be waited for");
        }
    }

    /// Starts it again on the same port, with what it had written.
    pub fn start_again(&mut self) {
        self.kill();
        let child = spawn(&self.program, &self.arguments(), &READY);
        self.child = Some(child.expect("the port is still free"));
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It has ended already unless the test left it running.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    let mut ports = std::iter::repeat_with(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        listener.local_addr().expect("it has an address").port()
    });
    ports.find(|port| *port <= PORT_MAX).expect("the system has low ports too")
}

/// The Valkey of the machine, or the one that `make test` has put beside what it builds.
fn valkey() -> PathBuf {
    let name = PathBuf::from("valkey-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(&name).is_file()) {
        return name;
    }
    let test = std::env::current_exe().expect("a test knows its file");
    let beside = test.ancestors().map(|folder| folder.join("tools").join(&name)).find(|path| path.is_file());
    beside.expect("there is no valkey-server; `make test` installs one, and so does `.ci/valkey target`")
}

/// Starts a server, and waits for the line of its log that says that it is ready; none when it ended instead.
pub fn spawn(program: &Path, arguments: &[String], ready: &[&str]) -> Option<Child> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the server can be started; `make setup` installs Redis");
    let lines = lines(BufReader::new(child.stdout.take().expect("it is piped")));
    while let Ok(line) = lines.recv_timeout(PATIENCE) {
        if ready.iter().any(|ready| line.contains(ready)) {
            return Some(child);
        }
    }
    // Its output ended, so it did; or it hangs, and must not be left behind.
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// The lines of a log, read to the end so that the writer never waits.
fn lines(log: impl BufRead + Send + 'static) -> Receiver<String> {
    let (send, lines) = channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            // Nobody listens once the server is ready; the log is still read.
            let _ = send.send(line);
        }
    });
    lines
}
