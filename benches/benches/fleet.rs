//! One worker process over a Redis of its own: no-op runs a second, graphs of 1 -> 8 -> 1 a second, the time from
//! enqueueing to the start of an idle worker's task, and what that costs the server.
//!
//! `cargo bench -p reelmill-benches --bench fleet` prints a table; with `-- --json` one JSON object a line, each with
//! `figure` and `value`, in the units its name says.

use reelmill_artifacts::Artifacts;
use reelmill_benches::build_folder;
use reelmill_context::Runs;
use reelmill_control::{Pipeline, prepare};
use reelmill_graph::compile::{Catalog, NoFiles};
use reelmill_host::{Host, HostConfig, Plugin, catalog};
use reelmill_model::{InstanceNo, NodeNo, RunId, WorkerCapacity, WorkerId};
use reelmill_ports::{NewRun, Only, RunStore, TaskQueue};
use reelmill_runtime::{
    Capacity, Executor, Lanes, Metrics, Plugins, Scratch, Secrets, Slots, Worker, WorkerConfig,
};
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::RedisServer;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Runs of one stage.
const NOOP_RUNS: u64 = 20_000;
/// Runs of ten stages.
const DAG_RUNS: u64 = 3_000;
/// Runs of one stage, one after another, on an idle worker.
const LATENCY_RUNS: u64 = 300;
/// Submissions under way at once.
const AT_ONCE: usize = 256;

const NOOP: &str = "
version: 1
name: noop
stages:
  only: { uses: faulty.noop@1, with: {}, cache: never }
";

const CLOCK: &str = "
version: 1
name: clock
stages:
  only: { uses: faulty.clock@1, with: {}, cache: never }
";

/// One stage, eight that wait for it, one that waits for those.
fn dag() -> String {
    let head = "version: 1\nname: dag\nstages:\n  first: { uses: faulty.noop@1, with: {}, cache: never }\n";
    let middle: Vec<String> = (1..=8)
        .map(|n| format!("  m{n}: {{ uses: faulty.noop@1, with: {{}}, needs: [first], cache: never }}\n"))
        .collect();
    let all: Vec<String> = (1..=8).map(|n| format!("m{n}")).collect();
    let all = all.join(", ");
    let last = format!("  last: {{ uses: faulty.noop@1, with: {{}}, needs: [{all}], cache: never }}\n");
    [head, &middle.concat(), &last].concat()
}

fn main() {
    let json = std::env::args().any(|argument| argument == "--json");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(json));
}

fn tell(json: bool, figure: &str, value: f64) {
    if json {
        println!("{}", json!({ "figure": figure, "value": value }));
    } else {
        println!("{figure:<44} {value:>12.1}");
    }
}

async fn measure(json: bool) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let runner = build_folder().join("reelmill-runner");
    let library = build_folder().join("libreelmill_faulty.so");
    let plugin = catalog::open(&library, true, &home.path().join("plugins"), &runner).await;
    let plugin = Arc::new(plugin.unwrap_or_else(|problem| panic!("{problem}; run `make build` first")));
    let compile = |text: &str| {
        prepare(text, &Catalog::new(vec![plugin.located.clone()]), &NoFiles).expect("it compiles")
    };

    let bench =
        Bench { server: RedisServer::in_memory(), plugin: Arc::clone(&plugin), runner, home: home.path() };
    bench.throughput(json, "noop", &compile(NOOP), NOOP_RUNS, 1).await;
    bench.throughput(json, "dag", &compile(&dag()), DAG_RUNS, 10).await;
    bench.latency(json, &compile(CLOCK)).await;
}

struct Bench<'h> {
    server: RedisServer,
    plugin: Arc<Plugin>,
    runner: std::path::PathBuf,
    home: &'h Path,
}

