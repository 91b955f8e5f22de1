//! HTTP as it goes over the wire, for those who want to see all of an answer.

use crate::engine::PATIENCE;
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// Makes sure that it has this status, where nothing else of it matters.
    pub fn is(self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text());
    }

    /// The same, having made sure that it has this status.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// A request that was sent, and whose answer is read line by line.
pub struct Listening(BufReader<TcpStream>);

/// Sends a request with these headers beside those that every request has; HTTP/1.0, so that the answer comes as it is and
/// ends with the connection.
fn send(address: &str, line: &str, headers: &[(&str, &str)], body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("someone listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit can be set");
    let given = |name: &str| headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    let mut lines = vec![format!("{line} HTTP/1.0")];
    if !given("host") {
        lines.push(format!("host: {address}"));
    }
    if !given("content-length") && !body.is_empty() {
        lines.push(format!("content-length: {}", body.len()));
    }
    lines.extend(headers.iter().map(|(name, value)| format!("{name}: {value}")));
    let head = lines.join("\r\n");
    stream.write_all(format!("{head}\r\n\r\n").as_bytes()).expect("it takes a request");
    // Whoever refuses a body may close before all of it was sent.
    let _ = stream.write_all(body);
    stream
}

/// Asks, and reads the whole answer.
#[must_use]
pub fn ask(address: &str, line: &str, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Answer {
    let mut stream = BufReader::new(send(address, line, headers, body.as_ref()));
    let (status, headers) = head(&mut stream);
    let mut body = Vec::new();
    stream.read_to_end(&mut body).expect("it answers");
    Answer { status, headers, body }
}

/// Asks for an event stream.
#[must_use]
pub fn listen(address: &str, path: &str, headers: &[(&str, &str)]) -> Listening {
    let mut stream = BufReader::new(send(address, &format!("GET {path}"), headers, b""));
    let (status, headers) = head(&mut stream);
    assert_eq!(status, 200, "{path}");
    assert!(
        headers.iter().any(|(name, value)| name == "content-type" && value.starts_with("text/event-stream"))
    );
    Listening(stream)
}

fn head(stream: &mut impl std::io::BufRead) -> (u16, Vec<(String, String)>) {
    let mut lines = stream.lines().map(|line| line.expect("it answers"));
    let first = lines.next().expect("an answer has a head");
    let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let headers = headers.collect();
    (status.unwrap_or_else(|| panic!("no status: {first}")), headers)
}

/// An event of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// Its number, where it has one.
    pub id: Option<u64>,
    /// Its kind: `message` unless it says another.
    pub event: String,
    /// What it says.
    pub data: Value,
}

impl Iterator for Listening {
    type Item = Told;

    /// The next event; none when the stream has ended.
    fn next(&mut self) -> Option<Told> {
        let mut told = Told { event: "message".to_owned(), ..Told::default() };
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("the stream goes on or ends") == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => told.id = id.parse().ok(),
                Some(("event", event)) => event.clone_into(&mut told.event),
                Some(("data", data)) => told.data = serde_json::from_str(data).expect("it is JSON"),
                _ if line.trim_end().is_empty() && !told.data.is_null() => return Some(told),
                _ => {}
            }
        }
    }
}
