//! The consumer against a real Redis server: what is submitted, what goes to the dead stream, what stays, and what
//! becomes of it all when consumers and the server die.

use async_trait::async_trait;
use redis::{Commands as _, Connection};
use reelmill_inbox::{
    Consumer, ConsumerConfig, DEAD_STREAM, FIELD, GROUP, Problem, Request, STREAM, SubmitError, Submitted,
    Submitter, Tally, run_id,
};
use reelmill_model::limits::{ENVELOPE_BYTES_MAX, INBOX_DEAD_BYTES_MAX, INBOX_TAKEOVERS_MAX};
use reelmill_tests::RedisServer;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Time after which a test gives up waiting; far more than anything takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Keeps what it is given, as a store would: by run id.
struct Runs {
    seen: Mutex<HashMap<String, u32>>,
    /// Attempts at an envelope before it is taken, by the envelope's id.
    busy: Mutex<HashMap<String, u32>>,
    told: UnboundedSender<Request>,
}

#[async_trait]
impl Submitter for Runs {
    async fn submit(&self, request: Request) -> Result<Submitted, SubmitError> {
        let id = request.envelope.id.clone();
        if let Some(left) = self.busy.lock().expect("no test panics with it").get_mut(&id)
            && *left > 0
        {
            *left -= 1;
            return Err(SubmitError::later("the store is not there"));
        }
        if id.starts_with("refused") {
            let problem = Problem::at("/inputs/topic", "is missing").help("give it");
            return Err(SubmitError::never(vec![problem]));
        }
        let run = request.run;
        let times = {
            let mut seen = self.seen.lock().expect("no test panics with it");
            let times = seen.entry(run.to_string()).or_insert(0);
            *times += 1;
            *times
        };
        self.told.send(request).expect("the test listens");
        Ok(Submitted { run, new: times == 1 })
    }
}

struct Rig {
    server: RedisServer,
    runs: Arc<Runs>,
    told: UnboundedReceiver<Request>,
}

struct Working {
    end: CancellationToken,
    task: JoinHandle<Tally>,
}

impl Working {
    async fn stop(self) -> Tally {
        self.end.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it stops").expect("it does not panic")
    }
}

impl Rig {
    fn new() -> Self {
        let (told, listen) = unbounded_channel();
        let runs = Runs { seen: Mutex::default(), busy: Mutex::default(), told };
        Self { server: RedisServer::start(), runs: Arc::new(runs), told: listen }
    }

    fn redis(&self) -> Connection {
        let client = redis::Client::open(self.server.url()).expect("the URL is good");
        client.get_connection().expect("the server is there")
    }

    fn add(&self, envelope: &Value) -> String {
        self.redis().xadd(STREAM, "*", &[(FIELD, envelope.to_string())]).expect("it can be added")
    }

    fn consume(&self, name: &str) -> Working {
        let config = ConsumerConfig {
            block: Duration::from_millis(50),
            dead_after: Duration::from_millis(200),
            retry_first: Duration::from_millis(5),
            ..ConsumerConfig::new(self.server.url(), name)
        };
        let consumer = Consumer::new(config, self.runs.clone()).expect("the URL is good");
        let end = CancellationToken::new();
        Working { task: tokio::spawn(consumer.run(end.clone())), end }
    }

    async fn next(&mut self) -> Request {
        tokio::time::timeout(PATIENCE, self.told.recv()).await.expect("it comes").expect("someone sends")
    }

    /// What is left to do: entries in the inbox.
    fn left(&self) -> usize {
        self.redis().xlen(STREAM).expect("it can be counted")
    }

    async fn until_empty(&self) {
        let empty = tokio::time::timeout(PATIENCE, async {
            while self.left() > 0 {
                tokio::task::yield_now().await;
            }
        });
        empty.await.expect("all of it is settled");
    }

    fn dead(&self) -> Vec<HashMap<String, Vec<u8>>> {
        let rows: Vec<(String, HashMap<String, Vec<u8>>)> = redis::cmd("XRANGE")
            .arg(DEAD_STREAM)
            .arg("-")
            .arg("+")
            .query(&mut self.redis())
            .expect("a stream");
        rows.into_iter().map(|(_, fields)| fields).collect()
    }
}

fn envelope(id: &str) -> Value {
    json!({"version": 1, "id": id, "pipeline": "demo", "inputs": {"topic": "Tides"}})
}

