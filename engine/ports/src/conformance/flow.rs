//! Cases: the order in which things run.

use super::bed::Bed;
use super::rig::{LEASE, Rig, broken, done, lanes, new_run};
use crate::{LeaseRequest, NewRun, Only, StepRequest, StoreError};
use futures_util::future::BoxFuture;
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph, ScopeKind, light_lane};
use reelmill_model::{Digest, FailureClass, Phase, Requirements, RunState, TaskState, WorkerId};
use serde_json::json;
use std::future::{pending, ready};
use std::time::Duration;

/// Two stages, the second reads the first.
#[must_use]
pub fn chain() -> Graph {
    let mut sketch = Sketch::default();
    let first = sketch.work(Graph::MAIN, "first");
    let second = sketch.work(Graph::MAIN, "second");
    sketch.after(second, first, DepKind::Data);
    sketch.build()
}

/// A stage starts when what it reads has ended, and its worker learns how.
pub async fn a_chain_runs_in_order(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    assert_eq!((first.attempt, first.chain.len(), first.deps.len()), (1, 1, 0));
    assert!(rig.lease().await.is_empty(), "a leased task is not leased again");
    assert_eq!(rig.settle(&first, done(json!({ "x": 1 }))).await, Ok(TaskState::Succeeded));
    assert_eq!(rig.task("first").await.outputs, json!({ "x": 1 }));
    let second = rig.lease_one("second").await;
    assert_eq!(second.deps, [TaskState::Succeeded]);
    assert_eq!(rig.view().await.state, RunState::Running);
    rig.succeed(&second).await;
    let run = rig.view().await;
    assert_eq!((run.state, run.phase, run.failed), (RunState::Succeeded, Phase::Done, false));
    assert!(run.started_ms.is_some() && run.ended_ms.is_some());
}

/// Submitting a run again is no error and changes nothing.
pub async fn a_run_is_submitted_once(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    let again = rig.store.submit(new_run(1, Digest([1; 32]), None)).await.expect("it is no error");
    assert!(!again);
    assert_eq!(rig.tasks().await.len(), 2);
    rig.succeed(&first).await;
    for no in 2..20 {
        let submit = || rig.store.submit(new_run(no, Digest([1; 32]), None));
        let (a, b, c) = tokio::join!(submit(), submit(), submit());
        let new = [a, b, c].map(|answer| answer.expect("it is no error"));
        assert_eq!(
            new.iter().filter(|new| **new).count(),
            1,
            "one of those that submit at once is the first"
        );
    }
}

/// A run of a graph that was not put is refused.
pub async fn an_unknown_graph_is_refused(bed: &impl Bed) {
    let store = bed.open();
    let refused = store.submit(new_run(1, Digest([9; 32]), None)).await;
    assert!(matches!(refused, Err(StoreError::NoSuchGraph(_))), "{refused:?}");
    let run = store.run(new_run(1, Digest([9; 32]), None).id).await.expect("runs are read");
    assert_eq!(run, None);
}

/// Priority first, then the older run, then the earlier stage.
pub async fn higher_priority_then_age(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    for (name, priority) in [("low", 1), ("a", 5), ("b", 5), ("high", 9)] {
        let node = sketch.work(Graph::MAIN, name);
        sketch.at(node).settings.priority = priority;
    }
    let rig = Rig::new(bed, sketch.build()).await;
    rig.store.submit(new_run(2, Digest([1; 32]), None)).await.expect("the second run is submitted");
    let leased = rig.lease().await;
    let order: Vec<(String, bool)> =
        rig.names(&leased).into_iter().zip(leased.iter().map(|leased| leased.task.run == rig.run)).collect();
    let expected = ["high", "high", "a", "b", "a", "b", "low", "low"];
    let first = [true, false, true, true, false, false, true, false];
    let expected: Vec<(String, bool)> = expected.iter().map(|name| (*name).to_owned()).zip(first).collect();
    assert_eq!(order, expected);
}

/// The run's priority comes before its age and before the stage's own priority.
pub async fn a_more_urgent_run_goes_first(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    for (name, priority) in [("high", 9), ("low", 0)] {
        let node = sketch.work(Graph::MAIN, name);
        sketch.at(node).settings.priority = priority;
    }
    let rig = Rig::new(bed, sketch.build()).await;
    for (no, priority) in [(2, 6), (3, 4)] {
        let new = NewRun { priority, ..new_run(no, Digest([1; 32]), None) };
        rig.store.submit(new).await.expect("it is submitted");
    }
    let id = |no| new_run(no, Digest([1; 32]), None).id;
    let leased = [rig.lease_as("w1", 1).await, rig.lease_as("w2", 9).await].concat();
    let order: Vec<_> = leased.iter().map(|leased| leased.task.run).collect();
    assert_eq!(order, [id(2), id(2), id(1), id(1), id(3), id(3)]);
    assert_eq!(rig.names(&leased), ["high", "low", "high", "low", "high", "low"]);
    assert_eq!(rig.store.run(id(2)).await.expect("it is read").expect("it is there").new.priority, 6);
}

