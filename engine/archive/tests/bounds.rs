//! Archives are kept within bounds, in the same way wherever they lie.

use prometheus::Registry;
use reelmill_archive::{Figures, Keeper, Kept, PostgresArchive};
use reelmill_graph::Graph;
use reelmill_graph::sketch::Sketch;
use reelmill_lifecycle::RunRow;
use reelmill_model::limits::ARCHIVE_DELETED_AT_ONCE;
use reelmill_model::{Digest, RunId, RunState};
use reelmill_ports::conformance::{ManualClock, new_run};
use reelmill_ports::{Archive, Clock as _, NewRun, RunFilter, RunRecord, RunStore as _, StoreError};
use reelmill_store_memory::MemoryStore;
use reelmill_store_sqlite::SqliteStore;
use reelmill_test_postgres::PostgresServer;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const SECOND: u64 = 1_000;

/// Runs that ended 30, 20 and 10 seconds ago; the second was made before the first. Each names an artifact of its own and
/// the first two one together; the graph of the first is its own.
async fn fill(archive: &dyn Archive, now_ms: u64) {
    for (no, made, ended, shared, graph) in [(1, 40, 30, 9, 1), (2, 50, 20, 9, 2), (3, 15, 10, 8, 2)] {
        let id = RunId::from_parts(now_ms - made * SECOND, no);
        let named = |no: u8| json!({ "$artifact": Digest([no; 32]).to_string(), "bytes": 1 });
        let own = u8::try_from(no).expect("it is small");
        let new = NewRun {
            id,
            created_ms: id.0.timestamp_ms(),
            inputs: json!({ "own": named(own), "shared": named(shared) }),
            ..new_run(0, Digest([graph; 32]), None)
        };
        let mut run = RunRow::new(0, id, new.graph, None);
        (run.state, run.ended_ms) = (RunState::Succeeded, Some(now_ms - ended * SECOND));
        archive.put_graph(new.graph, Arc::new(graph_of(graph))).await.expect("the graph is kept");
        let record = RunRecord { new, run, instances: Vec::new(), tasks: Vec::new(), log: Vec::new() };
        archive.keep(record).await.expect("the run is kept");
    }
}

fn graph_of(no: u8) -> Graph {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, &format!("stage{no}"));
    sketch.build()
}

async fn left(archive: &dyn Archive) -> Vec<u128> {
    let runs = archive.runs(RunFilter::default()).await.expect("they are listed");
    runs.iter().map(|run| run.new.id.0.random()).collect()
}

async fn named(archive: &dyn Archive) -> Vec<u8> {
    let mut named: Vec<u8> =
        archive.kept_artifacts().await.expect("they are read").iter().map(|digest| digest.0[0]).collect();
    named.sort_unstable();
    named
}

async fn bounds_hold(archive: Arc<dyn Archive>, clock: ManualClock) {
    let keep = |kept: Kept| {
        let figures = Figures::register(&Registry::new()).expect("a registry of its own");
        Keeper::new(archive.clone(), kept, Arc::new(clock.clone()), figures)
    };
    let age = |seconds: u64| Kept { age: Some(Duration::from_secs(seconds)), runs: None };
    let runs = |runs: u64| Kept { age: None, runs: Some(runs) };
    fill(&*archive, clock.now_ms()).await;
    for generous in [Kept::default(), age(31), age(30), runs(3), runs(4)] {
        assert_eq!(keep(generous).look().await.expect("it looks"), 0, "{generous:?}");
    }
    assert_eq!(named(&*archive).await, [1, 2, 3, 8, 9]);
    assert_eq!(keep(age(25)).look().await.expect("it looks"), 1);
    assert_eq!((left(&*archive).await, named(&*archive).await), (vec![3, 2], vec![2, 3, 8, 9]));
    assert_eq!(keep(runs(1)).look().await.expect("it looks"), 1, "the oldest by its id goes first");
    assert_eq!((left(&*archive).await, named(&*archive).await), (vec![3], vec![3, 8]));
    assert_eq!(keep(runs(0)).look().await.expect("it looks"), 1);
    assert_eq!((left(&*archive).await, named(&*archive).await), (vec![], vec![]));
}

#[tokio::test]
async fn bounds_of_an_archive_in_postgresql() {
    let (server, clock) = (PostgresServer::start(), ManualClock::default());
    let archive = Arc::new(PostgresArchive::new(&server.url()).expect("the address is good"));
    bounds_hold(archive.clone(), clock).await;
    let gone = archive.graph(Digest([1; 32])).await;
    assert!(matches!(gone, Err(StoreError::NoSuchGraph(_))), "graphs go with their last run");
}

#[tokio::test]
async fn bounds_of_an_archive_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = SqliteStore::open(folder.path().join("archive.db")).expect("it opens");
    bounds_hold(Arc::new(archive), ManualClock::default()).await;
}

#[tokio::test]
async fn bounds_of_an_archive_in_memory() {
    let clock = ManualClock::default();
    bounds_hold(Arc::new(MemoryStore::new(Arc::new(clock.clone()), 0)), clock).await;
}

/// More than one transaction deletes.
#[tokio::test]
async fn everything_that_is_too_much_goes_in_one_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = Arc::new(SqliteStore::open(folder.path().join("archive.db")).expect("it opens"));
    let clock = ManualClock::default();
    let graph = Digest([1; 32]);
    archive.put_graph(graph, Arc::new(graph_of(1))).await.expect("it is kept");
    let many = 2 * ARCHIVE_DELETED_AT_ONCE as u128 + 1;
    for no in 0..many {
        let new = NewRun { id: RunId::from_parts(clock.now_ms(), no), ..new_run(0, graph, None) };
        let mut run = RunRow::new(0, new.id, graph, None);
        (run.state, run.ended_ms) = (RunState::Failed, Some(clock.now_ms()));
        let record = RunRecord { new, run, instances: Vec::new(), tasks: Vec::new(), log: Vec::new() };
        archive.keep(record).await.expect("the run is kept");
    }
    let figures = Figures::register(&Registry::new()).expect("a registry of its own");
    let kept = Kept { age: None, runs: Some(1) };
    let keeper = Keeper::new(archive.clone(), kept, Arc::new(clock), figures);
    assert_eq!(u128::from(keeper.look().await.expect("it looks")), many - 1);
    assert_eq!(left(&*archive).await, [many - 1]);
}
