//! Cases: limits that tasks share over all runs.

use super::bed::{Bed, Store};
use super::rig::{Rig, broken, done};
use crate::{Admission, Asks, Leased, LimitView, PlaceAsk, RetryScope, StartAsk};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{Backoff, Concurrency, Escalate, Graph, Jitter, OnLimit, Retry, Template};
use reelmill_lifecycle::rate::Rate;
use reelmill_model::limits::PLACE_KEPT_MS;
use reelmill_model::{
    Digest, EventKind, FailureClass, LimitKind, Outcome, Parked, RunState, SkipReason, TaskState, WorkerId,
};
use serde_json::json;
use std::time::Duration;

fn rule(limit: u32) -> Concurrency {
    Concurrency { key: Template::Literal(json!("gpu")), limit, on_limit: OnLimit::Queue }
}

/// Tasks of these names, side by side, all under a limit.
fn side_by_side(names: &[&str]) -> Graph {
    let mut sketch = Sketch::default();
    for name in names {
        let work = sketch.work(Graph::MAIN, name);
        sketch.at(work).settings.concurrency = Some(rule(1));
        sketch.at(work).settings.retry = Retry {
            max_attempts: 2,
            backoff: Backoff::Constant,
            initial_ms: 1_000,
            max_ms: 1_000,
            jitter: Jitter::None,
            on: Vec::new(),
            escalate: Escalate::default(),
        };
    }
    sketch.build()
}

fn place(limit: u32, on_limit: OnLimit, owner: &str) -> Asks {
    let (kind, key, owner) = (LimitKind::Tasks, "gpu".to_owned(), owner.to_owned());
    Asks { places: vec![PlaceAsk { kind, key, limit, on_limit, owner }], start: None }
}

fn whole_run(limit: u32, on_limit: OnLimit) -> Asks {
    let (kind, key, owner) = (LimitKind::Runs, "acme".to_owned(), "default".to_owned());
    Asks { places: vec![PlaceAsk { kind, key, limit, on_limit, owner }], start: None }
}

fn start(limit: u32, per_ms: u64, burst: u32) -> Asks {
    let rate = Rate::new(limit, per_ms, burst);
    Asks { places: Vec::new(), start: Some(StartAsk { key: "tts".into(), rate, limit: (limit, per_ms) }) }
}

async fn admit(store: &dyn Store, leased: &Leased, asks: &Asks) -> Admission {
    store.admit(leased.task, leased.token, asks.clone()).await.expect("it is asked")
}

async fn granted(store: &dyn Store, leased: &Leased, asks: &Asks) {
    assert_eq!(admit(store, leased, asks).await, Admission::Granted, "{}", leased.task);
}

async fn parked(store: &dyn Store, leased: &Leased, asks: &Asks) {
    let answer = admit(store, leased, asks).await;
    assert!(matches!(answer, Admission::Parked(_)), "{}: {answer:?}", leased.task);
}

async fn mend(store: &dyn Store) {
    store.mend_limits(100).await.expect("limits are looked through");
}

async fn seen(store: &dyn Store, kind: LimitKind, key: &str) -> Option<LimitView> {
    store.limits(Some((kind, key))).await.expect("limits are read").pop()
}

/// How many have a place and how many wait.
async fn figures(store: &dyn Store, kind: LimitKind, key: &str) -> (usize, u64) {
    seen(store, kind, key).await.map_or((0, 0), |limit| (limit.holders.len(), limit.waiting))
}

