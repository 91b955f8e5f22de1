//! The programs in `pipelines/clients`, run as they are against a real Redis server: what they send is an envelope.

use async_trait::async_trait;
use reelmill_inbox::{Consumer, ConsumerConfig, Request, SubmitError, Submitted, Submitter, Tally};
use reelmill_tests::{RedisServer, repository};
use serde_json::{Value, json};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_mins(1);

/// The system's own Python: python3-redis is installed for that one.
const PYTHON: &str = "/usr/bin/python3";
/// Where Debian puts Node packages; its own `node` looks there by itself, others do not.
const NODE_PATH: &str = "/usr/share/nodejs";

struct Listener(UnboundedSender<Request>);

#[async_trait]
impl Submitter for Listener {
    async fn submit(&self, request: Request) -> Result<Submitted, SubmitError> {
        let run = request.run;
        self.0.send(request).expect("the test listens");
        Ok(Submitted { run, new: true })
    }
}

fn client(program: &str, script: &str, server: &RedisServer, arguments: &[&str]) -> Output {
    Command::new(program)
        .arg(repository().join("pipelines/clients").join(script))
        .args(arguments)
        .env("REDIS_URL", server.url())
        .env("NODE_PATH", NODE_PATH)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}; `make setup` installs it"))
}

/// Sends by name and by file, and compares what arrives.
async fn check(program: &str, script: &str) {
    let server = RedisServer::start();
    let (told, mut listen) = unbounded_channel();
    let config =
        ConsumerConfig { block: Duration::from_millis(50), ..ConsumerConfig::new(server.url(), "test") };
    let consumer = Consumer::new(config, Arc::new(Listener(told))).expect("the URL is good");
    let end = CancellationToken::new();
    let working = tokio::spawn(consumer.run(end.clone()));

    let file = repository().join("pipelines/demo.yaml");
    let file = file.to_str().expect("the repository's path is text");
    let named = ["demo@3", "topic=How tides work", "scenes=4", "mood={\"warm\": true}", "empty="];
    for arguments in [&named[..], &[file, "lesson=1=2 ü"]] {
        let sent = client(program, script, &server, arguments);
        assert!(sent.status.success(), "{sent:?}");
        let id = String::from_utf8_lossy(&sent.stdout).trim().to_owned();
        let came = tokio::time::timeout(PATIENCE, listen.recv()).await.expect("it comes").expect("one sends");
        assert_eq!(came.envelope.id, id);
        let inputs = Value::Object(came.envelope.inputs);
        if came.envelope.yaml.is_none() {
            assert_eq!(came.envelope.pipeline.as_deref(), Some("demo@3"));
            let expected =
                json!({"topic": "How tides work", "scenes": 4, "mood": {"warm": true}, "empty": ""});
            assert_eq!(inputs, expected);
        } else {
            assert_eq!(came.envelope.yaml, std::fs::read_to_string(file).ok());
            assert_eq!(inputs, json!({"lesson": "1=2 ü"}));
        }
    }
    let wrong = client(program, script, &server, &["demo", "no value"]);
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
    end.cancel();
    let tally = working.await.expect("it does not panic");
    assert_eq!(tally, Tally { submitted: 2, ..Tally::default() });
}

#[tokio::test]
async fn python_with_redis_py() {
    check(PYTHON, "submit.py").await;
}

#[tokio::test]
async fn node_with_node_redis() {
    check("node", "submit.js").await;
}
