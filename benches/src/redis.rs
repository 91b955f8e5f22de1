//! A Redis for one benchmark: on a free port of this machine, in a folder that goes with it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

/// A running server.
pub struct Server {
    child: Child,
    _folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// Starts a server that keeps nothing on disk, and waits until it answers.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the server");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
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

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Sends a command whose words have no spaces, and gives the first bytes of the answer.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    pub fn ask(&self, words: &[&str]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server answers");
        stream.write_all(format!("{}\r\nQUIT\r\n", words.join(" ")).as_bytes()).expect("it is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it is read");
        answer
    }

    /// Sends a command whose answer does not matter.
    pub fn command(&self, words: &[&str]) {
        let _ = self.ask(words);
    }

    /// A figure of `INFO`.
    #[must_use]
    pub fn info(&self, section: &str, field: &str) -> f64 {
        let answer = self.ask(&["INFO", section]);
        let line = answer.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0.0)
    }

    /// CPU seconds it has used.
    #[must_use]
    pub fn cpu_s(&self) -> f64 {
        self.info("cpu", "used_cpu_user") + self.info("cpu", "used_cpu_sys")
    }

    /// Runs of partition 0 that have ended.
    #[must_use]
    pub fn ended(&self) -> u64 {
        let answer = self.ask(&["ZCARD", "rm:{0}:ended"]);
        answer.trim_start_matches(':').lines().next().and_then(|n| n.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing worth keeping.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
