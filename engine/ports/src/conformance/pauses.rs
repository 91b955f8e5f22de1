//! Cases: runs that are paused, and go on.

use super::bed::Bed;
use super::flow::chain;
use super::rig::{LEASE, Rig, broken, done, items, new_run};
use crate::{Beat, EventQuery, Only, StoreError};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{Backoff, DepKind, Graph, ScopeKind};
use reelmill_model::{Digest, EventKind, FailureClass, RunState, TaskState, WorkerId};
use serde_json::json;
use std::time::Duration;

async fn pause(rig: &Rig<'_>) -> bool {
    rig.store.pause(rig.run, Some("a look at it")).await.expect("it is paused")
}

async fn resume(rig: &Rig<'_>) -> bool {
    rig.store.pause(rig.run, None).await.expect("it goes on")
}

/// What is leased goes on and is settled; nothing else is leased until the run goes on. Other runs are not held up.
pub async fn a_paused_run_rests(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let first = sketch.work(Graph::MAIN, "first");
    let second = sketch.work(Graph::MAIN, "second");
    sketch.after(second, first, DepKind::Data);
    sketch.work(Graph::MAIN, "other");
    let rig = Rig::new(bed, sketch.build()).await;
    let first = rig.lease_as("w1", 1).await.remove(0);
    assert!(pause(&rig).await);
    assert!(!pause(&rig).await, "it is paused already");
    rig.store.submit(new_run(2, Digest([1; 32]), None)).await.expect("another is submitted");
    let others = rig.lease().await;
    assert_eq!(rig.names(&others), ["first", "other"]);
    assert!(others.iter().all(|leased| leased.task.run != rig.run));
    let beat = Beat { task: first.task, token: first.token };
    let reply = rig.store.heartbeat(&WorkerId("w1".into()), &[beat], LEASE).await.expect("it beats");
    assert_eq!(reply, crate::HeartbeatReply::default());
    rig.succeed(&first).await;
    assert_eq!(rig.lease().await, []);
    assert!(rig.view().await.paused);
    assert!(resume(&rig).await);
    assert!(!resume(&rig).await, "it goes on already");
    assert!(!rig.view().await.paused);
    rig.store.wait(&["default".into()], &Only::Any, Duration::from_hours(1)).await;
    let leased = rig.lease().await;
    assert_eq!(rig.names(&leased), ["second", "other"]);
    for task in &leased {
        rig.succeed(task).await;
    }
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    let kinds = vec![EventKind::RunPaused, EventKind::RunResumed];
    let query = EventQuery { run: Some(rig.run), kinds: kinds.clone(), ..EventQuery::default() };
    let told = rig.store.events(query).await.expect("events are read");
    assert_eq!(told.iter().map(|event| event.kind).collect::<Vec<_>>(), kinds);
    assert_eq!(told[0].data["reason"], "a look at it");
}

/// Attempts that wait out their backoff, leases that are lost and items that follow one another wait as well.
pub async fn whatever_becomes_ready_is_held(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let flaky = sketch.work(Graph::MAIN, "flaky");
    let retry = &mut sketch.at(flaky).settings.retry;
    (retry.max_attempts, retry.backoff, retry.initial_ms) = (2, Backoff::Constant, 1_000);
    sketch.work(Graph::MAIN, "lost");
    let (scene, body) = sketch.for_each(Graph::MAIN, "scene");
    sketch.fan_out(scene).expect("it is a fan-out").max_parallel = Some(1);
    sketch.work(body, "clip");
    let rig = Rig::new(bed, sketch.build()).await;
    let leased = rig.lease().await;
    assert_eq!(rig.names(&leased), ["flaky", "lost", "scene"]);
    rig.settle(&leased[0], broken(FailureClass::Transient)).await.expect("it is held");
    rig.settle(&leased[2], items(&["a", "b"])).await.expect("it is held");
    let clip = rig.lease_one("clip@a").await;
    assert!(pause(&rig).await);
    rig.succeed(&clip).await;
    rig.pass(LEASE + Duration::from_secs(1));
    rig.store.expire_leases(10).await.expect("leases are looked through");
    rig.store.promote_delayed(10).await.expect("delayed tasks are looked through");
    assert_eq!(rig.lease().await, []);
    assert_eq!(rig.view().await.counts[TaskState::Ready as usize], 0);
    assert!(resume(&rig).await);
    let mut names = rig.names(&rig.lease().await);
    names.sort_unstable();
    assert_eq!(names, ["clip@b", "flaky", "lost"]);
}

