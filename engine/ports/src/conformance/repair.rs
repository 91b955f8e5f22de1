//! Cases: attempts that failed.

use super::bed::Bed;
use super::rig::{Rig, broken};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{Backoff, Escalate, Graph, Jitter, Retry};
use reelmill_model::{EventKind, Failure, FailureClass, Outcome, TaskState};
use std::time::Duration;

fn retried(class: &[FailureClass]) -> Graph {
    let mut sketch = Sketch::default();
    let work = sketch.work(Graph::MAIN, "work");
    sketch.at(work).settings.retry = Retry {
        max_attempts: 3,
        backoff: Backoff::Exponential,
        initial_ms: 1_000,
        max_ms: 60_000,
        jitter: Jitter::None,
        on: class.to_vec(),
        escalate: Escalate::default(),
    };
    sketch.build()
}

async fn promote(rig: &Rig<'_>) -> (usize, Option<Duration>) {
    rig.store.promote_delayed(10).await.expect("delayed tasks are looked through")
}

/// The delay doubles, and after the last attempt the task has failed.
pub async fn a_failed_attempt_waits_out_its_backoff(bed: &impl Bed) {
    let rig = Rig::new(bed, retried(&[])).await;
    for (attempt, delay_ms) in [(1, 1_000), (2, 2_000)] {
        let work = rig.lease_one("work").await;
        assert_eq!(work.attempt, attempt);
        assert_eq!(rig.settle(&work, broken(FailureClass::Transient)).await, Ok(TaskState::Delayed));
        assert!(rig.lease().await.is_empty());
        rig.pass(Duration::from_millis(delay_ms - 1));
        assert_eq!(promote(&rig).await, (0, Some(Duration::from_millis(1))));
        rig.pass(Duration::from_millis(1));
        assert_eq!(promote(&rig).await, (1, None));
    }
    let work = rig.lease_one("work").await;
    assert_eq!(rig.settle(&work, broken(FailureClass::Transient)).await, Ok(TaskState::Failed));
    let kinds = vec![EventKind::TaskRetried];
    let query = crate::EventQuery { kinds, ..crate::EventQuery::default() };
    let events = rig.store.events(query).await.expect("events are read");
    let delays: Vec<_> = events.iter().map(|event| event.data["delay_ms"].clone()).collect();
    assert_eq!(delays, [1_000, 2_000]);
}

/// The delay is never shorter than what the provider asked for.
pub async fn a_provider_says_when(bed: &impl Bed) {
    let rig = Rig::new(bed, retried(&[])).await;
    let work = rig.lease_one("work").await;
    let mut failure = Failure::new(FailureClass::Dependency, "too many requests");
    failure.retry_after_ms = Some(30_000);
    rig.settle(&work, Outcome::Failed(failure)).await.expect("it is held");
    assert_eq!(promote(&rig).await, (0, Some(Duration::from_secs(30))));
}

/// Only classes for which it can help are tried again, or those that the pipeline names.
pub async fn hopeless_failures_end_at_once(bed: &impl Bed) {
    let rig = Rig::new(bed, retried(&[FailureClass::Permanent])).await;
    let work = rig.lease_one("work").await;
    assert_eq!(rig.settle(&work, broken(FailureClass::Permanent)).await, Ok(TaskState::Delayed));
    rig.pass(Duration::from_secs(1));
    promote(&rig).await;
    let work = rig.lease_one("work").await;
    assert_eq!(rig.settle(&work, broken(FailureClass::Transient)).await, Ok(TaskState::Failed));
}

/// `timeout.queue` ends a ready task that nobody takes.
pub async fn a_ready_task_waits_only_so_long(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let work = sketch.work(Graph::MAIN, "work");
    sketch.at(work).settings.timeout.queue_ms = Some(5_000);
    let rig = Rig::new(bed, sketch.build()).await;
    rig.pass(Duration::from_millis(4_999));
    assert_eq!(promote(&rig).await, (0, Some(Duration::from_millis(1))));
    rig.pass(Duration::from_millis(1));
    assert_eq!(promote(&rig).await, (0, None));
    let failure = rig.task("work").await.failure.expect("it has a reason");
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Timeout, "queue_timeout"));
}

/// Failures for want of something are counted, so that the next attempt can be given more; others are not.
pub async fn want_is_counted(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let work = sketch.work(Graph::MAIN, "work");
    sketch.at(work).settings.retry.max_attempts = 9;
    sketch.at(work).settings.retry.escalate.memory = Some(2);
    let mut rig = Rig::new(bed, sketch.build()).await;
    let classes = [
        (FailureClass::Oom, 1),
        (FailureClass::Transient, 1),
        (FailureClass::Timeout, 2),
        (FailureClass::Resource, 3),
    ];
    for (class, escalated) in classes {
        let work = rig.lease_one("work").await;
        assert_eq!(rig.settle(&work, broken(class)).await, Ok(TaskState::Ready), "{class}");
        assert_eq!(rig.task("work").await.escalated, escalated, "{class}");
    }
    rig.store = bed.open();
    let work = rig.lease_one("work").await;
    assert_eq!(work.escalated, 3);
    assert_eq!(rig.settle(&work, broken(FailureClass::Permanent)).await, Ok(TaskState::Failed));
    rig.store.retry(rig.run, crate::RetryScope::Failed).await.expect("it goes again");
    assert_eq!(rig.lease_one("work").await.escalated, 0, "a retry by hand begins anew");
}