/// Who has no place waits without a worker, as if never leased, and goes on in line when one is free.
pub async fn places_are_never_more_than_the_limit(bed: &impl Bed) {
    let names = ["a", "b", "c", "d", "e"];
    let rig = Rig::new(bed, side_by_side(&names)).await;
    let asks = place(2, OnLimit::Queue, "");
    let mut working = rig.lease().await;
    for (at, leased) in working.iter().enumerate() {
        let answer = admit(&*rig.store, leased, &asks).await;
        let waits = Admission::Parked(Parked { limit: LimitKind::Tasks, key: "gpu".into() });
        assert_eq!(answer, if at < 2 { Admission::Granted } else { waits });
    }
    working.truncate(2);
    let other = Rig { bed, store: bed.open(), graph: rig.graph.clone(), run: rig.run };
    let task = other.task("c").await;
    assert_eq!(
        (task.state, task.attempts, task.worker, task.outputs),
        (TaskState::Delayed, 0, None, json!(null))
    );
    assert_eq!(task.parked, Some(Parked { limit: LimitKind::Tasks, key: "gpu".into() }));
    let query = crate::EventQuery { kinds: vec![EventKind::TaskParked], ..crate::EventQuery::default() };
    assert_eq!(rig.store.events(query).await.expect("events are read").len(), 3);
    let view = seen(&*other.store, LimitKind::Tasks, "gpu").await.expect("it is in use");
    let holders: Vec<_> = view.holders.iter().map(|seat| seat.task).collect();
    assert_eq!(holders, working.iter().map(|leased| Some(leased.no())).collect::<Vec<_>>());
    assert_eq!((view.most, view.waiting, view.line.len()), (2, 3, 3));
    assert!(rig.lease().await.is_empty());
    for next in ["c", "d", "e"] {
        let first = working.remove(0);
        rig.succeed(&first).await;
        let leased = rig.lease_one(next).await;
        assert_eq!(leased.attempt, 1);
        granted(&*rig.store, &leased, &asks).await;
        working.push(leased);
        assert_eq!(figures(&*rig.store, LimitKind::Tasks, "gpu").await.0, 2);
    }
    for leased in working {
        rig.succeed(&leased).await;
    }
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    assert_eq!(seen(&*rig.store, LimitKind::Tasks, "gpu").await, None, "nobody has a place any more");
}

/// How an attempt ends.
enum End {
    Settled(Outcome),
    LeaseOver,
    WorkerDead,
    RunCancelled,
}

/// Whichever way an attempt ends, the next in line has its place.
pub async fn every_end_frees_a_place(bed: &impl Bed) {
    let asks = place(1, OnLimit::Queue, "");
    let ends = [
        End::Settled(done(json!({}))),
        End::Settled(broken(FailureClass::Permanent)),
        End::Settled(broken(FailureClass::Transient)),
        End::Settled(Outcome::Skipped(SkipReason::Condition { expression: "false".into() })),
        End::Settled(Outcome::Cancelled),
        End::Settled(Outcome::Released),
        End::LeaseOver,
        End::WorkerDead,
        End::RunCancelled,
    ];
    for (no, end) in (1..).zip(ends) {
        let rig = Rig::numbered(bed, side_by_side(&["a", "b"]), Digest([1; 32]), no).await;
        let first = rig.lease().await;
        granted(&*rig.store, &first[0], &asks).await;
        parked(&*rig.store, &first[1], &asks).await;
        match end {
            End::Settled(outcome) => {
                rig.settle(&first[0], outcome).await.expect("it is held");
            }
            End::LeaseOver => {
                rig.pass(super::rig::LEASE);
                assert_eq!(rig.store.expire_leases(10).await.expect("leases are looked through"), 1);
            }
            End::WorkerDead => {
                let dead = WorkerId("w1".into());
                assert_eq!(rig.store.release_worker(&dead).await.expect("it gives back"), 1);
            }
            End::RunCancelled => {
                rig.store.cancel(rig.run, "enough").await.expect("it is asked");
                rig.settle(&first[0], Outcome::Cancelled).await.expect("it is held");
                mend(&*rig.store).await;
                assert_eq!(seen(&*rig.store, LimitKind::Tasks, "gpu").await, None);
                continue;
            }
        }
        // Where the place and the task are kept apart, a lost lease shows when they are compared.
        mend(&*rig.store).await;
        let leased = rig.lease().await;
        let next = leased.iter().find(|leased| leased.task == first[1].task).expect("its turn has come");
        granted(&*rig.store, next, &asks).await;
        rig.settle(next, done(json!({}))).await.expect("it is held");
        for other in leased.iter().filter(|leased| leased.task != first[1].task) {
            granted(&*rig.store, other, &asks).await;
            rig.settle(other, done(json!({}))).await.expect("it is held");
        }
        rig.pass(Duration::from_secs(1));
        rig.store.promote_delayed(10).await.expect("delayed tasks are looked through");
        rig.work_off().await;
        mend(&*rig.store).await;
        assert_eq!(seen(&*rig.store, LimitKind::Tasks, "gpu").await, None, "case {no}");
    }
}

