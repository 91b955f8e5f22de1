//! Cases: cancelling, and sending around again.

use super::bed::Bed;
use super::rig::{LEASE, Rig, broken, done, items};
use crate::{Beat, Edits, EventQuery, RetryScope, StoreError};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph, ItemFailure, MinSuccess, ScopeKind};
use reelmill_model::{EventKind, FailureClass, NodeNo, Outcome, Phase, RunState, TaskState, WorkerId};
use serde_json::json;

fn work() -> Graph {
    let mut sketch = Sketch::default();
    let first = sketch.work(Graph::MAIN, "first");
    let (scene, body) = sketch.for_each(Graph::MAIN, "scene");
    sketch.after(scene, first, DepKind::Data);
    let fan_out = sketch.fan_out(scene).expect("it is a fan-out");
    fan_out.on_item_failure = ItemFailure::Continue;
    fan_out.min_success = MinSuccess::Ratio(1.0);
    fan_out.max_parallel = Some(2);
    let speech = sketch.work(body, "speech");
    let clip = sketch.work(body, "clip");
    sketch.after(clip, speech, DepKind::Data);
    let join = sketch.work(Graph::MAIN, "join");
    sketch.after(join, scene, DepKind::Data);
    let on_failure = sketch.part(ScopeKind::OnFailure);
    sketch.work(on_failure, "alert");
    let finally = sketch.part(ScopeKind::Finally);
    sketch.work(finally, "tidy");
    sketch.build()
}

/// Waiting tasks are cancelled at once, the leased one through its heartbeat; `finally` runs.
pub async fn cancelling_stops_and_cleans_up(bed: &impl Bed) {
    let rig = Rig::new(bed, work()).await;
    let first = rig.lease_one("first").await;
    rig.succeed(&first).await;
    let scene = rig.lease_one("scene").await;
    rig.settle(&scene, items(&["a", "b", "c"])).await.expect("it is held");
    let speech = rig.lease_as("w1", 1).await.remove(0);
    assert_eq!(rig.store.cancel(rig.run, "enough").await.expect("it is asked"), RunState::Running);
    assert!(rig.lease().await.is_empty());
    let beat = Beat { task: speech.task, token: speech.token };
    let reply = rig.store.heartbeat(&WorkerId("w1".into()), &[beat], LEASE).await.expect("it beats");
    assert_eq!(reply.cancelled, [speech.task]);
    rig.settle(&speech, Outcome::Cancelled).await.expect("it is held");
    assert_eq!(rig.task("scene").await.state, TaskState::Cancelled);
    assert_eq!(rig.view().await.phase, Phase::Finally);
    let tidy = rig.lease_one("tidy").await;
    rig.succeed(&tidy).await;
    let run = rig.view().await;
    assert_eq!((run.state, run.cancel_reason.as_deref()), (RunState::Cancelled, Some("enough")));
    assert_eq!(rig.task("first").await.state, TaskState::Succeeded);
}

/// A second request changes nothing, nor does one for an ended or an unknown run.
pub async fn cancelling_twice_is_once(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "only");
    let rig = Rig::new(bed, sketch.build()).await;
    assert_eq!(rig.store.cancel(rig.run, "one").await.expect("it is asked"), RunState::Cancelled);
    assert_eq!(rig.store.cancel(rig.run, "two").await.expect("it is asked"), RunState::Cancelled);
    assert_eq!(rig.view().await.cancel_reason.as_deref(), Some("one"));
    let unknown = super::rig::new_run(9, reelmill_model::Digest([1; 32]), None).id;
    let answer = rig.store.cancel(unknown, "x").await;
    assert!(matches!(answer, Err(StoreError::NoSuchRun(_))), "{answer:?}");
}

fn two() -> Graph {
    let mut sketch = Sketch::default();
    let good = sketch.work(Graph::MAIN, "good");
    let bad = sketch.work(Graph::MAIN, "bad");
    let after = sketch.work(Graph::MAIN, "after");
    sketch.after(after, good, DepKind::Data);
    sketch.after(after, bad, DepKind::Data);
    sketch.build()
}

/// Settles what is leased: `bad` fails, `after` is skipped, everything else succeeds.
async fn fail_once(rig: &Rig<'_>) {
    loop {
        let leased = rig.lease().await;
        if leased.is_empty() {
            return;
        }
        for task in &leased {
            let node = rig.graph.node(task.node);
            let outcome = match node.name.as_str() {
                "bad" => broken(FailureClass::Permanent),
                _ => match reelmill_lifecycle::admit(&rig.graph, node, &task.deps) {
                    reelmill_lifecycle::Admit::Run => done(json!({})),
                    reelmill_lifecycle::Admit::Skip(reason) => Outcome::Skipped(reason),
                },
            };
            rig.settle(task, outcome).await.expect("it is held");
        }
    }
}