#[tokio::test]
async fn envelopes_become_runs_and_leave_the_inbox() {
    let mut rig = Rig::new();
    // One is there before any consumer was.
    let first = rig.add(&envelope("before"));
    let working = rig.consume("a");
    let request = rig.next().await;
    let added_ms: u64 =
        first.split('-').next().and_then(|ms| ms.parse().ok()).expect("ids begin with a time");
    assert_eq!(request.run, run_id("default", "before", added_ms));
    assert_eq!(request.at_ms, added_ms);
    assert_eq!(request.envelope.inputs["topic"], "Tides");
    for n in 0..100 {
        rig.add(&envelope(&format!("n{n}")));
    }
    for _ in 0..100 {
        rig.next().await;
    }
    let tally = working.stop().await;
    assert_eq!(tally, Tally { submitted: 101, ..Tally::default() });
    assert_eq!((rig.left(), rig.dead().len()), (0, 0));
    let consumers: Vec<Value> = consumers(&rig);
    assert_eq!(consumers, Vec::<Value>::new(), "whoever stops leaves the group");
}

fn consumers(rig: &Rig) -> Vec<Value> {
    let names: Vec<HashMap<String, redis::Value>> =
        redis::cmd("XINFO").arg("CONSUMERS").arg(STREAM).arg(GROUP).query(&mut rig.redis()).expect("a group");
    names.into_iter().map(|about| json!(format!("{:?}", about["name"]))).collect()
}

#[tokio::test]
async fn the_same_id_is_one_run_within_its_namespace() {
    let mut rig = Rig::new();
    let working = rig.consume("a");
    rig.add(&envelope("twice"));
    let first = rig.next().await;
    rig.add(&envelope("twice"));
    let second = rig.next().await;
    let mut other = envelope("twice");
    other["namespace"] = json!("acme");
    rig.add(&other);
    let third = rig.next().await;
    assert_eq!(first.run, second.run);
    assert_ne!(first.run, third.run);
    let tally = working.stop().await;
    assert_eq!(tally, Tally { submitted: 2, repeated: 1, ..Tally::default() });
}

#[tokio::test]
async fn bad_envelopes_go_to_the_dead_stream_and_hold_nobody_up() {
    let mut rig = Rig::new();
    let mut redis = rig.redis();
    let broken = b"{\"version\": 1, \xff".as_slice();
    let () = redis.xadd(STREAM, "*", &[(FIELD, broken)]).expect("it can be added");
    let () =
        redis.xadd(STREAM, "*", &[(b"\xfe".as_slice(), b"no envelope".as_slice())]).expect("it can be added");
    let huge = vec![b' '; ENVELOPE_BYTES_MAX + 1];
    let () = redis.xadd(STREAM, "*", &[(FIELD, huge.as_slice())]).expect("it can be added");
    let refused = rig.add(&envelope("refused"));
    rig.add(&envelope("good"));
    let working = rig.consume("a");
    assert_eq!(rig.next().await.envelope.id, "good");
    let tally = working.stop().await;
    assert_eq!(tally, Tally { submitted: 1, dead: 4, ..Tally::default() });
    assert_eq!(rig.left(), 0);

    let dead = rig.dead();
    let of = |envelope: &[u8]| {
        dead.iter().find(|fields| fields["envelope"] == envelope).expect("it is in the dead stream")
    };
    let problems = |fields: &HashMap<String, Vec<u8>>| -> Value {
        serde_json::from_slice(&fields["problems"]).expect("problems are JSON")
    };
    assert!(problems(of(broken))[0]["message"].as_str().is_some_and(|text| text.starts_with("is not JSON")));
    assert_eq!(problems(of(b""))[0]["message"], "the entry has no field `envelope`");
    let cut = of(&huge[..INBOX_DEAD_BYTES_MAX]);
    assert_eq!(cut["bytes"], huge.len().to_string().into_bytes());
    let refusal = of(envelope("refused").to_string().as_bytes());
    assert_eq!(
        problems(refusal),
        json!([{"pointer": "/inputs/topic", "message": "is missing", "help": "give it"}])
    );
    assert_eq!(refusal["entry"], refused.into_bytes());
    assert!(refusal["at_ms"].len() >= 13, "milliseconds since the epoch");
}

#[tokio::test]
async fn what_cannot_be_submitted_for_now_stays_and_holds_nobody_up() {
    let mut rig = Rig::new();
    rig.runs.busy.lock().expect("nobody panicked").insert("busy".to_owned(), 6);
    rig.add(&envelope("busy"));
    rig.add(&envelope("good"));
    let working = rig.consume("a");
    assert_eq!(rig.next().await.envelope.id, "good");
    assert_eq!(rig.next().await.envelope.id, "busy");
    let tally = working.stop().await;
    assert_eq!(tally, Tally { submitted: 2, retried: 6, ..Tally::default() });
    assert_eq!(rig.left(), 0);
}

