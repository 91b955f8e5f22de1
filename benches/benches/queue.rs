//! The embedded engine end to end: no-op tasks of inline stages, leased, evaluated, run and settled by one worker
//! over one SQLite file, as 1 → N → 1.
//!
//! Prints tasks a second and microseconds a task for each N, and by how much a task's cost grows with N.

use reelmill_artifacts::Artifacts;
use reelmill_benches::{build_folder, median};
use reelmill_context::Runs;
use reelmill_control::{Control, Pipeline, Submission, prepare};
use reelmill_graph::compile::Catalog;
use reelmill_host::{Host, HostConfig, Plugin, catalog};
use reelmill_model::{RunId, RunState, WorkerCapacity, WorkerId};
use reelmill_ports::{EventQuery, Only, RunStore};
use reelmill_runtime::{
    Capacity, Executor, Gpus, Lanes, Learning, Metrics, Paces, Plugins, Recall, Scratch, Secrets, Slots,
    Worker, WorkerConfig,
};
use reelmill_store_sqlite::SqliteStore;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Widths of the fan-out.
const WIDTHS: [u64; 3] = [100, 1_000, 10_000];
/// Runs of each width; the median counts.
const ROUNDS: usize = 5;

const PIPELINE: &str = r#"
version: 1
name: bench
inputs:
  items: { type: array, items: { type: int }, max_items: 10000 }
stages:
  first:
    uses: faulty.noop@1
    with: { text: start }
  each:
    needs: [first]
    for_each: { in: inputs.items, max_items: 10000 }
    uses: faulty.noop@1
    with: { n: "${{ item }}" }
  last:
    needs: [each]
    uses: faulty.noop@1
    with: { text: end }
"#;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let runner = build_folder().join("reelmill-runner");
    let library = build_folder().join("libreelmill_faulty.so");
    let plugin = catalog::open(&library, true, &home.path().join("plugins"), &runner).await;
    let plugin = Arc::new(plugin.unwrap_or_else(|problem| panic!("{problem}; run `make build` first")));
    let pipeline =
        prepare(PIPELINE, &Catalog::new(vec![plugin.located.clone()]), &reelmill_graph::compile::NoFiles)
            .expect("it compiles");
    let (control, store, executor) = engine(home.path(), runner, plugin);
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
    let worker = Worker::start(store.clone(), executor, config).expect("a worker");
    println!("1 -> N -> 1 no-op tasks, inline, one worker over SQLite; median of {ROUNDS} runs");
    println!("{:>8} {:>12} {:>12}", "N", "tasks/s", "us/task");
    let mut costs = Vec::new();
    for (round, width) in (0..).zip(WIDTHS) {
        let mut seconds = Vec::new();
        for repeat in 0..ROUNDS {
            let id = RunId::from_parts(1 + round, repeat as u128);
            seconds.push(run_once(&control, &store, &pipeline, id, width).await);
        }
        let tasks = (width + 3) as f64;
        let seconds = median(seconds);
        costs.push(seconds / tasks);
        println!("{width:>8} {:>12.0} {:>12.1}", tasks / seconds, seconds / tasks * 1e6);
    }
    println!("cost of a task at N = 10,000 / at N = 100: {:.2}", costs[2] / costs[0]);
    worker.drain(Duration::ZERO).await;
}

fn engine(
    home: &Path,
    runner: std::path::PathBuf,
    plugin: Arc<Plugin>,
) -> (Control, Arc<SqliteStore>, Arc<Executor>) {
    let store = Arc::new(SqliteStore::open(home.join("reelmill.db")).expect("a store"));
    let artifacts = Arc::new(Artifacts::local(home.join("artifacts")).expect("artifacts"));
    let scratch = Scratch::open(&home.join("scratch"), false).expect("scratch");
    let host = Host::new(HostConfig::new(runner, scratch.root().to_owned(), home.join("artifacts")));
    let runs = Runs::new(store.clone());
    let executor = Executor {
        runs: runs.clone(),
        limits: store.clone(),
        events: store.clone(),
        cache: None,
        artifacts: artifacts.clone(),
        host: Arc::new(host),
        plugins: Plugins::new([plugin]),
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
    let control = Control {
        queue: store.clone(),
        store: store.clone(),
        limits: store.clone(),
        fleet: store.clone(),
        events: store.clone(),
        cache: store.clone(),
        registry: store.clone(),
        marks: store.clone(),
        artifacts,
        runs,
    };
    (control, store, Arc::new(executor))
}

/// Submits one run and waits for its end; gives the seconds from submit to end.
async fn run_once(
    control: &Control,
    store: &Arc<SqliteStore>,
    pipeline: &Pipeline,
    id: RunId,
    width: u64,
) -> f64 {
    let inputs = json!({ "items": (0..width).collect::<Vec<_>>() });
    let submission = Submission {
        id,
        inputs: inputs.as_object().cloned().unwrap_or_default(),
        name: None,
        labels: BTreeMap::new(),
        namespace: None,
        base_dir: "/".into(),
        files_dir: "/".into(),
        seed: None,
        now_ms: 1,
        batch: None,
        priority: None,
    };
    let started = Instant::now();
    control.submit(pipeline, submission, false).await.expect("submitted");
    let view = wait_for_end(store, id).await;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(view, RunState::Succeeded, "a run that failed measures nothing");
    seconds
}

async fn wait_for_end(store: &Arc<SqliteStore>, id: RunId) -> RunState {
    use reelmill_model::EventKind;
    use reelmill_ports::EventLog as _;
    loop {
        let ended =
            EventQuery { run: Some(id), kinds: vec![EventKind::RunEnded], limit: 1, ..EventQuery::default() };
        if !store.events(ended).await.expect("events").is_empty() {
            return store.run(id).await.expect("a run").expect("it is there").state;
        }
        store.wait_event(0, Duration::from_millis(5)).await;
    }
}