/// Failed tasks and what was skipped for them run again; a running run is left alone.
pub async fn a_retry_keeps_what_succeeded(bed: &impl Bed) {
    let rig = Rig::new(bed, two()).await;
    let refused = rig.store.retry(rig.run, RetryScope::Failed).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    fail_once(&rig).await;
    let before = rig.view().await;
    assert_eq!((before.state, before.failed), (RunState::Failed, true));
    assert_eq!(rig.task("after").await.state, TaskState::Skipped);
    assert_eq!(rig.store.retry(rig.run, RetryScope::Failed).await.expect("it goes around"), 2);
    let run = rig.view().await;
    assert_eq!((run.state, run.failed, run.failure, run.ended_ms), (RunState::Running, false, None, None));
    let bad = rig.lease_one("bad").await;
    assert_eq!(bad.attempt, 2, "attempts go on counting");
    rig.succeed(&bad).await;
    let after = rig.lease_one("after").await;
    rig.succeed(&after).await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    assert_eq!((rig.task("good").await.settled, rig.task("bad").await.settled), (1, 2));
    assert_eq!(rig.store.retry(rig.run, RetryScope::Failed).await.expect("nothing failed"), 0);
    assert_eq!(rig.view().await.state, RunState::Succeeded);
}

/// Succeeded items are kept, and within a failed item the tasks that succeeded.
pub async fn a_retry_of_items_reruns_the_failed_ones(bed: &impl Bed) {
    let rig = Rig::new(bed, work()).await;
    let first = rig.lease_one("first").await;
    rig.succeed(&first).await;
    let scene = rig.lease_one("scene").await;
    rig.settle(&scene, items(&["a", "b", "c"])).await.expect("it is held");
    while rig.view().await.phase == Phase::Main {
        for task in rig.lease().await {
            let bad = rig.names(std::slice::from_ref(&task)) == ["clip@b"];
            let join = rig.graph.node(task.node).name == "join";
            let outcome = match (bad, join) {
                (true, _) => broken(FailureClass::Permanent),
                (_, true) => {
                    Outcome::Skipped(reelmill_model::SkipReason::UpstreamFailed { stage: "scene".into() })
                }
                _ => done(json!({})),
            };
            rig.settle(&task, outcome).await.expect("it is held");
        }
    }
    rig.work_off().await;
    assert_eq!(rig.view().await.state, RunState::Failed);
    let reset = rig.store.retry(rig.run, RetryScope::Failed).await.expect("it goes around");
    assert_eq!(reset, 5, "scene, its clip, join, and the two of the clean-up");
    let clip = rig.lease_one("clip@b").await;
    rig.succeed(&clip).await;
    let join = rig.lease_one("join").await;
    rig.succeed(&join).await;
    let tidy = rig.lease_one("tidy").await;
    rig.succeed(&tidy).await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    for (path, settled) in [("scene[a].clip", 1), ("scene[b].speech", 1), ("scene[b].clip", 2)] {
        assert_eq!(rig.task(path).await.settled, settled, "{path}");
    }
}

/// A stage and everything after it run again; a fan-out among them expands anew.
pub async fn a_retry_from_a_stage(bed: &impl Bed) {
    let rig = Rig::new(bed, work()).await;
    let first = rig.lease_one("first").await;
    rig.succeed(&first).await;
    let scene = rig.lease_one("scene").await;
    rig.settle(&scene, items(&["a", "b"])).await.expect("it is held");
    rig.work_off().await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    let inner = rig.store.retry(rig.run, RetryScope::From(vec![NodeNo(2)])).await;
    assert!(matches!(inner, Err(StoreError::Refused(_))), "{inner:?}");
    rig.store.retry(rig.run, RetryScope::From(vec![NodeNo(1)])).await.expect("it goes around");
    let again = rig.lease_one("scene").await;
    assert!(again.token > scene.token);
    rig.settle(&again, items(&["x"])).await.expect("it is held");
    rig.work_off().await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    assert_eq!(rig.task("first").await.settled, 1);
    let paths: Vec<String> = rig.tasks().await.into_iter().map(|task| task.path).collect();
    assert!(paths.contains(&"scene[x].clip".to_owned()) && !paths.iter().any(|path| path.contains("[a]")));
}

/// The whole run again.
pub async fn a_retry_of_all(bed: &impl Bed) {
    let rig = Rig::new(bed, two()).await;
    fail_once(&rig).await;
    assert_eq!(rig.store.retry(rig.run, RetryScope::All).await.expect("it goes around"), 3);
    rig.work_off().await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    assert!(rig.tasks().await.iter().all(|task| task.settled == 2));
}

