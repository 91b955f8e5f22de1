//! The bare step loop: how many no-op tasks a second the store alone can settle, as 1 → N → 1.
//!
//! `cargo run --release -p reelmill-store-sqlite --example bare_loop [FILE]`

use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph, light_lane};
use reelmill_model::limits::STEP_BATCH_MAX;
use reelmill_model::{Digest, Item, Outcome, RunId, TaskRef, Usage, WorkerId};
use reelmill_ports::{
    LeaseRequest, Leased, NewRun, Only, RunStore, Settle, StepRequest, StoreError, TaskQueue,
};
use reelmill_store_sqlite::SqliteStore;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn graph() -> Graph {
    let mut sketch = Sketch::new("bare_loop");
    let first = sketch.inline(Graph::MAIN, "first");
    let (each, body) = sketch.for_each(Graph::MAIN, "each");
    sketch.inline(body, "noop");
    let last = sketch.inline(Graph::MAIN, "last");
    sketch.after(each, first, DepKind::Data);
    sketch.after(last, each, DepKind::Data);
    sketch.build()
}

fn settle(graph: &Graph, leased: &Leased, items: u32) -> Settle {
    let outcome = if graph.node(leased.node).name == "each" {
        let item = |n: u32| Item { key: n.to_string(), value: Value::from(n) };
        Outcome::Expand { items: (0..items).map(item).collect() }
    } else {
        Outcome::Succeeded { outputs: json!({}), cached: false }
    };
    Settle { task: leased.task, token: leased.token, outcome, usage: Usage::default() }
}

async fn run(
    store: &SqliteStore,
    digest: Digest,
    graph: &Graph,
    no: u128,
    items: u32,
) -> Result<u32, StoreError> {
    let id = RunId::from_parts(1, no);
    let new = NewRun {
        id,
        graph: digest,
        name: "bare_loop".into(),
        inputs: json!({}),
        labels: BTreeMap::new(),
        namespace: "default".into(),
        base_dir: "/".into(),
        seed: 0,
        created_ms: 0,
        batch: None,
        priority: reelmill_ports::PRIORITY,
    };
    store.submit(new).await?;
    let worker = WorkerId("bench".into());
    let (mut settles, mut done) = (Vec::new(), 0);
    loop {
        let lease = LeaseRequest {
            lanes: vec![light_lane("default")],
            want: STEP_BATCH_MAX,
            lease: Duration::from_secs(30),
            only: Only::Any,
        };
        let request = StepRequest { worker: worker.clone(), settles, leases: vec![lease] };
        let reply = store.step(request).await?;
        if reply.leased.is_empty() {
            break;
        }
        done += u32::try_from(reply.leased.len()).unwrap_or(u32::MAX);
        settles = reply.leased.iter().map(|leased| settle(graph, leased, items)).collect();
    }
    let view = store.run(id).await?;
    assert!(view.is_some_and(|view| view.state.is_terminal()), "the run has not ended");
    let each = TaskRef { run: id, task: reelmill_model::TaskNo(1) };
    let start = Instant::now();
    let read = store.items(each, &[reelmill_model::NodeNo(2)]).await?;
    assert_eq!(read.len(), items as usize);
    println!("  items() of {items} items: {:?}", start.elapsed());
    Ok(done)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), StoreError> {
    let given = std::env::args().nth(1);
    let file = given.map_or_else(|| std::env::temp_dir().join("reelmill-bare-loop.db"), Into::into);
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
    let store = SqliteStore::open(&file)?;
    let (digest, graph) = (Digest([1; 32]), Arc::new(graph()));
    store.put_graph(digest, Arc::clone(&graph)).await?;
    for (no, items) in [(1, 100), (2, 100), (3, 1_000), (4, 1_000), (5, 1_000), (6, 10_000), (7, 10_000)] {
        let start = Instant::now();
        let done = run(&store, digest, &graph, no, items).await?;
        let took = start.elapsed();
        let each_us = took.as_secs_f64() * 1e6 / f64::from(done);
        println!(
            "1 -> {items} -> 1: {done} tasks in {took:?}: {each_us:.1} µs a task, {:.0} a second",
            1e6 / each_us
        );
    }
    Ok(())
}
