//! Cases: undoing what was done when a run fails or is cancelled.

use super::bed::Bed;
use super::rig::{Rig, broken, done, items};
use crate::{Leased, RetryScope};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph, ItemFailure, MinSuccess, ScopeKind};
use reelmill_model::{FailureClass, Outcome, Phase, RunState, TaskState};
use serde_json::json;

/// `first`, `second`, `last`, one after the other; the first two can be undone.
fn chain() -> Sketch {
    let mut sketch = Sketch::default();
    let first = sketch.work(Graph::MAIN, "first");
    let second = sketch.work(Graph::MAIN, "second");
    let last = sketch.work(Graph::MAIN, "last");
    sketch.after(second, first, DepKind::Data);
    sketch.after(last, second, DepKind::Data);
    sketch.compensate(first);
    sketch.compensate(second);
    let on_failure = sketch.part(ScopeKind::OnFailure);
    sketch.work(on_failure, "alert");
    let finally = sketch.part(ScopeKind::Finally);
    sketch.work(finally, "tidy");
    sketch
}

/// The one task there is to lease, of this path.
async fn one(rig: &Rig<'_>, path: &str) -> Leased {
    let mut leased = rig.lease().await;
    assert_eq!(leased.len(), 1, "one at a time");
    assert_eq!(
        rig.tasks().await.iter().find(|task| task.task == leased[0].no()).map(|task| task.path.as_str()),
        Some(path)
    );
    leased.remove(0)
}

async fn succeed(rig: &Rig<'_>, path: &str) {
    let leased = one(rig, path).await;
    rig.succeed(&leased).await;
}

async fn fail(rig: &Rig<'_>, path: &str) {
    let leased = one(rig, path).await;
    assert_eq!(rig.settle(&leased, broken(FailureClass::Permanent)).await, Ok(TaskState::Failed));
}

/// The stage that ended last is undone first; then come `on_failure` and `finally`.
pub async fn what_succeeded_is_undone_in_reverse(bed: &impl Bed) {
    let mut rig = Rig::new(bed, chain().build()).await;
    let first = one(&rig, "first").await;
    rig.settle(&first, done(json!({ "id": 7 }))).await.expect("it is held");
    succeed(&rig, "second").await;
    fail(&rig, "last").await;
    assert_eq!(rig.view().await.phase, Phase::Compensate);
    succeed(&rig, "second.compensate").await;
    rig.store = bed.open();
    let undo = one(&rig, "first.compensate").await;
    let main = rig.task("first").await;
    assert_eq!(undo.chain[1], main.instance, "the instance of the stage that is undone is around");
    assert_eq!(main.outputs, json!({ "id": 7 }));
    rig.succeed(&undo).await;
    assert_eq!(rig.view().await.phase, Phase::OnFailure);
    succeed(&rig, "alert").await;
    succeed(&rig, "tidy").await;
    let run = rig.view().await;
    assert_eq!((run.state, run.failure.map(|failure| failure.0)), (RunState::Failed, Some("last".into())));
}

/// A compensation that fails is told, and the others run.
pub async fn a_failed_compensation_stops_nothing(bed: &impl Bed) {
    let rig = Rig::new(bed, chain().build()).await;
    succeed(&rig, "first").await;
    succeed(&rig, "second").await;
    fail(&rig, "last").await;
    fail(&rig, "second.compensate").await;
    succeed(&rig, "first.compensate").await;
    succeed(&rig, "alert").await;
    succeed(&rig, "tidy").await;
    assert_eq!(rig.view().await.state, RunState::Failed);
    assert_eq!(rig.task("second.compensate").await.state, TaskState::Failed);
    assert_eq!(rig.task("second").await.state, TaskState::Succeeded);
}

/// A cancelled run is undone as well, without `on_failure`; cancelling again does not stop that.
pub async fn a_cancelled_run_is_undone(bed: &impl Bed) {
    let rig = Rig::new(bed, chain().build()).await;
    succeed(&rig, "first").await;
    assert_eq!(rig.store.cancel(rig.run, "enough").await.expect("it is asked"), RunState::Running);
    rig.store.cancel(rig.run, "really").await.expect("it is asked");
    succeed(&rig, "first.compensate").await;
    succeed(&rig, "tidy").await;
    assert_eq!(rig.view().await.state, RunState::Cancelled);
}