impl Bench<'_> {
    fn store(&self) -> Arc<RedisStore> {
        Arc::new(RedisStore::open(&Config::new(self.server.url())).expect("a store"))
    }

    fn worker(&self, store: &Arc<RedisStore>) -> Worker {
        let artifacts = Artifacts::local(self.home.join("artifacts")).expect("artifacts");
        let scratch = Scratch::open(&self.home.join("scratch"), false).expect("scratch");
        let host = HostConfig::new(&self.runner, scratch.root().to_owned(), self.home.join("artifacts"));
        let executor = Executor {
            runs: Runs::new(store.clone()),
            limits: store.clone(),
            events: store.clone(),
            cache: None,
            artifacts: artifacts.into(),
            host: Arc::new(Host::new(host)),
            plugins: Plugins::new([Arc::clone(&self.plugin)]),
            secrets: Secrets::default(),
            slots: Slots::new(Capacity { slots: 2, memory_mib: 1_024, gpus: 0 }),
            fleet: store.clone(),
            lanes: Lanes::default(),
            scratch,
            metrics: Metrics::register(&prometheus::Registry::new()).expect("figures"),
        };
        let config = WorkerConfig {
            worker: WorkerId("bench".to_owned()),
            queues: vec!["default".to_owned()],
            machine: WorkerCapacity::default(),
            lanes: Vec::new(),
            only: Only::Any,
            lease: WorkerConfig::LEASE,
            is_dead: |_| false,
        };
        Worker::start(store.clone(), Arc::new(executor), config).expect("a worker")
    }

    /// CPU seconds the server has used.
    fn cpu_s(&self) -> f64 {
        self.server.figure("used_cpu_user") + self.server.figure("used_cpu_sys")
    }

    /// Runs that have ended.
    fn ended(&self) -> u64 {
        self.server.ask(&["ZCARD", "rm:{0}:ended"]).parse().unwrap_or(0)
    }

    /// Enqueues runs, then lets one worker do them all.
    async fn throughput(&self, json: bool, name: &str, pipeline: &Pipeline, runs: u64, tasks_each: u64) {
        let _ = self.server.ask(&["FLUSHALL"]);
        let store = self.store();
        store.put_graph(pipeline.digest, pipeline.graph.clone()).await.expect("a graph");
        let before = self.server.figure("used_memory");
        let begun = Instant::now();
        submit_all(&store, pipeline, runs).await;
        tell(json, &format!("{name}: runs enqueued a second"), runs as f64 / begun.elapsed().as_secs_f64());
        let held = self.server.figure("used_memory") - before;
        tell(json, &format!("{name}: bytes of Redis a queued run"), held / runs as f64);
        let cpu_before = self.cpu_s();
        let begun = Instant::now();
        let worker = self.worker(&store);
        while self.ended() < runs {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        let tasks = (runs * tasks_each) as f64;
        tell(json, &format!("{name}: runs a second"), runs as f64 / seconds);
        tell(json, &format!("{name}: tasks a second"), tasks / seconds);
        tell(json, &format!("{name}: Redis CPU us a task"), (self.cpu_s() - cpu_before) / tasks * 1e6);
        worker.drain(Duration::ZERO).await;
    }

    async fn latency(&self, json: bool, pipeline: &Pipeline) {
        let _ = self.server.ask(&["FLUSHALL"]);
        let (store, submitter) = (self.store(), self.store());
        store.put_graph(pipeline.digest, pipeline.graph.clone()).await.expect("a graph");
        let worker = self.worker(&store);
        let mut micros = Vec::new();
        for no in 0..LATENCY_RUNS {
            let run = new_run(pipeline, no);
            let (id, begun) = (run.id, now_us());
            submitter.submit(run).await.expect("submitted");
            while self.ended() <= no {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let task = store.instance_tasks(id, InstanceNo(0), &[NodeNo(0)]).await.expect("a task");
            let started = task[0].as_ref().and_then(|task| task.outputs["began_us"].as_u64());
            micros.push(started.expect("it says when").saturating_sub(begun));
        }
        micros.sort_unstable();
        let at = |part: usize| micros[(micros.len() - 1) * part / 100] as f64;
        tell(json, "enqueue to start, idle: p50 us", at(50));
        tell(json, "enqueue to start, idle: p99 us", at(99));
        worker.drain(Duration::ZERO).await;
    }
}

async fn submit_all(store: &Arc<RedisStore>, pipeline: &Pipeline, runs: u64) {
    let room = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let mut under_way = tokio::task::JoinSet::new();
    for no in 0..runs {
        let permit = Arc::clone(&room).acquire_owned().await.expect("it stays open");
        let (store, run) = (Arc::clone(store), new_run(pipeline, no));
        under_way.spawn(async move {
            store.submit(run).await.expect("submitted");
            drop(permit);
        });
    }
    while under_way.join_next().await.is_some() {}
}

fn new_run(pipeline: &Pipeline, no: u64) -> NewRun {
    let created_ms = now_us() / 1_000;
    NewRun {
        id: RunId::from_parts(created_ms, u128::from(no)),
        graph: pipeline.digest,
        name: pipeline.graph.name.clone(),
        inputs: json!({}),
        labels: BTreeMap::new(),
        namespace: "default".into(),
        base_dir: "/".into(),
        seed: no,
        created_ms,
        batch: None,
        priority: reelmill_ports::PRIORITY,
    }
}

fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