/// A worker may ask for the tasks of one run or one batch.
pub async fn only_what_was_asked_for_is_leased(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    for (no, batch) in [(2, Some("b")), (3, Some("b")), (4, None)] {
        rig.store.submit(new_run(no, Digest([1; 32]), batch)).await.expect("it is submitted");
    }
    let lease = |only| async {
        let request = LeaseRequest { lanes: lanes(), want: 10, lease: Duration::from_secs(9), only };
        let request =
            StepRequest { worker: WorkerId("w".into()), settles: Vec::new(), leases: vec![request] };
        let leased = rig.store.step(request).await.expect("the step is made").leased;
        leased.into_iter().map(|leased| leased.task.run).collect::<Vec<_>>()
    };
    let id = |no| new_run(no, Digest([1; 32]), None).id;
    assert_eq!(lease(Only::Batch("c".into())).await, []);
    assert_eq!(lease(Only::Run(id(4))).await, [id(4)]);
    assert_eq!(lease(Only::Batch("b".into())).await, [id(2), id(3)]);
    assert_eq!(lease(Only::Any).await, [id(1)]);
}

/// Bodies and inline stages stand in the light lane of their queue.
pub async fn light_work_has_its_own_lane(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "heavy");
    sketch.inline(Graph::MAIN, "light");
    let elsewhere = sketch.work(Graph::MAIN, "elsewhere");
    sketch.at(elsewhere).settings.queue = "gpu".into();
    let rig = Rig::new(bed, sketch.build()).await;
    let ask = |lane: String, want| LeaseRequest {
        lanes: vec![lane],
        want,
        lease: Duration::from_secs(9),
        only: Only::Any,
    };
    let wanted = vec![ask(light_lane("default"), 5), ask("default".into(), 5)];
    let request = StepRequest { worker: WorkerId("w".into()), settles: Vec::new(), leases: wanted };
    let leased = rig.store.step(request).await.expect("the step is made").leased;
    assert_eq!(rig.names(&leased), ["light", "heavy"]);
    assert_eq!(leased.iter().map(|leased| leased.light).collect::<Vec<_>>(), [true, false]);
}

fn parts() -> Graph {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "work");
    let on_failure = sketch.part(ScopeKind::OnFailure);
    sketch.work(on_failure, "alert");
    let finally = sketch.part(ScopeKind::Finally);
    sketch.work(finally, "tidy");
    sketch.build()
}

/// Main, `on_failure` when it failed, `finally`.
pub async fn parts_follow_one_another(bed: &impl Bed) {
    let rig = Rig::new(bed, parts()).await;
    let work = rig.lease_one("work").await;
    assert_eq!(rig.settle(&work, broken(FailureClass::Permanent)).await, Ok(TaskState::Failed));
    assert_eq!(rig.view().await.phase, Phase::OnFailure);
    let alert = rig.lease_one("alert").await;
    rig.succeed(&alert).await;
    assert_eq!(rig.view().await.phase, Phase::Finally);
    let tidy = rig.lease_one("tidy").await;
    assert_eq!(tidy.chain.len(), 2, "its own instance, then the main body's");
    rig.succeed(&tidy).await;
    let run = rig.view().await;
    assert_eq!((run.state, run.failed), (RunState::Failed, true));
    let (path, failure) = run.failure.expect("the failure is kept");
    assert_eq!((path.as_str(), failure.class), ("work", FailureClass::Permanent));
}

/// A run whose clean-up fails has failed, though its main part has not.
pub async fn a_failing_finally_fails_the_run(bed: &impl Bed) {
    let rig = Rig::new(bed, parts()).await;
    let work = rig.lease_one("work").await;
    rig.succeed(&work).await;
    assert_eq!(rig.view().await.phase, Phase::Finally, "`on_failure` is passed over");
    let tidy = rig.lease_one("tidy").await;
    assert_eq!(rig.settle(&tidy, broken(FailureClass::Permanent)).await, Ok(TaskState::Failed));
    let run = rig.view().await;
    assert_eq!((run.state, run.failed), (RunState::Failed, false));
    assert_eq!(run.failure.map(|failure| failure.0).as_deref(), Some("tidy"));
}