/// A task that is cancelled while it waits is not called up.
pub async fn who_is_cancelled_leaves_the_line(bed: &impl Bed) {
    let asks = place(1, OnLimit::Queue, "");
    let mut rigs = Vec::new();
    for no in 1..=3 {
        rigs.push(Rig::numbered(bed, side_by_side(&["work"]), Digest([1; 32]), no).await);
    }
    let leased = rigs[0].lease().await;
    granted(&*rigs[0].store, &leased[0], &asks).await;
    for waits in &leased[1..] {
        parked(&*rigs[0].store, waits, &asks).await;
    }
    assert_eq!(rigs[1].store.cancel(rigs[1].run, "enough").await.expect("it is asked"), RunState::Cancelled);
    mend(&*rigs[0].store).await;
    assert_eq!(figures(&*rigs[0].store, LimitKind::Tasks, "gpu").await, (1, 1));
    rigs[0].succeed(&leased[0]).await;
    let third = rigs[2].lease_one("work").await;
    assert_eq!(third.task.run, rigs[2].run);
    granted(&*rigs[2].store, &third, &asks).await;
}

/// A task whose turn has come and that nobody leases loses its place to the next, and asks again when it is leased.
pub async fn a_place_is_kept_for_a_time_only(bed: &impl Bed) {
    let rig = Rig::new(bed, side_by_side(&["a", "b", "c"])).await;
    let asks = place(1, OnLimit::Queue, "");
    let first = rig.lease().await;
    granted(&*rig.store, &first[0], &asks).await;
    parked(&*rig.store, &first[1], &asks).await;
    parked(&*rig.store, &first[2], &asks).await;
    rig.succeed(&first[0]).await;
    let view = seen(&*rig.store, LimitKind::Tasks, "gpu").await.expect("it is in use");
    assert!(view.holders.iter().all(|seat| seat.kept && seat.task == Some(first[1].no())), "{view:?}");
    mend(&*rig.store).await;
    assert_eq!(rig.task("c").await.state, TaskState::Delayed);
    rig.pass(Duration::from_millis(PLACE_KEPT_MS));
    mend(&*rig.store).await;
    let both = rig.lease().await;
    assert_eq!(rig.names(&both), ["b", "c"]);
    parked(&*rig.store, &both[0], &asks).await;
    granted(&*rig.store, &both[1], &asks).await;
}

/// An attempt that was lost and ends late does not take the place from the next attempt of its task.
pub async fn a_late_end_frees_nothing(bed: &impl Bed) {
    let rig = Rig::new(bed, side_by_side(&["a", "b"])).await;
    let asks = place(1, OnLimit::Queue, "");
    let leased = rig.lease().await;
    granted(&*rig.store, &leased[0], &asks).await;
    let dead = WorkerId("w1".into());
    assert_eq!(rig.store.release_worker(&dead).await.expect("it gives back"), 2);
    mend(&*rig.store).await;
    let again = rig.lease_as("w2", 100).await;
    granted(&*rig.store, &again[0], &asks).await;
    assert!(rig.settle(&leased[0], done(json!({}))).await.is_err(), "it is too late");
    assert_eq!(figures(&*rig.store, LimitKind::Tasks, "gpu").await, (1, 0));
    parked(&*rig.store, &again[1], &asks).await;
}

/// Pipelines may see the number of places differently; who waits already goes first all the same.
pub async fn who_waits_already_goes_first(bed: &impl Bed) {
    let rig = Rig::new(bed, side_by_side(&["a", "b", "c"])).await;
    let (narrow, wide) = (place(1, OnLimit::Queue, ""), place(2, OnLimit::Queue, ""));
    let leased = rig.lease().await;
    granted(&*rig.store, &leased[0], &narrow).await;
    parked(&*rig.store, &leased[1], &narrow).await;
    parked(&*rig.store, &leased[2], &wide).await;
    rig.succeed(&leased[0]).await;
    let both = rig.lease().await;
    assert_eq!(rig.names(&both), ["b", "c"]);
    granted(&*rig.store, &both[0], &narrow).await;
    granted(&*rig.store, &both[1], &wide).await;
}

