//! The archive in PostgreSQL, on a real server: ended runs of a real Redis are moved there, and are read as the store in
//! SQLite reads the same runs.

use prometheus::Registry;
use reelmill_archive::{Archived, Figures, Moved, Mover, PostgresArchive};
use reelmill_graph::Graph;
use reelmill_graph::sketch::Sketch;
use reelmill_model::limits::RUN_YOUNG_MS_MAX;
use reelmill_model::{
    Digest, EventKind, Failure, FailureClass, InstanceNo, Item, NodeNo, Outcome, RunId, RunState, Severity,
    TaskRef,
};
use reelmill_ports::conformance::{self, ManualClock, Rig, Store};
use reelmill_ports::{
    Archivable as _, Archive, Clock as _, EventLog as _, EventQuery, Fleet as _, LogLine, NewRun, RunFilter,
    RunRecord, RunStore, StoreError, TaskFilter, TaskQueue as _,
};
use reelmill_store_memory::MemoryStore;
use reelmill_store_redis::{Config, RedisStore};
use reelmill_store_sqlite::SqliteStore;
use reelmill_test_postgres::PostgresServer;
use reelmill_test_redis::RedisServer;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A Redis of its own, where the runs happen.
struct Bed {
    _server: RedisServer,
    store: Arc<RedisStore>,
    clock: ManualClock,
}

impl Bed {
    fn new() -> Self {
        let (server, clock) = (RedisServer::in_memory(), ManualClock::default());
        let config = Config { clock: Some(Arc::new(clock.clone())), ..Config::new(server.url()) };
        let store = Arc::new(RedisStore::open(&config).expect("the store opens"));
        Self { _server: server, store, clock }
    }

    /// Both stores as one.
    fn both(&self, archive: &Arc<PostgresArchive>) -> Archived<RedisStore> {
        Archived::new(self.store.clone(), archive.clone(), Arc::new(self.clock.clone()))
    }

    /// A mover of everything that has ended.
    fn mover(&self, archive: &Arc<impl Archive + 'static>) -> Mover<RedisStore> {
        let figures = Figures::register(&Registry::new()).expect("a registry of its own");
        Mover::new(self.store.clone(), archive.clone(), Duration::ZERO, Arc::new(self.clock.clone()), figures)
    }

    /// What is submitted under an id, with a graph that is known.
    async fn new_run(&self, id: RunId) -> NewRun {
        self.store.put_graph(GRAPH, Arc::new(fan())).await.expect("the graph is kept");
        NewRun { id, created_ms: id.0.timestamp_ms(), ..conformance::new_run(0, GRAPH, None) }
    }

    /// The record of a run with a fan-out of two items, of which the second fails, and with lines in its log. Its first
    /// item puts out an artifact.
    async fn ended(&self, no: u128) -> RunRecord {
        let rig = Rig::numbered(self, fan(), GRAPH, no).await;
        let each = rig.lease().await.remove(0);
        let keys = ["a", "b"].map(|key| Item { key: key.into(), value: json!({ "of": format!("{key}\0") }) });
        rig.settle(&each, Outcome::Expand { items: keys.to_vec() }).await.expect("it expands");
        let clips = rig.lease().await;
        let line = |text: &str| LogLine { at_ms: 1, severity: Severity::Info, text: text.into() };
        self.store.log(clips[0].task, 1, vec![line("one\0"), line("two")]).await.expect("lines are kept");
        let outputs = json!({ "file": { "$artifact": ARTIFACT.to_string(), "bytes": 7 } });
        let done = Outcome::Succeeded { outputs, cached: false };
        rig.settle(&clips[0], done).await.expect("it is held");
        let failed = Outcome::Failed(Failure::new(FailureClass::InvalidInput, "it broke"));
        rig.settle(&clips[1], failed).await.expect("it is held");
        self.store.record(rig.run).await.expect("it is read").expect("the run has ended")
    }
}