/// `allow_failure` lets the run succeed, and an order edge be satisfied.
pub async fn an_allowed_failure_is_allowed(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let first = sketch.work(Graph::MAIN, "first");
    sketch.at(first).settings.allow_failure = true;
    let second = sketch.work(Graph::MAIN, "second");
    sketch.after(second, first, DepKind::Order);
    let rig = Rig::new(bed, sketch.build()).await;
    let first = rig.lease_one("first").await;
    assert_eq!(rig.settle(&first, broken(FailureClass::Permanent)).await, Ok(TaskState::Failed));
    let second = rig.lease_one("second").await;
    assert_eq!(second.deps, [TaskState::Failed]);
    rig.succeed(&second).await;
    let run = rig.view().await;
    assert_eq!((run.state, run.failed, run.failure), (RunState::Succeeded, false, None));
}

/// `wait` returns at once when there is work, and when work comes; neither needs its time to run out.
pub async fn waiting_ends_when_a_task_becomes_ready(bed: &impl Bed) {
    let long = Duration::from_hours(1);
    let rig = Rig::new(bed, chain()).await;
    rig.store.wait(&lanes(), &Only::Any, long).await;
    let first = rig.lease_one("first").await;
    rig.store.wait(&lanes(), &Only::Any, Duration::from_millis(1)).await;
    let lanes = lanes();
    let waiting = rig.store.wait(&lanes, &Only::Any, long);
    let ((), ()) = tokio::join!(waiting, rig.succeed(&first));
}

/// A step that waits for tasks leases them when they come, and nothing when it is withdrawn before.
pub async fn a_step_may_wait_for_its_tasks(bed: &impl Bed) {
    let long = Duration::from_hours(1);
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    let lease = LeaseRequest { lanes: lanes(), want: 5, lease: LEASE, only: Only::Any };
    let request = StepRequest { worker: WorkerId("w2".into()), settles: Vec::new(), leases: vec![lease] };
    let waits = async |withdrawn: bool| loop {
        let withdrawn: BoxFuture<'static, ()> =
            if withdrawn { Box::pin(ready(())) } else { Box::pin(pending()) };
        let reply = rig.store.step_when_ready(request.clone(), long, withdrawn).await;
        let leased = reply.expect("the step is made").map(|reply| rig.names(&reply.leased));
        // There only may have been something: what another took leaves its trace.
        if leased.as_ref().is_none_or(|names| !names.is_empty()) {
            return leased;
        }
    };
    assert_eq!(waits(true).await, None);
    let (leased, ()) = tokio::join!(waits(false), rig.succeed(&first));
    assert_eq!(leased, Some(vec!["second".to_owned()]));
    assert_eq!(rig.task("second").await.worker, Some(WorkerId("w2".into())));
    let more = new_run(2, Digest([1; 32]), None);
    let (leased, submitted) = tokio::join!(waits(false), rig.store.submit(more));
    assert_eq!((leased, submitted.expect("it is submitted")), (Some(vec!["first".to_owned()]), true));
}

/// A task that needs something stands in a lane that says so, and a worker that does not serve it never gets it.
pub async fn needs_have_lanes_of_their_own(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let plain = sketch.work(Graph::MAIN, "plain");
    let needy = sketch.work(Graph::MAIN, "needy");
    sketch.after(needy, plain, DepKind::Order);
    sketch.at(needy).settings.requires = Requirements { gpus: 1, ..Requirements::default() };
    let rig = Rig::new(bed, sketch.build()).await;
    let lease = async |lanes: &[&str]| {
        let lanes = lanes.iter().map(|lane| (*lane).to_owned()).collect();
        let lease = LeaseRequest { lanes, want: 9, lease: LEASE, only: Only::Any };
        let worker = WorkerId("w1".into());
        let request = StepRequest { worker, settles: Vec::new(), leases: vec![lease] };
        rig.store.step(request).await.expect("the step is made").leased
    };
    let leased = lease(&["default", "default/light"]).await;
    assert_eq!(rig.names(&leased), ["plain"]);
    rig.succeed(&leased[0]).await;
    assert!(lease(&["default", "default/light", "default;gpu=2"]).await.is_empty());
    let leased = lease(&["default;gpu=1"]).await;
    assert_eq!(rig.names(&leased), ["needy"]);
    rig.succeed(&leased[0]).await;
}
