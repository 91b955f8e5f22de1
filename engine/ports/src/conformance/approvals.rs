//! Cases: tasks that wait for a person.

use super::bed::Bed;
use super::rig::Rig;
use crate::{RetryScope, StoreError};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph, NodeKind, OnTimeout};
use reelmill_model::{
    Decision, EventKind, FailureClass, Outcome, RunState, SkipReason, TaskNo, TaskRef, TaskState,
};
use serde_json::json;
use std::time::Duration;

/// `ask`, and `after` it.
fn asking(timeout_ms: Option<u64>) -> Sketch {
    let mut sketch = Sketch::default();
    let ask = sketch.approval(Graph::MAIN, "ask", timeout_ms);
    let after = sketch.work(Graph::MAIN, "after");
    sketch.after(after, ask, DepKind::Data);
    sketch
}

fn says(approved: bool) -> Decision {
    Decision { approved, by: "ann".into(), reason: "I looked".into() }
}

/// A run whose approval was reached.
async fn waiting(bed: &impl Bed, sketch: Sketch) -> (Rig<'_>, TaskRef) {
    let rig = Rig::new(bed, sketch.build()).await;
    let ask = rig.lease_one("ask").await;
    assert!(ask.light, "asking takes a worker microseconds");
    let outcome = Outcome::Await { message: Some("Good enough?".into()) };
    assert_eq!(rig.settle(&ask, outcome).await, Ok(TaskState::Delayed));
    (rig, ask.task)
}

/// It is held by nobody, is there after a crash, and its answer is what it puts out.
pub async fn an_approval_waits_without_a_worker(bed: &impl Bed) {
    let (mut rig, ask) = waiting(bed, asking(None)).await;
    rig.store = bed.open();
    let task = rig.task("ask").await;
    assert_eq!((task.state, task.worker, task.due_ms), (TaskState::Delayed, None, None));
    assert_eq!(task.outputs, json!({ "message": "Good enough?" }));
    rig.pass(Duration::from_secs(1_000_000));
    assert_eq!(rig.store.promote_delayed(10).await.expect("it is looked through").0, 0);
    assert_eq!(rig.store.expire_leases(10).await.expect("it is looked through"), 0);
    assert!(rig.lease().await.is_empty());
    assert_eq!(rig.store.approve(ask, says(true)).await.expect("it is decided"), TaskState::Succeeded);
    let answer = json!({ "approved": true, "by": "ann", "reason": "I looked" });
    assert_eq!(rig.task("ask").await.outputs, answer);
    let after = rig.lease_one("after").await;
    assert_eq!(after.deps, [TaskState::Succeeded]);
    rig.succeed(&after).await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    let query = crate::EventQuery { kinds: vec![EventKind::TaskAwaits], ..crate::EventQuery::default() };
    let events = rig.store.events(query).await.expect("events are read");
    assert_eq!(events[0].data["message"], "Good enough?");
}

/// It has failed, permanently and with a code, and what reads it is skipped.
pub async fn a_rejection_fails_at_once(bed: &impl Bed) {
    let mut sketch = asking(Some(60_000));
    sketch.at(reelmill_model::NodeNo(0)).settings.retry.max_attempts = 5;
    let (rig, ask) = waiting(bed, sketch).await;
    assert_eq!(rig.store.approve(ask, says(false)).await.expect("it is decided"), TaskState::Failed);
    let task = rig.task("ask").await;
    let failure = task.failure.expect("a failure");
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Permanent, "rejected"));
    assert!(failure.message.contains("ann") && failure.message.contains("I looked"), "{failure}");
    assert!(task.outputs.is_null());
    let after = rig.lease_one("after").await;
    assert_eq!(after.deps, [TaskState::Failed]);
    let reason = SkipReason::UpstreamFailed { stage: "ask".into() };
    rig.settle(&after, Outcome::Skipped(reason)).await.expect("it is held");
    assert_eq!(rig.view().await.state, RunState::Failed);
}