/// `post` of every item can be undone; `check` of one fails.
fn posts() -> Graph {
    let mut sketch = Sketch::default();
    let (all, body) = sketch.for_each(Graph::MAIN, "all");
    let fan_out = sketch.fan_out(all).expect("it is a fan-out");
    fan_out.max_parallel = Some(1);
    fan_out.on_item_failure = ItemFailure::Continue;
    fan_out.min_success = MinSuccess::Ratio(1.0);
    let post = sketch.work(body, "post");
    let check = sketch.work(body, "check");
    sketch.after(check, post, DepKind::Data);
    sketch.compensate(post);
    sketch.build()
}

async fn post_all(rig: &Rig<'_>, broken: &str) {
    for key in ["a", "b", "c"] {
        succeed(rig, &format!("all[{key}].post")).await;
        let check = format!("all[{key}].check");
        if key == broken { fail(rig, &check).await } else { succeed(rig, &check).await }
    }
}

/// Tasks of items are undone too, also of items that failed later, one at a time.
pub async fn items_are_undone_one_by_one(bed: &impl Bed) {
    let rig = Rig::new(bed, posts()).await;
    let all = rig.lease_one("all").await;
    rig.settle(&all, items(&["a", "b", "c"])).await.expect("it is held");
    post_all(&rig, "b").await;
    for key in ["c", "b", "a"] {
        let undo = one(&rig, &format!("all[{key}].post.compensate")).await;
        let keys: Vec<&str> = undo.items.iter().map(|item| item.key.as_str()).collect();
        assert_eq!(keys, ["", key], "the item of the stage that is undone is around");
        rig.succeed(&undo).await;
    }
    assert_eq!(rig.view().await.state, RunState::Failed);
}

/// What was undone is done again, in items that had succeeded too; and what undid it is forgotten.
pub async fn a_retry_does_again_what_was_undone(bed: &impl Bed) {
    let rig = Rig::new(bed, posts()).await;
    let all = rig.lease_one("all").await;
    rig.settle(&all, items(&["a", "b", "c"])).await.expect("it is held");
    post_all(&rig, "b").await;
    rig.work_off().await;
    assert_eq!(rig.view().await.state, RunState::Failed);
    let reset = rig.store.retry(rig.run, RetryScope::Failed).await.expect("it goes again");
    assert_eq!(reset, 1 + 6 + 3, "the fan-out, its items' tasks, what undid them");
    post_all(&rig, "none").await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    let undone = rig.tasks().await.iter().filter(|task| task.path.ends_with("compensate")).count();
    assert_eq!(undone, 0);

    let rig = Rig::numbered(bed, chain().build(), reelmill_model::Digest([2; 32]), 2).await;
    succeed(&rig, "first").await;
    succeed(&rig, "second").await;
    fail(&rig, "last").await;
    rig.work_off().await;
    let last = rig.graph.nodes.iter().find(|node| node.name == "last").map(|node| node.no).expect("a node");
    rig.store.retry(rig.run, RetryScope::From(vec![last])).await.expect("it goes again");
    for path in ["first", "second", "last", "tidy"] {
        succeed(&rig, path).await;
    }
    assert_eq!(rig.view().await.state, RunState::Succeeded);
}

/// A run that succeeds, and a stage that did not, leave nothing to be undone.
pub async fn nothing_is_undone_after_a_success(bed: &impl Bed) {
    let rig = Rig::new(bed, chain().build()).await;
    for path in ["first", "second", "last", "tidy"] {
        succeed(&rig, path).await;
    }
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    let rig = Rig::numbered(bed, chain().build(), reelmill_model::Digest([2; 32]), 2).await;
    let first = one(&rig, "first").await;
    rig.settle(&first, Outcome::Failed(reelmill_model::Failure::new(FailureClass::Permanent, "no")))
        .await
        .expect("held");
    rig.work_off_skipping().await;
    assert!(rig.tasks().await.iter().all(|task| !task.path.ends_with("compensate")));
}
