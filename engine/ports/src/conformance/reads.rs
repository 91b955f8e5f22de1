//! Cases: what readers see, the event log, the cache.

use super::bed::Bed;
use super::flow::chain;
use super::rig::{Rig, done, new_run};
use crate::{CacheEntry, EventQuery, LogLine, NewRun, RunFilter, TaskFilter};
use reelmill_model::limits::{LOG_LINE_BYTES_MAX, LOG_LINES_PER_ATTEMPT_MAX};
use reelmill_model::{Digest, EventKind, RunId, RunState, Severity, TaskNo, TaskRef, TaskState};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// Newest first, by filter, page by page.
pub async fn runs_are_listed_newest_first(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    for (no, batch) in [(2, Some("b")), (3, Some("b"))] {
        rig.store.submit(new_run(no, Digest([1; 32]), batch)).await.expect("it is submitted");
    }
    rig.store.cancel(rig.run, "x").await.expect("it is asked");
    let list = |filter| async {
        let runs = rig.store.runs(filter).await.expect("runs are listed");
        runs.into_iter().map(|run| run.new.id).collect::<Vec<_>>()
    };
    let id = |no| new_run(no, Digest([1; 32]), None).id;
    assert_eq!(list(RunFilter::default()).await, [id(3), id(2), id(1)]);
    assert_eq!(list(RunFilter { limit: 1, ..RunFilter::default() }).await, [id(3)]);
    let next = RunFilter { before: Some(id(3)), batch: Some("b".into()), ..RunFilter::default() };
    assert_eq!(list(next).await, [id(2)]);
    let ended = RunFilter { states: vec![RunState::Cancelled], ..RunFilter::default() };
    assert_eq!(list(ended).await, [id(1)]);
    assert!(list(RunFilter { name: Some("other".into()), ..RunFilter::default() }).await.is_empty());
}

/// Many runs, most of them of a batch, submitted in another order than that of their ages, some of them cancelled and
/// deleted: listings have each of the others once, newest first, and each of them is leased once.
pub async fn many_runs_are_listed_and_leased_once(bed: &impl Bed) {
    const RUNS: u128 = 400;
    let rig = Rig::new(bed, chain()).await;
    let new = |no: u128| {
        let created_ms = 1_700_000_000_000 + u64::try_from(no).expect("small") * 1_000;
        let id = RunId::from_parts(created_ms, no);
        NewRun { id, created_ms, ..new_run(no, Digest([1; 32]), (!no.is_multiple_of(5)).then_some("b")) }
    };
    // 37 has no factor in common with 400: every number comes once.
    for no in (0..RUNS).map(|at| 2 + at * 37 % RUNS) {
        rig.store.submit(new(no)).await.expect("it is submitted");
    }
    let mut expected = vec![rig.run];
    for no in 2..RUNS + 2 {
        if no % 3 > 0 {
            expected.push(new(no).id);
            continue;
        }
        rig.store.cancel(new(no).id, "x").await.expect("it is asked");
        if no % 2 > 0 {
            assert!(rig.store.delete_run(new(no).id).await.expect("it is deleted"));
        }
    }
    assert_eq!(all_running(&rig, None).await, expected);
    let of_batch: Vec<RunId> = (2..RUNS + 2)
        .filter(|no| !no.is_multiple_of(5))
        .map(|no| new(no).id)
        .filter(|id| expected.contains(id))
        .collect();
    assert_eq!(all_running(&rig, Some("b")).await, of_batch);
    assert!(all_running(&rig, Some("c")).await.is_empty());
    let ready: u64 = rig.store.lanes().await.expect("lanes are read").iter().map(|lane| lane.ready).sum();
    assert_eq!(ready, expected.len() as u64);
    let mut leased = Vec::new();
    loop {
        let more = rig.lease().await;
        if more.is_empty() {
            break;
        }
        leased.extend(more.into_iter().map(|leased| leased.task.run));
    }
    leased.sort_unstable();
    assert_eq!(leased, expected);
    let ready: u64 = rig.store.lanes().await.expect("lanes are read").iter().map(|lane| lane.ready).sum();
    assert_eq!(ready, 0);
}

/// The runs that are listed page by page, oldest first.
async fn all_running(rig: &Rig<'_>, batch: Option<&str>) -> Vec<RunId> {
    let mut listed = Vec::new();
    loop {
        let filter = RunFilter {
            before: listed.last().copied(),
            limit: 150,
            states: vec![RunState::Running],
            batch: batch.map(str::to_owned),
            ..RunFilter::default()
        };
        let page = rig.store.runs(filter).await.expect("runs are listed");
        if page.is_empty() {
            listed.reverse();
            return listed;
        }
        listed.extend(page.into_iter().map(|run| run.new.id));
    }
}