/// With turns, a run with many tasks does not keep the others out.
pub async fn owners_take_turns(bed: &impl Bed) {
    let many = Rig::numbered(bed, side_by_side(&["a", "b", "c"]), Digest([1; 32]), 1).await;
    let few = Rig::numbered(bed, side_by_side(&["x", "y"]), Digest([2; 32]), 2).await;
    let store = &*many.store;
    let mut order = Vec::new();
    let asks = |leased: &Leased| place(1, OnLimit::RoundRobin, &leased.task.run.to_string());
    for leased in many.lease().await {
        match admit(store, &leased, &asks(&leased)).await {
            Admission::Granted => order.push(leased),
            answer => assert!(matches!(answer, Admission::Parked(_)), "{answer:?}"),
        }
    }
    assert_eq!(order.len(), 1);
    for turn in 0..4 {
        let last = order[turn].clone();
        many.settle(&last, done(json!({}))).await.expect("it is held");
        let next = many.lease().await;
        assert_eq!(next.len(), 1);
        granted(store, &next[0], &asks(&next[0])).await;
        order.extend(next);
    }
    let runs: Vec<bool> = order.iter().map(|leased| leased.task.run == few.run).collect();
    assert_eq!(runs, [false, true, false, true, false], "they take turns");
}

/// Who comes too early is told when, each at a moment of its own.
pub async fn starts_are_spaced(bed: &impl Bed) {
    let rig = Rig::new(bed, side_by_side(&["a", "b", "c", "d", "e"])).await;
    let asks = start(4, 2_000, 2);
    let now_ms = crate::Clock::now_ms(bed.clock());
    let leased = rig.lease().await;
    for first in &leased[..2] {
        granted(&*rig.store, first, &asks).await;
    }
    for (place, later) in leased[2..].iter().enumerate() {
        parked(&*rig.store, later, &asks).await;
        let task = rig.tasks().await.into_iter().find(|task| task.task == later.no()).expect("it is there");
        assert_eq!(task.due_ms, Some(now_ms + 500 * (place as u64 + 1)));
        assert_eq!(task.parked, Some(Parked { limit: LimitKind::Rate, key: "tts".into() }));
    }
    let view = seen(&*rig.store, LimitKind::Rate, "tts").await.expect("it is in use");
    assert_eq!((view.most, view.per_ms, view.waiting), (4, Some(2_000), 3));
    let due: Vec<_> = view.line.iter().filter_map(|waiter| waiter.at_ms).collect();
    assert_eq!(due, [now_ms + 500, now_ms + 1_000, now_ms + 1_500]);
    for next in ["c", "d", "e"] {
        rig.pass(Duration::from_millis(499));
        assert_eq!(rig.store.promote_delayed(10).await.expect("it is looked through").0, 0);
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.store.promote_delayed(10).await.expect("it is looked through").0, 1);
        let task = rig.lease_one(next).await;
        granted(&*rig.store, &task, &asks).await;
    }
}

/// Tasks whose moments passed while no worker was there do not start all at once.
pub async fn a_promise_is_no_start(bed: &impl Bed) {
    let names = ["a", "b", "c", "d", "e", "f"];
    let rig = Rig::new(bed, side_by_side(&names)).await;
    let asks = start(1, 1_000, 1);
    for leased in rig.lease().await {
        admit(&*rig.store, &leased, &asks).await;
    }
    rig.pass(Duration::from_mins(1));
    assert_eq!(rig.store.promote_delayed(10).await.expect("it is looked through").0, 5);
    let back = rig.lease_as("w2", 100).await;
    let mut starts = 0;
    for leased in &back {
        starts += u32::from(admit(&*rig.store, leased, &asks).await == Admission::Granted);
    }
    assert_eq!(starts, 1);
    rig.pass(Duration::from_secs(1));
    assert_eq!(rig.store.promote_delayed(10).await.expect("it is looked through").0, 1);
}

/// A graph whose runs share a limit.
fn limited_runs() -> Graph {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "a");
    sketch.work(Graph::MAIN, "b");
    let mut graph = sketch.build();
    graph.concurrency = Some(rule(1));
    graph
}