/// A pause does not use up the time in which a worker has to take a task.
pub async fn a_pause_stops_the_queue_timeout(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let node = sketch.work(Graph::MAIN, "hasty");
    sketch.at(node).settings.timeout.queue_ms = Some(5_000);
    let rig = Rig::new(bed, sketch.build()).await;
    assert!(pause(&rig).await);
    rig.pass(Duration::from_mins(1));
    rig.store.promote_delayed(10).await.expect("tasks are looked through");
    assert_eq!(rig.task("hasty").await.state, TaskState::Pending);
    assert!(resume(&rig).await);
    rig.lease_one("hasty").await;
}

/// Cancelling ends the pause, because `finally` and what undoes stages have to run; in whatever part it was paused.
pub async fn a_paused_run_is_cancelled(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let post = sketch.work(Graph::MAIN, "post");
    sketch.compensate(post);
    let check = sketch.work(Graph::MAIN, "check");
    sketch.after(check, post, DepKind::Order);
    let finally = sketch.part(ScopeKind::Finally);
    sketch.work(finally, "tidy");
    let rig = Rig::new(bed, sketch.build()).await;
    let post = rig.lease_one("post").await;
    assert!(pause(&rig).await);
    rig.settle(&post, done(json!({}))).await.expect("it is held");
    assert_eq!(rig.store.cancel(rig.run, "enough").await.expect("it is asked"), RunState::Running);
    assert!(!rig.view().await.paused);
    let undo = rig.lease().await;
    assert_eq!(undo.len(), 1, "what undoes `post` is begun");
    assert!(pause(&rig).await);
    rig.succeed(&undo[0]).await;
    assert_eq!(rig.lease().await, [], "`finally` is held");
    assert!(resume(&rig).await);
    let tidy = rig.lease_one("tidy").await;
    rig.succeed(&tidy).await;
    assert_eq!(rig.view().await.state, RunState::Cancelled);
}

/// A run that was paused in its `finally` ends when it is cancelled there.
pub async fn a_paused_finally_is_released_by_cancelling(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "work");
    let finally = sketch.part(ScopeKind::Finally);
    sketch.work(finally, "tidy");
    let rig = Rig::new(bed, sketch.build()).await;
    let work = rig.lease_one("work").await;
    assert!(pause(&rig).await);
    rig.succeed(&work).await;
    rig.store.cancel(rig.run, "enough").await.expect("it is asked");
    let tidy = rig.lease_one("tidy").await;
    rig.succeed(&tidy).await;
    assert!(rig.view().await.state.is_terminal());
}

/// An ended run has nothing left to pause; an unknown one is named. A pause ends with the run.
pub async fn only_what_runs_is_paused(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    rig.succeed(&first).await;
    let second = rig.lease_one("second").await;
    assert!(pause(&rig).await);
    rig.succeed(&second).await;
    let run = rig.view().await;
    assert_eq!((run.state, run.paused), (RunState::Succeeded, false));
    for reason in [Some("late"), None] {
        let refused = rig.store.pause(rig.run, reason).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    let unknown = rig.store.pause(new_run(9, Digest([1; 32]), None).id, Some("x")).await;
    assert!(matches!(unknown, Err(StoreError::NoSuchRun(_))), "{unknown:?}");
}