/// When its time is over, the pipeline says what becomes of it.
pub async fn time_decides_an_approval(bed: &impl Bed) {
    for (on_timeout, state) in
        [(OnTimeout::Reject, TaskState::Failed), (OnTimeout::Approve, TaskState::Succeeded)]
    {
        let mut sketch = asking(Some(60_000));
        if let NodeKind::Approval(approval) = &mut sketch.at(reelmill_model::NodeNo(0)).kind {
            approval.on_timeout = on_timeout;
        }
        let graph = sketch.build();
        let digest = reelmill_model::Digest([u8::from(on_timeout == OnTimeout::Approve); 32]);
        let rig = Rig::numbered(bed, graph, digest, 1 + u128::from(digest.0[0])).await;
        let ask = rig.lease_one("ask").await;
        rig.settle(&ask, Outcome::Await { message: None }).await.expect("it is held");
        rig.pass(Duration::from_millis(59_999));
        let due = rig.store.promote_delayed(10).await.expect("it is looked through");
        assert_eq!(due, (0, Some(Duration::from_millis(1))));
        assert_eq!(rig.task("ask").await.state, TaskState::Delayed);
        rig.pass(Duration::from_millis(1));
        assert_eq!(rig.store.promote_delayed(10).await.expect("it is looked through"), (0, None));
        assert_eq!(rig.task("ask").await.state, state);
        rig.work_off().await;
    }
}

/// A task that is no approval, was not reached, or was decided, is left as it is.
pub async fn only_what_waits_is_decided(bed: &impl Bed) {
    let rig = Rig::new(bed, asking(None).build()).await;
    let of = |task| TaskRef { run: rig.run, task: TaskNo(task) };
    let refused = async |task| {
        let before = rig.tasks().await;
        let answer = rig.store.approve(of(task), says(true)).await;
        assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
        assert_eq!(rig.tasks().await, before, "a refused decision changes nothing");
    };
    refused(0).await;
    refused(1).await;
    refused(9).await;
    let ask = rig.lease_one("ask").await;
    refused(0).await;
    rig.settle(&ask, Outcome::Await { message: None }).await.expect("it is held");
    let long = Decision { reason: "x".repeat(reelmill_model::limits::DECISION_BYTES_MAX), ..says(true) };
    let answer = rig.store.approve(of(0), long).await;
    assert!(matches!(answer, Err(StoreError::Refused(_))), "{answer:?}");
    rig.store.approve(of(0), says(true)).await.expect("it is decided");
    refused(0).await;
    let unknown = TaskRef { run: super::rig::new_run(9, rig.digest().await, None).id, task: TaskNo(0) };
    let answer = rig.store.approve(unknown, says(true)).await;
    assert!(matches!(answer, Err(StoreError::NoSuchRun(_))), "{answer:?}");
}

/// Cancelling ends an approval at once.
pub async fn a_cancelled_run_waits_for_nobody(bed: &impl Bed) {
    let (rig, ask) = waiting(bed, asking(None)).await;
    assert_eq!(rig.store.cancel(rig.run, "enough").await.expect("it is asked"), RunState::Cancelled);
    assert_eq!(rig.task("ask").await.state, TaskState::Cancelled);
    assert!(rig.store.approve(ask, says(true)).await.is_err());
}

/// A run that is sent around again asks again.
pub async fn a_retry_asks_again(bed: &impl Bed) {
    let (rig, ask) = waiting(bed, asking(None)).await;
    rig.store.approve(ask, says(false)).await.expect("it is decided");
    rig.work_off_skipping().await;
    assert_eq!(rig.store.retry(rig.run, RetryScope::Failed).await.expect("it goes again"), 2);
    let again = rig.lease_one("ask").await;
    rig.settle(&again, Outcome::Await { message: None }).await.expect("it is held");
    rig.store.approve(ask, says(true)).await.expect("it is decided");
    rig.work_off().await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
}
