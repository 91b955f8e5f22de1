//! One worker process over a Redis of its own: no-op runs a second, graphs of 1 -> 8 -> 1 a second, the time from
//! enqueueing to the start of an idle worker's task, and what that costs the server.
//!
//! `cargo bench --workspace --bench fleet` prints a table; with `-- --json` one JSON object a line, each with
//! `figure` and `value`, in the units its name says.

use reelmill_artifacts::Artifacts;
use reelmill_benches::build_folder;
use reelmill_benches::fleet::{self, Form};
use reelmill_context::Runs;
use reelmill_host::{Host, HostConfig, Plugin};
use reelmill_model::{InstanceNo, NodeNo, WorkerCapacity, WorkerId};
use reelmill_ports::{Only, RunStore, TaskQueue};
use reelmill_runtime::{
    Capacity, Executor, Gpus, Lanes, Learning, Metrics, Paces, Plugins, Recall, Scratch, Secrets, Slots,
    Worker, WorkerConfig,
};
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::RedisServer;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs of one stage.
const NOOP_RUNS: u64 = 20_000;
/// Runs of ten stages.
const DAG_RUNS: u64 = 3_000;
/// Runs of one stage, one after another, on an idle worker.
const LATENCY_RUNS: u64 = 300;

// As the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let plugin = fleet::plugin(&home.path().join("plugins")).await;
    let bench = Bench { server: RedisServer::in_memory(), plugin, home: home.path() };
    bench.throughput(json, "noop", Form::Noop, NOOP_RUNS).await;
    bench.throughput(json, "dag", Form::Dag, DAG_RUNS).await;
    bench.latency(json).await;
}

struct Bench<'h> {
    server: RedisServer,
    plugin: Arc<Plugin>,
    home: &'h Path,
}

impl Bench<'_> {
    fn store(&self) -> Arc<RedisStore> {
        Arc::new(RedisStore::open(&Config::new(self.server.url())).expect("a store"))
    }

    fn worker(&self, store: &Arc<RedisStore>) -> Worker {
        let artifacts = Artifacts::local(self.home.join("artifacts")).expect("artifacts");
        let scratch = Scratch::open(&self.home.join("scratch"), false).expect("scratch");
        let host = HostConfig::new(
            build_folder().join("reelmill-runner"),
            scratch.root().to_owned(),
            self.home.join("artifacts"),
        );
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
            gpus: Gpus::default(),
            fleet: store.clone(),
            lanes: Lanes::default(),
            paces: Paces::default(),
            learning: Learning::default(),
            recall: Recall::default(),
            scratch,
            metrics: Metrics::register(&prometheus::Registry::new()).expect("figures"),
        };
        let config = WorkerConfig {
            worker: WorkerId("bench".to_owned()),
            queues: vec!["default".to_owned()],
            machine: WorkerCapacity::default(),
            lanes: Vec::new(),
            adapt: None,
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
        self.server.ask(&["LLEN", "rm:{0}:ended"]).parse().unwrap_or(0)
    }

    /// Enqueues runs, then lets one worker do them all.
    async fn throughput(&self, json: bool, name: &str, form: Form, runs: u64) {
        let pipeline = form.pipeline(&self.plugin);
        let _ = self.server.ask(&["FLUSHALL"]);
        let store = self.store();
        store.put_graph(pipeline.digest, pipeline.graph.clone()).await.expect("a graph");
        let before = self.server.figure("used_memory");
        let begun = Instant::now();
        fleet::submit_all(&store, &pipeline, runs).await;
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
        let tasks = (runs * form.tasks()) as f64;
        tell(json, &format!("{name}: runs a second"), runs as f64 / seconds);
        tell(json, &format!("{name}: tasks a second"), tasks / seconds);
        tell(json, &format!("{name}: Redis CPU us a task"), (self.cpu_s() - cpu_before) / tasks * 1e6);
        worker.drain(Duration::ZERO).await;
    }

    async fn latency(&self, json: bool) {
        let pipeline = Form::Stamp.pipeline(&self.plugin);
        let _ = self.server.ask(&["FLUSHALL"]);
        let (store, submitter) = (self.store(), self.store());
        store.put_graph(pipeline.digest, pipeline.graph.clone()).await.expect("a graph");
        let worker = self.worker(&store);
        let mut micros = Vec::new();
        for no in 0..LATENCY_RUNS {
            let begun = fleet::now_us();
            let run = fleet::new_run(&pipeline, no, json!({ "at_us": begun }));
            let id = run.id;
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
