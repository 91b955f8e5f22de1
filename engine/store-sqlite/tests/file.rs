//! The file: what happens to it between versions, processes and faults.

mod common;

use reelmill_graph::Graph;
use reelmill_graph::sketch::Sketch;
use reelmill_model::{Digest, EventKind, InstanceState, Phase, RunState, Severity, TaskState};
use reelmill_ports::conformance::{Bed as _, Rig};
use reelmill_ports::{EventQuery, Only, StoreError};
use reelmill_store_sqlite::SqliteStore;
use std::time::Duration;

fn one_stage() -> Graph {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "only");
    sketch.build()
}

/// Files hold the places of these words; a word may be added at the end, none may move.
#[test]
fn words_keep_their_places() {
    fn words<T: ToString>(all: &[T]) -> String {
        all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }
    let tasks = "pending ready delayed leased succeeded failed skipped cancelled";
    assert_eq!(words(TaskState::ALL), tasks);
    assert_eq!(words(InstanceState::ALL), "waiting running succeeded failed cancelled");
    assert_eq!(words(RunState::ALL), "running succeeded failed cancelled");
    assert_eq!(words(Phase::ALL), "main on_failure finally done compensate");
    assert_eq!(words(Severity::ALL), "debug info warn error");
    let events = "run.submitted run.phase run.ended run.cancel_requested run.retried task.leased task.expanded \
                  task.settled task.retried task.lease_expired task.released task.log task.progress task.awaits \
                  run.paused run.resumed task.parked";
    assert_eq!(words(EventKind::ALL), events);
}

#[test]
fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let bed = common::Bed::default();
    drop(bed.open());
    let conn = rusqlite::Connection::open(bed.file()).expect("it opens");
    conn.pragma_update(None, "user_version", 99).expect("it is written");
    drop(conn);
    let refused = SqliteStore::open(bed.file());
    let message = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(message.contains("newer version"), "{message}");
    let conn = rusqlite::Connection::open(bed.file()).expect("it opens");
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).expect("it is read");
    assert_eq!(version, 99);
}

#[test]
fn what_is_no_store_is_refused() {
    let bed = common::Bed::default();
    std::fs::write(bed.file(), "this is no database, whatever its name says\n".repeat(99)).expect("written");
    assert!(matches!(SqliteStore::open(bed.file()), Err(StoreError::Corrupt(_))));
    let nowhere = bed.file().join("no/such/folder/x.db");
    assert!(matches!(SqliteStore::open(nowhere), Err(StoreError::Unavailable { .. })));
}

/// Two stores on one file are two processes as far as the file is concerned.
#[tokio::test]
async fn another_process_is_seen() {
    let bed = common::Bed::default();
    let rig = Rig::new(&bed, one_stage()).await;
    let other = bed.open();
    let leased = rig.lease_one("only").await;
    assert_eq!(other.cancel(rig.run, "from elsewhere").await.expect("it is asked"), RunState::Running);
    let beat = reelmill_ports::Beat { task: leased.task, token: leased.token };
    let worker = reelmill_model::WorkerId("w1".into());
    let reply = rig.store.heartbeat(&worker, &[beat], Duration::from_secs(9)).await.expect("it beats");
    assert_eq!(reply.cancelled, [leased.task]);
}

/// Work and events of another process end a wait that would last an hour.
#[tokio::test]
async fn another_process_wakes() {
    let bed = common::Bed::default();
    let store = bed.open();
    let lanes = reelmill_ports::conformance::lanes();
    let long = Duration::from_hours(1);
    let submit = Rig::new(&bed, one_stage());
    let ((), _, rig) = tokio::join!(store.wait(&lanes, &Only::Any, long), store.wait_event(0, long), submit);
    let events = store.events(EventQuery::default()).await.expect("events are read");
    assert_eq!(events[0].run, rig.run);
}

/// A transaction that fails leaves nothing of itself, and the store goes on.
#[tokio::test]
async fn a_failed_transaction_changes_nothing() {
    let bed = common::Bed::default();
    let rig = Rig::new(&bed, one_stage()).await;
    let conn = rusqlite::Connection::open(bed.file()).expect("it opens");
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON event BEGIN SELECT raise(ABORT, 'no'); END";
    conn.execute_batch(refuse).expect("it is made");
    let cancelled = rig.store.cancel(rig.run, "x").await;
    assert!(matches!(cancelled, Err(StoreError::Unavailable { .. })), "{cancelled:?}");
    let run = rig.view().await;
    assert_eq!((run.state, run.cancel_reason), (RunState::Running, None));
    assert_eq!(rig.task("only").await.state, TaskState::Ready);
    conn.execute_batch("DROP TRIGGER refuse").expect("it is removed");
    assert_eq!(rig.store.cancel(rig.run, "x").await.expect("it is asked"), RunState::Cancelled);
    let unknown = rig.store.graph(Digest([5; 32])).await;
    assert!(matches!(unknown, Err(StoreError::NoSuchGraph(_))));
}