/// Of one stage only what failed goes around again; what failed elsewhere stays, and the run fails for it.
pub async fn a_retry_of_what_failed_of_one_stage(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "bad");
    let (scene, body) = sketch.for_each(Graph::MAIN, "scene");
    let fan_out = sketch.fan_out(scene).expect("it is a fan-out");
    fan_out.on_item_failure = ItemFailure::Continue;
    fan_out.min_success = MinSuccess::Ratio(1.0);
    sketch.work(body, "clip");
    let rig = Rig::new(bed, sketch.build()).await;
    let leased = rig.lease().await;
    assert_eq!(rig.names(&leased), ["bad", "scene"]);
    rig.settle(&leased[0], broken(FailureClass::Permanent)).await.expect("it is held");
    rig.settle(&leased[1], items(&["a", "b", "c"])).await.expect("it is held");
    let clips = rig.lease().await;
    for (clip, fails) in clips.iter().zip([false, true, false]) {
        let outcome = if fails { broken(FailureClass::Permanent) } else { done(json!({})) };
        rig.settle(clip, outcome).await.expect("it is held");
    }
    assert_eq!(rig.view().await.state, RunState::Failed);
    let scope = RetryScope::FailedOf(vec![scene]);
    assert_eq!(rig.store.retry(rig.run, scope.clone()).await.expect("it goes around"), 2);
    let clip = rig.lease_one("clip@b").await;
    rig.succeed(&clip).await;
    let run = rig.view().await;
    assert_eq!((run.state, run.failure.map(|(path, _)| path)), (RunState::Failed, Some("bad".into())));
    assert_eq!(rig.store.retry(rig.run, scope).await.expect("nothing of it is left"), 0);
    assert_eq!(rig.view().await.state, RunState::Failed);
}

/// What is set of a stage's `with` reaches its attempts from then on, and no others; the graph stays as it is.
pub async fn a_retry_with_other_values(bed: &impl Bed) {
    let rig = Rig::new(bed, two()).await;
    fail_once(&rig).await;
    let node = |name: &str| rig.graph.nodes.iter().find(|node| node.name == name).expect("it is there").no;
    let set = |name: &str, key: &str, value: serde_json::Value| {
        Edits::from([(node(name), [(key.to_owned(), value)].into_iter().collect())])
    };
    let big = json!("x".repeat(reelmill_model::limits::PAYLOAD_BYTES_MAX));
    for wrong in [set("bad", "n", big), Edits::from([(NodeNo(99), serde_json::Map::new())])] {
        let refused = rig.store.retry_with(rig.run, RetryScope::Failed, wrong).await;
        assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    }
    let digest = rig.digest().await;
    for (key, value) in [("n", json!(1)), ("m", json!([2])), ("n", json!(3))] {
        let reset = rig.store.retry_with(rig.run, RetryScope::Failed, set("bad", key, value)).await;
        assert_eq!(reset.expect("it goes around"), 2);
        fail_once(&rig).await;
    }
    assert_eq!(
        rig.store.retry_with(rig.run, RetryScope::Failed, set("good", "g", json!(0))).await.ok(),
        Some(2)
    );
    let bad = rig.lease_one("bad").await;
    assert_eq!(json!(bad.edit), json!({ "n": 3, "m": [2] }));
    rig.succeed(&bad).await;
    let after = rig.lease_one("after").await;
    assert_eq!(json!(after.edit), json!({}));
    rig.succeed(&after).await;
    let run = rig.view().await;
    assert_eq!((run.state, run.edits.len()), (RunState::Succeeded, 2));
    assert_eq!(rig.digest().await, digest);
    let query =
        EventQuery { run: Some(rig.run), kinds: vec![EventKind::RunRetried], ..EventQuery::default() };
    let told = rig.store.events(query).await.expect("events are read");
    assert_eq!(told[1].data["set"], json!({ "bad": { "m": [2] } }));
}

/// When only the clean-up failed, only that runs again.
pub async fn a_failed_finally_is_retried(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    sketch.work(Graph::MAIN, "work");
    let finally = sketch.part(ScopeKind::Finally);
    sketch.work(finally, "tidy");
    let rig = Rig::new(bed, sketch.build()).await;
    let work = rig.lease_one("work").await;
    rig.succeed(&work).await;
    let tidy = rig.lease_one("tidy").await;
    rig.settle(&tidy, broken(FailureClass::Permanent)).await.expect("it is held");
    assert_eq!(rig.view().await.state, RunState::Failed);
    assert_eq!(rig.store.retry(rig.run, RetryScope::Failed).await.expect("it goes around"), 1);
    let tidy = rig.lease_one("tidy").await;
    rig.succeed(&tidy).await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
    assert_eq!(rig.task("work").await.settled, 1);
}