#[tokio::test]
async fn however_long_a_store_is_away_nothing_that_waits_for_it_is_bad() {
    let mut rig = Rig::new();
    let busy = |left: u32| rig.runs.busy.lock().expect("nobody panicked").insert("patient".to_owned(), left);
    busy(u32::MAX);
    let id = rig.add(&envelope("patient"));
    take_as(&rig, "dead");
    let mut claim = redis::cmd("XCLAIM");
    claim.arg(STREAM).arg(GROUP).arg("dead").arg(0).arg(&id).arg("RETRYCOUNT").arg(INBOX_TAKEOVERS_MAX - 1);
    let _: redis::Value = claim.query(&mut rig.redis()).expect("it can be claimed");
    let working = rig.consume("a");
    let tried = tokio::time::timeout(PATIENCE, async {
        while rig.runs.busy.lock().expect("nobody panicked")["patient"] > u32::MAX - 3 {
            tokio::task::yield_now().await;
        }
    });
    tried.await.expect("it is tried again and again");
    let tally = working.stop().await;
    assert!(tally.retried >= 3 && tally.dead == 0, "{tally:?}");
    let mut ask = redis::cmd("XPENDING");
    ask.arg(STREAM).arg(GROUP).arg(&id).arg(&id).arg(1);
    let pending: Vec<(String, String, u64, u64)> = ask.query(&mut rig.redis()).expect("it is pending");
    assert_eq!(pending[0].3, 1, "a consumer that lived through it has tried it");
    busy(0);
    let working = rig.consume("b");
    assert_eq!(rig.next().await.envelope.id, "patient");
    assert_eq!(working.stop().await, Tally { submitted: 1, ..Tally::default() });
}

#[tokio::test]
async fn entries_of_a_dead_consumer_are_taken_over() {
    let mut rig = Rig::new();
    rig.add(&envelope("left"));
    take_as(&rig, "dead");
    let working = rig.consume("a");
    assert_eq!(rig.next().await.envelope.id, "left");
    assert_eq!(working.stop().await.submitted, 1);
    assert_eq!(rig.left(), 0);
}

/// Takes all there is as a consumer that then says nothing more.
fn take_as(rig: &Rig, name: &str) {
    let mut redis = rig.redis();
    let _: redis::RedisResult<()> = redis.xgroup_create_mkstream(STREAM, GROUP, "0");
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg(name).arg("STREAMS").arg(STREAM).arg(">");
    let reply: redis::Value = read.query(&mut redis).expect("it can be read");
    assert_ne!(reply, redis::Value::Nil, "there was something to take");
}

#[tokio::test]
async fn an_envelope_that_kills_its_consumers_is_buried() {
    let rig = Rig::new();
    let id = rig.add(&envelope("poison"));
    take_as(&rig, "dead");
    let mut claim = redis::cmd("XCLAIM");
    claim.arg(STREAM).arg(GROUP).arg("dead too").arg(0).arg(&id).arg("RETRYCOUNT").arg(INBOX_TAKEOVERS_MAX);
    let _: redis::Value = claim.query(&mut rig.redis()).expect("it can be claimed");
    let working = rig.consume("a");
    rig.until_empty().await;
    assert_eq!(working.stop().await, Tally { dead: 1, ..Tally::default() });
    let problems = String::from_utf8_lossy(&rig.dead()[0]["problems"]).into_owned();
    assert!(problems.contains("by consumers that died with it"), "{problems}");
}

#[tokio::test]
async fn a_killed_server_loses_nothing_and_is_waited_for() {
    let mut rig = Rig::new();
    let working = rig.consume("a");
    rig.add(&envelope("one"));
    let one = rig.next().await;
    rig.server.kill();
    rig.server.start_again();
    rig.add(&envelope("two"));
    // Whether the first was deleted before the server died nobody knows; if not, it comes again as the same run.
    let mut two = rig.next().await;
    while two.envelope.id == "one" {
        assert_eq!(two.run, one.run);
        two = rig.next().await;
    }
    assert_eq!(two.envelope.id, "two");
    rig.until_empty().await;
    assert_eq!(working.stop().await.dead, 0);
    assert_eq!(rig.runs.seen.lock().expect("nobody panicked").len(), 2, "two envelopes, two runs");
}

#[tokio::test]
async fn two_consumers_share_the_work_and_submit_nothing_twice() {
    let mut rig = Rig::new();
    let (a, b) = (rig.consume("a"), rig.consume("b"));
    for n in 0..500 {
        rig.add(&envelope(&format!("n{n}")));
    }
    let mut ids: Vec<String> = Vec::new();
    for _ in 0..500 {
        ids.push(rig.next().await.envelope.id);
    }
    let (a, b) = (a.stop().await, b.stop().await);
    assert_eq!(a.submitted + b.submitted, 500);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 500);
    assert_eq!(rig.left(), 0);
}
