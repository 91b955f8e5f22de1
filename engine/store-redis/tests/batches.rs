//! A page of a batch costs what is on it, however large the batch is.

use reelmill_graph::Graph;
use reelmill_graph::sketch::Sketch;
use reelmill_model::{Digest, RunId};
use reelmill_ports::conformance::new_run;
use reelmill_ports::{NewRun, RunFilter, RunStore as _, TaskQueue as _};
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::RedisServer;
use std::sync::Arc;

/// Bytes that the server has sent, this answer not counted.
fn sent(server: &RedisServer) -> u64 {
    let stats = server.ask(&["INFO", "stats"]);
    let line = stats.lines().find_map(|line| line.trim().strip_prefix("total_net_output_bytes:"));
    line.expect("it counts").parse().expect("a number")
}

#[tokio::test]
async fn a_page_of_a_large_batch_is_read_alone() {
    const RUNS: u128 = 3_000;
    let server = RedisServer::in_memory();
    let store = Arc::new(RedisStore::open(&Config::new(server.url())).expect("it opens"));
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "one");
    let graph = Digest([1; 32]);
    store.put_graph(graph, Arc::new(sketch.build())).await.expect("the graph is kept");
    let id = |no| RunId::from_parts(1_700_000_000_000, no);
    let submits = (0..RUNS).map(|no| {
        let (store, new) = (store.clone(), NewRun { id: id(no), ..new_run(no, graph, Some("b")) });
        tokio::spawn(async move { store.submit(new).await.expect("it is submitted") })
    });
    for submit in submits.collect::<Vec<_>>() {
        assert!(submit.await.expect("it ends"));
    }
    let page = |before| RunFilter { batch: Some("b".into()), before: Some(before), ..RunFilter::default() };
    // The first look may read what a process reads once.
    let _ = store.runs(page(id(3))).await.expect("it is read");
    let before = sent(&server);
    let oldest = store.runs(page(id(3))).await.expect("it is read");
    let cost = sent(&server) - before;
    assert_eq!(oldest.iter().map(|run| run.new.id).collect::<Vec<_>>(), [id(2), id(1), id(0)]);
    // Three rows, and the answer to `INFO` before; the ids of all runs alone would be 16 bytes each.
    assert!(cost < u64::try_from(RUNS).expect("small") * 10, "{cost} bytes for three runs");
}