/// All tasks of a run share its place, and the next run has it when it has ended; sent around again, it asks again.
pub async fn a_run_has_its_place_until_it_ends(bed: &impl Bed) {
    let asks = whole_run(1, OnLimit::Queue);
    let first = Rig::numbered(bed, limited_runs(), Digest([1; 32]), 1).await;
    let second = Rig::numbered(bed, limited_runs(), Digest([1; 32]), 2).await;
    let store = &*first.store;
    let leased = first.lease().await;
    let (mine, others): (Vec<_>, Vec<_>) =
        leased.into_iter().partition(|leased| leased.task.run == first.run);
    for leased in &mine {
        granted(store, leased, &asks).await;
    }
    for leased in &others {
        parked(store, leased, &asks).await;
    }
    assert_eq!(figures(store, LimitKind::Runs, "acme").await, (1, 2));
    first.succeed(&mine[0]).await;
    assert!(first.lease().await.is_empty(), "it has not ended");
    first.settle(&mine[1], broken(FailureClass::Permanent)).await.expect("it is held");
    assert_eq!(first.view().await.state, RunState::Failed);
    let leased = second.lease().await;
    assert_eq!(leased.len(), 2, "both of its tasks go on");
    granted(&*second.store, &leased[0], &asks).await;
    granted(&*second.store, &leased[1], &asks).await;
    first.store.retry(first.run, RetryScope::Failed).await.expect("it goes again");
    let again = first.lease_one("b").await;
    parked(store, &again, &asks).await;
    second.succeed(&leased[0]).await;
    second.succeed(&leased[1]).await;
    let again = first.lease_one("b").await;
    granted(store, &again, &asks).await;
    first.succeed(&again).await;
    assert_eq!(figures(store, LimitKind::Runs, "acme").await, (0, 0));
}

/// Who does not want to wait is told, or has the place of the oldest, which is cancelled.
pub async fn a_full_limit_rejects_or_cancels_the_oldest(bed: &impl Bed) {
    let mut rigs = Vec::new();
    for no in 1..=3 {
        rigs.push(Rig::numbered(bed, limited_runs(), Digest([1; 32]), no).await);
    }
    let leased = rigs[0].lease().await;
    let of = |rig: &Rig<'_>| leased.iter().find(|leased| leased.task.run == rig.run).expect("it is leased");
    let store = &*rigs[0].store;
    granted(store, of(&rigs[0]), &whole_run(1, OnLimit::Queue)).await;
    let answer = admit(store, of(&rigs[1]), &whole_run(1, OnLimit::Reject)).await;
    assert_eq!(answer, Admission::Full(Parked { limit: LimitKind::Runs, key: "acme".into() }));
    granted(store, of(&rigs[2]), &whole_run(1, OnLimit::CancelOldest)).await;
    let view = rigs[0].view().await;
    assert!(view.cancel_reason.is_some_and(|why| why.contains(&rigs[2].run.to_string())));
    let view = seen(store, LimitKind::Runs, "acme").await.expect("it is in use");
    assert_eq!(view.holders.iter().map(|seat| seat.run).collect::<Vec<_>>(), [rigs[2].run]);
}

/// A second question of the same attempt is answered as the first; one of an attempt that is over is not.
pub async fn asking_again_changes_nothing(bed: &impl Bed) {
    let rig = Rig::new(bed, side_by_side(&["a", "b"])).await;
    let asks = place(1, OnLimit::Queue, "");
    let leased = rig.lease().await;
    for _ in 0..2 {
        granted(&*rig.store, &leased[0], &asks).await;
        assert_eq!(figures(&*rig.store, LimitKind::Tasks, "gpu").await, (1, 0));
    }
    parked(&*rig.store, &leased[1], &asks).await;
    assert_eq!(admit(&*rig.store, &leased[1], &asks).await, Admission::Lost);
    rig.settle(&leased[0], Outcome::Released).await.expect("it is held");
    assert_eq!(admit(&*rig.store, &leased[0], &asks).await, Admission::Lost);
    mend(&*rig.store).await;
    let next = rig.lease().await;
    let second = next.iter().find(|next| next.task == leased[1].task).expect("its turn has come");
    granted(&*rig.store, second, &asks).await;
}

/// A task that waits for a start keeps no place from others.
pub async fn both_limits_or_none(bed: &impl Bed) {
    let rig = Rig::new(bed, side_by_side(&["a", "b", "c"])).await;
    let asks = Asks { start: start(1, 60_000, 1).start, ..place(1, OnLimit::Queue, "") };
    let alone = place(1, OnLimit::Queue, "");
    let leased = rig.lease().await;
    granted(&*rig.store, &leased[0], &asks).await;
    rig.succeed(&leased[0]).await;
    parked(&*rig.store, &leased[1], &asks).await;
    assert_eq!(rig.task("b").await.parked.map(|parked| parked.limit), Some(LimitKind::Rate));
    granted(&*rig.store, &leased[2], &alone).await;
}
