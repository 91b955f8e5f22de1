//! Cases: leases, tokens, lost workers.

use super::bed::Bed;
use super::flow::chain;
use super::rig::{LEASE, Rig, done};
use crate::{Beat, Rejected};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{Graph, NodeKind};
use reelmill_model::limits::LOST_ATTEMPTS_MAX;
use reelmill_model::{FailureClass, Outcome, RunState, TaskState, WorkerId};
use serde_json::json;
use std::time::Duration;

async fn lose(rig: &Rig<'_>) -> usize {
    rig.pass(LEASE + Duration::from_secs(1));
    rig.store.expire_leases(100).await.expect("leases expire")
}

/// A settle with an old token, or a second one, is refused and changes nothing.
pub async fn a_stale_token_changes_nothing(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let lost = rig.lease_one("first").await;
    assert_eq!(lose(&rig).await, 1);
    assert_eq!(rig.settle(&lost, done(json!({ "from": "zombie" }))).await, Err(Rejected::StaleToken));
    let held = rig.lease_one("first").await;
    assert!(held.token > lost.token);
    assert_eq!((held.attempt, lost.attempt), (2, 1));
    let before = rig.tasks().await;
    assert_eq!(rig.settle(&lost, done(json!({ "from": "zombie" }))).await, Err(Rejected::StaleToken));
    assert_eq!(rig.tasks().await, before);
    rig.settle(&held, done(json!({ "from": "owner" }))).await.expect("it is held");
    let before = rig.tasks().await;
    assert_eq!(rig.settle(&held, done(json!({ "from": "owner again" }))).await, Err(Rejected::StaleToken));
    assert_eq!(rig.tasks().await, before);
    let mut elsewhere = held.clone();
    elsewhere.task.task.0 = 99;
    assert_eq!(rig.settle(&elsewhere, done(json!({}))).await, Err(Rejected::NoSuchTask));
}

/// A lease that is over is settled as lost, once, and the task is ready again.
pub async fn a_lost_lease_is_leased_again(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    rig.lease_one("first").await;
    assert_eq!(rig.store.expire_leases(10).await.expect("it looks"), 0, "the lease is not over");
    assert_eq!(lose(&rig).await, 1);
    assert_eq!(rig.store.expire_leases(10).await.expect("it looks"), 0);
    let task = rig.task("first").await;
    assert_eq!(task.failure.expect("the reason is kept").class, FailureClass::WorkerLost);
    let again = rig.lease_one("first").await;
    rig.succeed(&again).await;
    assert_eq!(rig.task("first").await.failure, None, "it succeeded after all");
}

/// A task that loses every worker ends, though its pipeline asks for no retry.
pub async fn a_killer_task_ends(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    for _ in 0..LOST_ATTEMPTS_MAX {
        rig.lease_one("first").await;
        lose(&rig).await;
    }
    assert_eq!(rig.task("first").await.state, TaskState::Failed);
}

/// An external stage that may have done its work is not repeated, unless it is idempotent.
pub async fn an_external_stage_is_not_repeated(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    for (name, idempotent) in [("once", false), ("often", true)] {
        let node = sketch.work(Graph::MAIN, name);
        if let NodeKind::Work { plugin, .. } = &mut sketch.at(node).kind {
            plugin.external = true;
            plugin.idempotent = idempotent;
        }
    }
    let rig = Rig::new(bed, sketch.build()).await;
    rig.lease().await;
    lose(&rig).await;
    assert_eq!(rig.task("once").await.state, TaskState::Failed);
    assert_eq!(rig.task("often").await.state, TaskState::Ready);
}

/// A heartbeat extends what is held, and says what is not.
pub async fn a_heartbeat_extends(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    let worker = WorkerId("w1".into());
    let beat = Beat { task: first.task, token: first.token };
    for _ in 0..3 {
        rig.pass(LEASE / 2);
        let reply = rig.store.heartbeat(&worker, &[beat], LEASE).await.expect("it beats");
        assert_eq!((reply.lost, reply.cancelled), (vec![], vec![]));
        assert_eq!(rig.store.expire_leases(10).await.expect("it looks"), 0);
    }
    assert_eq!(lose(&rig).await, 1);
    let reply = rig.store.heartbeat(&worker, &[beat], LEASE).await.expect("it beats");
    assert_eq!(reply.lost, [first.task]);
}

/// A task given back is as before, but for its token.
pub async fn a_released_task_counts_no_attempt(bed: &impl Bed) {
    let rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    assert_eq!(rig.settle(&first, Outcome::Released).await, Ok(TaskState::Ready));
    assert_eq!(rig.task("first").await.attempts, 0);
    let again = rig.lease_one("first").await;
    assert_eq!(again.attempt, 1);
    assert!(again.token > first.token);
}

/// What a dead worker held is ready at once; what others hold is left alone.
pub async fn a_dead_worker_gives_back_everything(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    for name in ["a", "b", "c"] {
        sketch.work(Graph::MAIN, name);
    }
    let rig = Rig::new(bed, sketch.build()).await;
    let dead = rig.lease_as("dead", 2).await;
    let alive = rig.lease_as("alive", 1).await;
    assert_eq!(rig.store.release_worker(&WorkerId("dead".into())).await.expect("it gives back"), 2);
    assert_eq!(rig.settle(&dead[0], done(json!({}))).await, Err(Rejected::StaleToken));
    rig.succeed(&alive[0]).await;
    assert_eq!(rig.lease().await.len(), 2);
}

/// After a crash everything is as it was at the last answer.
pub async fn leases_survive_a_crash(bed: &impl Bed) {
    let mut rig = Rig::new(bed, chain()).await;
    let first = rig.lease_one("first").await;
    let before = rig.tasks().await;
    rig.store = bed.open();
    assert_eq!(rig.tasks().await, before);
    rig.succeed(&first).await;
    rig.store = bed.open();
    let second = rig.lease_one("second").await;
    rig.succeed(&second).await;
    rig.store = bed.open();
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    assert!(rig.tasks().await.iter().all(|task| task.settled == 1));
}