/// By state and node, page by page.
pub async fn tasks_are_paged(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let list = |filter| async {
        let tasks = rig.store.tasks(rig.run, filter).await.expect("tasks are read");
        tasks.into_iter().map(|task| task.path).collect::<Vec<_>>()
    };
    assert_eq!(list(TaskFilter { limit: 1, ..TaskFilter::default() }).await, ["first"]);
    assert_eq!(list(TaskFilter { after: Some(TaskNo(0)), ..TaskFilter::default() }).await, ["second"]);
    let pending = TaskFilter { states: vec![TaskState::Pending], ..TaskFilter::default() };
    assert_eq!(list(pending).await, ["second"]);
    let node = TaskFilter { nodes: vec![reelmill_model::NodeNo(0)], ..TaskFilter::default() };
    assert_eq!(list(node).await, ["first"]);
}

async fn events(rig: &Rig<'_>, query: EventQuery) -> Vec<reelmill_model::Event> {
    rig.store.events(query).await.expect("events are read")
}

/// Cursors grow; a reader that goes on after its last one misses nothing and sees nothing twice.
pub async fn events_follow_their_cursor(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    rig.work_off().await;
    let all = events(&rig, EventQuery::default()).await;
    let kinds: Vec<EventKind> = all.iter().map(|event| event.kind).collect();
    let task = [EventKind::TaskLeased, EventKind::TaskSettled];
    let expected =
        [&[EventKind::RunSubmitted, EventKind::RunPhase], &task[..], &task[..], &[EventKind::RunEnded]];
    assert_eq!(kinds, expected.concat());
    assert!(all.is_sorted_by(|a, b| a.cursor < b.cursor));
    assert_eq!(all[3].data["path"], "first");
    assert_eq!(all[3].data["state"], "succeeded");
    let mut read = Vec::new();
    loop {
        let after = read.last().map_or(0, |event: &reelmill_model::Event| event.cursor);
        let page = events(&rig, EventQuery { after, limit: 2, ..EventQuery::default() }).await;
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    assert_eq!(read, all);
    let second = EventQuery { run: Some(rig.run), task: Some(TaskNo(1)), ..EventQuery::default() };
    assert_eq!(events(&rig, second).await.len(), 2);
}

/// Long lines are cut between characters; lines over the limit are counted.
pub async fn logs_have_limits(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    let line = |text: &str| LogLine { at_ms: 5, severity: Severity::Info, text: text.into() };
    let long = format!("x{}", "é".repeat(LOG_LINE_BYTES_MAX));
    rig.store.log(first.task, 1, vec![line(&long)]).await.expect("it is logged");
    let many = vec![line("again"); LOG_LINES_PER_ATTEMPT_MAX];
    rig.store.log(first.task, 1, many).await.expect("it is logged");
    rig.store.log(first.task, 1, vec![line("too much")]).await.expect("it is logged");
    rig.store.log(first.task, 2, vec![line("another attempt")]).await.expect("it is logged");
    let kinds = vec![EventKind::TaskLog];
    let head = events(&rig, EventQuery { kinds: kinds.clone(), limit: 1, ..EventQuery::default() }).await;
    assert_eq!(head[0].data["text"].as_str().map(str::len), Some(LOG_LINE_BYTES_MAX - 1));
    assert_eq!(head[0].data["severity"], "info");
    let after = head[0].cursor + LOG_LINES_PER_ATTEMPT_MAX as u64 - 1;
    let tail = events(&rig, EventQuery { kinds, after, ..EventQuery::default() }).await;
    let texts: Vec<Option<&str>> = tail.iter().map(|event| event.data["text"].as_str()).collect();
    let said =
        format!("2 more lines of this attempt were not kept (the limit is {LOG_LINES_PER_ATTEMPT_MAX})");
    assert_eq!(texts, [Some(said.as_str()), Some("another attempt")]);
    assert!(events(&rig, EventQuery::default()).await.iter().all(|event| event.kind != EventKind::TaskLog));
}

/// Only the latest progress of the present attempt is kept.
pub async fn progress_is_the_latest(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    for done in [1, 2] {
        rig.store.progress(first.task, 1, json!({ "done": done })).await.expect("it is noted");
    }
    let latest = rig.store.latest_progress(rig.run).await.expect("it is read");
    assert_eq!(latest, [(first.no(), json!({ "done": 2 }))]);
    let query = EventQuery { kinds: vec![EventKind::TaskProgress], ..EventQuery::default() };
    assert_eq!(events(&rig, query).await.len(), 1);
    rig.succeed(&first).await;
    assert_eq!(rig.store.latest_progress(rig.run).await.expect("it is read"), []);
}

fn entry(no: u8, artifacts: &[(u8, u64)], parts: &[(&str, &str)]) -> CacheEntry {
    CacheEntry {
        key: Digest([no; 32]),
        parts: parts.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        stage: "sketch.work".into(),
        outputs: json!({ "no": no }),
        artifacts: artifacts.iter().map(|(no, bytes)| (Digest([*no; 32]), *bytes)).collect(),
        cpu_ms: 100,
        made_by: TaskRef { run: new_run(1, Digest([1; 32]), None).id, task: TaskNo(0) },
    }
}

/// The least recently used entries go; an artifact that a run or another entry names is not given free.
pub async fn the_cache_forgets_the_oldest(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    let named = json!({ "file": { "$artifact": Digest([20; 32]).to_string() } });
    rig.settle(&first, done(named)).await.expect("it is held");
    for (no, artifacts) in [(1, [(10, 50), (20, 50)]), (2, [(30, 50), (40, 50)]), (3, [(10, 50), (50, 50)])] {
        rig.store.remember(entry(no, &artifacts, &[])).await.expect("it is remembered");
    }
    let found = rig.store.lookup(Digest([2; 32])).await.expect("it is looked up");
    assert_eq!(found, Some(entry(2, &[(30, 50), (40, 50)], &[])));
    assert_eq!(rig.store.lookup(Digest([9; 32])).await.expect("it is looked up"), None);
    let stats = rig.store.stats().await.expect("there are figures");
    assert_eq!((stats.entries, stats.bytes, stats.hits, stats.misses), (3, 250, 1, 1));
    assert_eq!(stats.cpu_saved_ms, 100);
    assert_eq!(rig.store.evict(250).await.expect("it evicts"), []);
    let freed = rig.store.evict(120).await.expect("it evicts");
    // Entry 1 goes first: 10 is named by entry 3 until that goes too, and 20 by the run.
    assert_eq!(freed, [Digest([10; 32]), Digest([50; 32])]);
    let named = rig.store.named_artifacts().await.expect("they are read");
    assert_eq!(named, [Digest([20; 32]), Digest([30; 32]), Digest([40; 32])]);
    rig.store.forget(Digest([2; 32])).await.expect("it is forgotten");
    assert_eq!(rig.store.stats().await.expect("there are figures").entries, 0);
}

/// The entry that shares most parts explains a miss.
pub async fn a_miss_is_explained(bed: &impl Bed) {
    let store = bed.open();
    for (no, parts) in
        [(1, [("a", "1"), ("b", "2")]), (2, [("a", "1"), ("b", "3")]), (3, [("a", "9"), ("b", "9")])]
    {
        store.remember(entry(no, &[], &parts)).await.expect("it is remembered");
    }
    let parts: BTreeMap<String, String> = [("a".into(), "1".into()), ("b".into(), "2".into())].into();
    let nearest = store.nearest("sketch.work", &parts).await.expect("it is found");
    assert_eq!(nearest.map(|entry| entry.key), Some(Digest([1; 32])));
    assert_eq!(store.nearest("other", &parts).await.expect("it is looked for"), None);
}

/// A deleted run leaves nothing behind; one that runs is not deleted.
pub async fn a_deleted_run_is_gone(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    assert!(!rig.store.delete_run(rig.run).await.expect("it runs"));
    rig.work_off().await;
    assert!(rig.store.delete_run(rig.run).await.expect("it is deleted"));
    assert!(!rig.store.delete_run(rig.run).await.expect("it is gone"));
    assert_eq!(rig.store.run(rig.run).await.expect("runs are read"), None);
    assert_eq!(events(&rig, EventQuery::default()).await, []);
    assert!(rig.store.submit(new_run(1, Digest([1; 32]), None)).await.expect("the id is free again"));
}

/// `wait_event` returns at once when there is one, and when one comes.
pub async fn waiting_ends_with_an_event(bed: &impl Bed) {
    let long = Duration::from_hours(1);
    let rig = Rig::new(bed, chain()).await;
    let newest = rig.store.wait_event(0, long).await;
    let last = events(&rig, EventQuery::default()).await.last().map_or(0, |event| event.cursor);
    assert_eq!(newest, last);
    assert_eq!(rig.store.wait_event(last, Duration::from_millis(1)).await, last, "nothing is newer");
    let waiting = rig.store.wait_event(last, long);
    let (newest, leased) = tokio::join!(waiting, rig.lease());
    assert!(newest > last);
    // An event that readers seldom ask for ends the waiting once, and not again.
    rig.store.progress(leased[0].task, 1, json!({ "done": 1 })).await.expect("progress is noted");
    let progressed = rig.store.wait_event(newest, long).await;
    assert!(progressed > newest);
    assert_eq!(rig.store.wait_event(progressed, Duration::from_millis(1)).await, progressed);
}
