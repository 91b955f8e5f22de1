//! The ways of failing that every client of a service has to tell apart.

use super::{Reply, Server};
use reelmill_sdk::testing::Bench;
use reelmill_sdk::{FailureClass, Stage, StageError};
use serde_json::{Value, json};

/// One way, and where the client finds it.
pub struct Case<'a> {
    /// Its name in messages of the test.
    pub name: &'static str,
    /// The address of the server.
    pub base: &'a str,
    /// Seconds that the client may wait for an answer.
    pub timeout_seconds: u32,
}

/// What the client made of it.
pub struct Played {
    /// What it put out.
    pub result: Result<Value, StageError>,
    /// All that it logged.
    pub logs: Vec<String>,
}

impl Played {
    /// Runs a stage.
    pub fn stage<S: Stage>(bench: &Bench, with: Value) -> Self {
        let result = bench.run::<S>(with);
        Self { result, logs: bench.logs().into_iter().map(|(_, text)| text).collect() }
    }
}

/// Class and code of a failure; none of a success.
type Expected = Option<(FailureClass, &'static str)>;

/// Plays every way to a client whose key is `key` and for which `good` is a good answer, and checks class, code and
/// pause of each failure, and that the key is seen nowhere (a service without keys has an empty one). The server echoes the
/// key wherever it gives a reason.
///
/// # Panics
/// When the client does otherwise.
pub fn matrix(key: &str, good: &Reply, play: impl Fn(&Case<'_>) -> Played) {
    let echo = json!({ "error": { "message": format!("the key {key} is not welcome") } });
    let refusal = |status| Reply::json(status, &echo);
    let ways: [(&str, Reply, u32, Expected); 10] = [
        ("success", good.clone(), 20, None),
        ("401", refusal(401), 20, Some((FailureClass::InvalidConfig, "unauthorized"))),
        ("403", refusal(403), 20, Some((FailureClass::InvalidConfig, "unauthorized"))),
        (
            "429 with Retry-After",
            refusal(429).header("retry-after", "7"),
            20,
            Some((FailureClass::Transient, "rate_limited")),
        ),
        ("500", refusal(500), 20, Some((FailureClass::Dependency, "endpoint_failed"))),
        ("503", refusal(503), 20, Some((FailureClass::Dependency, "endpoint_failed"))),
        ("slow", Reply::mute(), 1, Some((FailureClass::Dependency, "timeout"))),
        (
            "cut",
            Reply::body(200, "application/json", vec![b' '; 5000]).cut_after(11),
            20,
            Some((FailureClass::Dependency, "connection")),
        ),
        (
            "malformed",
            Reply::body(200, "text/html", format!("<html>{key}</html>")),
            20,
            Some((FailureClass::Dependency, "malformed_answer")),
        ),
        (
            "malformed JSON",
            Reply::json(200, format!("{{\"k\":\"{key}\"")),
            20,
            Some((FailureClass::Dependency, "malformed_answer")),
        ),
    ];
    for (name, reply, timeout_seconds, expected) in ways {
        let server = Server::always(reply);
        let played = play(&Case { name, base: &server.base(), timeout_seconds });
        check(key, name, expected, played);
        assert!(!server.requests().is_empty(), "{name}: nothing was sent");
    }
}

fn check(key: &str, name: &str, expected: Expected, played: Played) {
    let shown = match &played.result {
        Ok(output) => output.to_string(),
        Err(error) => serde_json::to_string(error.failure()).unwrap_or_default(),
    };
    for text in std::iter::once(&shown).chain(&played.logs) {
        assert!(key.is_empty() || !text.contains(key), "{name}: the key is seen in {text}");
    }
    match (played.result, expected) {
        (Ok(_), None) => {}
        (Err(error), Some((class, code))) => {
            let failure = error.failure();
            assert_eq!((error.class(), failure.code.as_str()), (class, code), "{name}: {error}");
            let pause = (name == "429 with Retry-After").then_some(7_000);
            assert_eq!(failure.retry_after_ms, pause, "{name}");
        }
        (result, expected) => panic!("{name}: {result:?}, but {expected:?} is expected"),
    }
}
