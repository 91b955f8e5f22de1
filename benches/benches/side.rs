//! Reelmill as a side of `benches/peers/bench.py`, which says what is asked of one. The worker is the product's own,
//! `reelmill worker`; this program starts it and tells what it sees of it in the store.
//!
//! `step N` is more than a side: N tasks through the store in a bare loop, one step after another, with no worker
//! around it. It says {"event": "stepped", "tasks": N, "seconds": S}.

use reelmill_benches::build_folder;
use reelmill_benches::fleet::{Form, Product, new_run, now_us, plugin, submit_all};
use reelmill_model::{InstanceNo, NodeNo, Outcome, RunId, Usage, WorkerId};
use reelmill_ports::{LeaseRequest, Only, RunStore, Settle, StepRequest, TaskQueue};
use reelmill_store_redis::{Config, RedisStore};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the worker is looked at while much ends, and while little does: whoever looks takes time from what is
/// looked at.
const LOOK: Duration = Duration::from_millis(5);
const GLANCE: Duration = Duration::from_millis(40);
/// Ended runs of the one partition.
const ENDED: &str = "rm:{0}:ended";
/// Runs that are looked at one by one, because they may say when they began; more at once are of another kind.
const STAMPS_MAX: u64 = 20;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match words[..] {
        ["worker"] => runtime.block_on(worker()),
        ["enqueue", what, number, gap_ms] => {
            let (number, gap_ms) = (number.parse().expect("a number"), gap_ms.parse().expect("milliseconds"));
            runtime.block_on(enqueue(form(what), number, Duration::from_millis(gap_ms)));
        }
        ["step", number] => runtime.block_on(step(number.parse().expect("a number"))),
        // `cargo bench` runs every bench; this one is for `make bench-peers`.
        _ => eprintln!("usage: side worker | enqueue noop|dag|stamp N GAP_MS | step N"),
    }
}

fn form(what: &str) -> Form {
    match what {
        "noop" => Form::Noop,
        "dag" => Form::Dag,
        "stamp" => Form::Stamp,
        other => panic!("`{other}` is none of noop, dag, stamp"),
    }
}

fn say(line: &Value) {
    println!("{line}");
    std::io::stdout().flush().expect("somebody listens");
}

fn url() -> String {
    std::env::var("REDIS_URL").expect("REDIS_URL says where Redis is")
}

fn store() -> Arc<RedisStore> {
    Arc::new(RedisStore::open(&Config::new(url())).expect("the store opens"))
}

/// The folder of the side: what it starts lies there, as it would be installed.
fn folder() -> PathBuf {
    let home =
        std::env::var_os("BENCH_HOME").map_or_else(|| build_folder().join("bench-peers"), PathBuf::from);
    home.join("reelmill")
}

async fn enqueue(form: Form, number: u64, gap: Duration) {
    let plugin = plugin(&folder().join("manifests")).await;
    let pipeline = form.pipeline(&plugin);
    let store = store();
    store.put_graph(pipeline.digest, pipeline.graph.clone()).await.expect("a graph");
    if gap.is_zero() {
        submit_all(&store, &pipeline, number).await;
    } else {
        for no in 0..number {
            tokio::time::sleep(gap).await;
            let run = new_run(&pipeline, no, json!({ "at_us": now_us() }));
            store.submit(run).await.expect("submitted");
        }
    }
    say(&json!({ "event": "enqueued", "n": number }));
}

async fn worker() {
    let product = Product::start(&folder(), &url(), &[]);
    let store = store();
    while reelmill_ports::Fleet::workers(&*store).await.expect("the store answers").is_empty() {
        tokio::time::sleep(LOOK).await;
    }
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("a signal");
    tokio::select! {
        () = watch(&store, product.id()) => {}
        _ = terminate.recv() => {}
    }
    drop(product);
}

/// Tells what has ended: the server is asked for one number, because reading along would be work for it. Runs that say
/// when they began are read when no more of them end.
async fn watch(store: &RedisStore, worker: u32) {
    let client = redis::Client::open(url()).expect("an address");
    let mut server = client.get_connection().expect("the server answers");
    say(&json!({ "event": "ready", "worker": worker }));
    let (mut ended, mut stamps, mut pause) = (0, 0, LOOK);
    loop {
        tokio::time::sleep(pause).await;
        let now: u64 = redis::cmd("LLEN").arg(ENDED).query(&mut server).expect("the server answers");
        let newly = now.saturating_sub(ended);
        if newly == 0 {
            tell_stamps(store, &mut server, std::mem::take(&mut stamps)).await;
            continue;
        }
        ended = now;
        let is_little = newly <= STAMPS_MAX;
        pause = if is_little { GLANCE } else { LOOK };
        stamps = if is_little { stamps + newly } else { 0 };
        say(&json!({ "event": "settled", "jobs": now, "dags": now, "at_ms": now_us() / 1_000 }));
    }
}

/// Of the newest runs, which say when they were enqueued: how long each took to its start.
async fn tell_stamps(store: &RedisStore, server: &mut redis::Connection, count: u64) {
    if count == 0 {
        return;
    }
    let first = -i64::try_from(count).expect("a small number");
    let entries: Vec<Vec<u8>> =
        redis::cmd("LRANGE").arg(ENDED).arg(first).arg(-1).query(server).expect("the runs");
    for entry in entries {
        let id: [u8; 16] = entry[entry.len() - 16..].try_into().expect("an id");
        tell_stamp(store, RunId(u128::from_be_bytes(id).into())).await;
    }
}

/// Of a run that says when it was enqueued: how long it took to its start.
async fn tell_stamp(store: &RedisStore, run: RunId) {
    let Some(view) = store.run(run).await.expect("the store answers") else { return };
    let Some(at_us) = view.new.inputs["at_us"].as_u64() else { return };
    let tasks = store.instance_tasks(run, InstanceNo(0), &[NodeNo(0)]).await.expect("the store answers");
    let began_us =
        tasks[0].as_ref().and_then(|task| task.outputs["began_us"].as_u64()).expect("it says when");
    say(&json!({ "event": "started", "wait_ms": began_us.saturating_sub(at_us) as f64 / 1e3 }));
}

/// Settles and leases in one step after another.
async fn step(number: u64) {
    let store = store();
    let begun = Instant::now();
    let (mut settles, mut done) = (Vec::new(), 0);
    while done < number {
        let lease = LeaseRequest {
            lanes: vec!["default".to_owned(), reelmill_graph::light_lane("default")],
            want: 256,
            lease: Duration::from_secs(10),
            only: Only::Any,
        };
        let request = StepRequest {
            worker: WorkerId("loop".to_owned()),
            settles: std::mem::take(&mut settles),
            leases: vec![lease],
        };
        let reply = store.step(request).await.expect("the store answers");
        done += reply.settled.len() as u64;
        settles.extend(reply.leased.into_iter().map(|leased| Settle {
            task: leased.task,
            token: leased.token,
            outcome: Outcome::Succeeded { outputs: json!({}), cached: false },
            usage: Usage::default(),
        }));
    }
    say(&json!({ "event": "stepped", "tasks": done, "seconds": begun.elapsed().as_secs_f64() }));
}