impl conformance::Bed for Bed {
    fn open(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

const GRAPH: Digest = Digest([1; 32]);
const ARTIFACT: Digest = Digest([9; 32]);

fn fan() -> Graph {
    let mut sketch = Sketch::default();
    let (_, body) = sketch.for_each(Graph::MAIN, "each");
    sketch.work(body, "clip");
    sketch.build()
}

fn archive(server: &PostgresServer) -> PostgresArchive {
    PostgresArchive::new(&server.url()).expect("the address is good")
}

async fn keep(archive: &dyn Archive, record: &RunRecord) {
    archive.put_graph(GRAPH, Arc::new(fan())).await.expect("the graph is kept");
    archive.keep(record.clone()).await.expect("the run is kept");
}

/// Everything that an archive answers about a run.
async fn answers(archive: &dyn Archive, id: RunId) -> String {
    let run = archive.run(id).await.expect("it is read");
    let tasks = archive.tasks(id, TaskFilter::default()).await.expect("tasks are read");
    let main =
        archive.instance_tasks(id, InstanceNo(0), &[NodeNo(0), NodeNo(1)]).await.expect("they are read");
    let fan = TaskRef { run: id, task: tasks[0].task };
    let items = archive.items(fan, &[NodeNo(1)]).await.expect("items are read");
    let query = EventQuery { run: Some(id), kinds: vec![EventKind::TaskLog], ..EventQuery::default() };
    let mut log = archive.events(query).await.expect("lines are read");
    for event in &mut log {
        event.cursor = 0;
    }
    format!("{run:#?} {tasks:#?} {main:#?} {items:#?} {log:#?}")
}

#[tokio::test]
async fn a_kept_run_is_read_as_sqlite_reads_it_by_any_process() {
    let (bed, server) = (Bed::new(), PostgresServer::start());
    let record = bed.ended(1).await;
    let folder = tempfile::tempdir().expect("a folder");
    let reference = SqliteStore::open(folder.path().join("archive.db")).expect("it opens");
    keep(&reference, &record).await;
    keep(&archive(&server), &record).await;
    let other = archive(&server);
    let read = answers(&other, record.new.id).await;
    assert_eq!(read, answers(&reference, record.new.id).await);
    assert!(read.contains("it broke") && read.contains("two"), "{read}");
    assert_eq!(other.kept_artifacts().await.expect("they are read"), [ARTIFACT]);
    assert_eq!(other.graph(GRAPH).await.expect("it is kept"), Arc::new(fan()));
    assert_eq!(server.ask("SELECT state, name, namespace FROM reelmill.run"), "failed|sketch|default");
}

#[tokio::test]
async fn runs_are_listed_newest_first_and_by_what_is_asked() {
    let (bed, server) = (Bed::new(), PostgresServer::start());
    let archive = archive(&server);
    let mut record = bed.ended(1).await;
    let id = |no: u128| RunId::from_parts(1_700_000_000_000, no);
    for no in 1..=3 {
        (record.new.id, record.run.id) = (id(no), id(no));
        record.new.batch = (no > 1).then(|| ("b".to_owned(), 0));
        record.run.batch = record.new.batch.as_ref().map(|(batch, _)| batch.clone());
        record.run.state = if no == 3 { RunState::Succeeded } else { RunState::Failed };
        keep(&archive, &record).await;
    }
    let listed = async |filter: RunFilter| -> Vec<RunId> {
        archive.runs(filter).await.expect("they are listed").iter().map(|run| run.new.id).collect()
    };
    let all = RunFilter::default();
    assert_eq!(listed(all.clone()).await, [id(3), id(2), id(1)]);
    assert_eq!(listed(RunFilter { limit: 2, ..all.clone() }).await, [id(3), id(2)]);
    assert_eq!(listed(RunFilter { before: Some(id(3)), ..all.clone() }).await, [id(2), id(1)]);
    assert_eq!(listed(RunFilter { batch: Some("b".into()), ..all.clone() }).await, [id(3), id(2)]);
    assert_eq!(listed(RunFilter { name: Some("other".into()), ..all.clone() }).await, []);
    let failed = RunFilter { states: vec![RunState::Failed], batch: Some("b".into()), ..all };
    assert_eq!(listed(failed).await, [id(2)]);
}

#[tokio::test]
async fn a_run_that_is_kept_again_is_read_anew_and_a_deleted_one_is_gone_with_its_graph() {
    let (bed, server) = (Bed::new(), PostgresServer::start());
    let (writer, reader) = (archive(&server), archive(&server));
    let mut record = bed.ended(1).await;
    let id = record.new.id;
    keep(&writer, &record).await;
    assert_eq!(reader.tasks(id, TaskFilter::default()).await.expect("they are read").len(), 3);
    record.tasks.truncate(1);
    keep(&writer, &record).await;
    assert_eq!(reader.tasks(id, TaskFilter::default()).await.expect("they are read").len(), 1);
    assert!(writer.delete_run(id).await.expect("it is deleted"));
    assert!(!writer.delete_run(id).await.expect("it is no error"));
    assert!(matches!(reader.tasks(id, TaskFilter::default()).await, Err(StoreError::NoSuchRun(_))));
    assert!(matches!(reader.graph(GRAPH).await, Err(StoreError::NoSuchGraph(_))));
    assert!(reader.kept_artifacts().await.expect("they are read").is_empty());
}

#[tokio::test]
async fn a_server_that_was_away_is_asked_again_and_what_it_kept_is_there() {
    let (bed, mut server) = (Bed::new(), PostgresServer::start());
    let archive = Arc::new(archive(&server));
    let record = bed.ended(1).await;
    let id = record.new.id;
    let mut mover = bed.mover(&archive);
    keep(&*archive, &record).await;
    server.stop();
    let away = archive.run(id).await.expect_err("nobody is there").to_string();
    assert!(away.contains("PostgreSQL at 127.0.0.1") && away.contains("--archive"), "{away}");
    let tried = mover.step(10).await;
    assert!(tried.is_err() && bed.store.run(id).await.expect("it is read").is_some(), "it stays in Redis");
    server.start_again();
    assert!(archive.run(id).await.expect("it is asked again").is_some());
    assert_eq!(mover.step(10).await.expect("it is moved"), Moved { moved: 1, passed_over: 0 });
    assert!(bed.store.run(id).await.expect("it is read").is_none(), "it has left Redis");
    let both = bed.both(&archive);
    assert_eq!(both.cancel(id, "late").await.expect("it has ended"), RunState::Failed);
    assert!(!both.submit(record.new.clone()).await.expect("it is no error"), "its id is not free again");
}

#[tokio::test]
async fn tables_are_made_once_by_many_at_once_and_those_of_a_newer_program_are_left_alone() {
    let server = PostgresServer::start();
    let first = || async { archive(&server).kept_artifacts().await.map(drop) };
    let made = tokio::join!(first(), first(), first(), first());
    for made in [made.0, made.1, made.2, made.3] {
        made.expect("the tables are there");
    }
    assert_eq!(server.ask("SELECT number FROM reelmill.version"), "1");
    let _ = server.ask("INSERT INTO reelmill.version VALUES (2)");
    let newer = archive(&server).kept_artifacts().await.expect_err("it is of a newer program").to_string();
    assert!(newer.contains("has version 2") && newer.contains("a newer one"), "{newer}");
}

#[tokio::test]
async fn young_runs_are_submitted_while_the_archive_is_away_and_none_that_may_lie_there() {
    let (bed, mut server) = (Bed::new(), PostgresServer::start());
    let archive = Arc::new(archive(&server));
    let (both, now_ms) = (bed.both(&archive), bed.clock.now_ms());
    let drawn = RunId::from_parts(now_ms, 7);
    assert!(both.submit(bed.new_run(drawn).await).await.expect("the archive is there"));
    both.cancel(drawn, "moved").await.expect("it ends");
    assert_eq!(bed.mover(&archive).step(10).await.expect("it is moved").moved, 1);
    server.stop();
    assert!(both.submit(bed.new_run(RunId::from_parts(now_ms, 8)).await).await.expect("it needs no archive"));
    assert!(!both.submit(bed.new_run(drawn).await).await.expect("the store knows"), "it was moved");
    let old = bed.new_run(RunId::from_parts(now_ms - RUN_YOUNG_MS_MAX - 1, 9)).await;
    let refused = both.submit(old.clone()).await.expect_err("only the archive knows");
    assert!(refused.passes() && matches!(refused, StoreError::ArchiveAway { .. }), "{refused}");
    // What is at work is read and worked on; all runs together are not.
    let running = RunFilter { states: vec![RunState::Running], ..RunFilter::default() };
    assert_eq!(both.runs(running).await.expect("it needs no archive").len(), 1);
    assert_eq!(both.live_runs(RunFilter::default()).await.expect("nor does this").len(), 1);
    assert!(both.runs(RunFilter::default()).await.is_err(), "a part of a listing is none");
    server.start_again();
    assert!(both.submit(old).await.expect("it is asked"), "it was nowhere");
}

#[tokio::test]
async fn a_run_that_the_archive_does_not_take_is_passed_over_and_tried_again_later() {
    let (bed, server) = (Bed::new(), PostgresServer::start());
    let archive = Arc::new(archive(&server));
    let mut mover = bed.mover(&archive);
    for no in 1..=3 {
        let new = bed.new_run(RunId::from_parts(bed.clock.now_ms(), no)).await;
        let name = if no == 1 { "odd" } else { "good" };
        assert!(bed.store.submit(NewRun { name: name.into(), ..new.clone() }).await.expect("it is taken"));
        bed.store.cancel(new.id, "ended").await.expect("it ends");
        bed.clock.shift(1);
    }
    let _ = archive.kept_artifacts().await.expect("the tables are made");
    let _ = server.ask("ALTER TABLE reelmill.run ADD CONSTRAINT good CHECK (name <> 'odd')");
    // One at a time: the first, which ended longest ago, would be tried for ever.
    let mut seen = Vec::new();
    for _ in 0..4 {
        let Moved { moved, passed_over } = mover.step(1).await.expect("others are moved");
        seen.push((moved, passed_over));
    }
    assert_eq!(seen, [(0, 1), (1, 0), (1, 0), (0, 0)]);
    assert_eq!(bed.store.runs(RunFilter::default()).await.expect("they are read").len(), 1, "it stays");
    let _ = server.ask("ALTER TABLE reelmill.run DROP CONSTRAINT good");
    assert_eq!(mover.step(10).await.expect("it rests"), Moved::default());
    bed.clock.shift(60_000);
    assert_eq!(mover.step(10).await.expect("it is tried again").moved, 1);
}

#[tokio::test]
async fn many_runs_are_moved_together_and_only_the_one_that_is_not_taken_stays() {
    let (bed, server) = (Bed::new(), PostgresServer::start());
    let archive = Arc::new(archive(&server));
    for no in 1..=30 {
        let new = bed.new_run(RunId::from_parts(bed.clock.now_ms(), no)).await;
        let name = if no == 7 { "odd" } else { "good" };
        assert!(bed.store.submit(NewRun { name: name.into(), ..new.clone() }).await.expect("it is taken"));
        bed.store.cancel(new.id, "ended").await.expect("it ends");
    }
    let _ = archive.kept_artifacts().await.expect("the tables are made");
    let _ = server.ask("ALTER TABLE reelmill.run ADD CONSTRAINT good CHECK (name <> 'odd')");
    let moved = bed.mover(&archive).step(25).await.expect("the others are moved");
    assert_eq!(moved, Moved { moved: 24, passed_over: 1 });
    let left = async |store: &dyn RunStore| -> Vec<u128> {
        let runs = store.runs(RunFilter::default()).await.expect("they are read");
        runs.iter().rev().map(|run| run.new.id.0.random()).collect()
    };
    assert_eq!(left(&*bed.store).await, [7, 26, 27, 28, 29, 30]);
    assert_eq!(left(&*archive).await, (1..=25).filter(|no| *no != 7).collect::<Vec<u128>>());
}

#[tokio::test]
async fn only_an_archive_that_may_be_away_has_marks_left_for_it() {
    let (bed, server) = (Bed::new(), PostgresServer::start());
    let ended = async |no| {
        let new = bed.new_run(RunId::from_parts(bed.clock.now_ms(), no)).await;
        assert!(bed.store.submit(new.clone()).await.expect("it is taken"));
        bed.store.cancel(new.id, "ended").await.expect("it ends");
        new.id
    };
    let far = ended(1).await;
    assert_eq!(bed.mover(&Arc::new(archive(&server))).step(9).await.expect("it is moved").moved, 1);
    let near = ended(2).await;
    let memory = Arc::new(MemoryStore::new(Arc::new(bed.clock.clone()), 1));
    assert_eq!(bed.mover(&memory).step(9).await.expect("it is moved").moved, 1);
    let marked = async |id| bed.store.was_moved(id).await.expect("it is asked");
    assert_eq!((marked(far).await, marked(near).await), (true, false));
}
