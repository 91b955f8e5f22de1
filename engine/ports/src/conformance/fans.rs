//! Cases: fan-outs, groups, matrices.

use super::bed::Bed;
use super::rig::{LEASE, Rig, broken, done, items};
use crate::{Beat, Rejected};
use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph, ItemFailure, MinSuccess};
use reelmill_model::limits::PAYLOAD_BYTES_MAX;
use reelmill_model::{
    Digest, FailureClass, InstanceState, Item, NodeNo, Outcome, RunState, TaskState, WorkerId,
};
use serde_json::json;

/// `scene` over `clip`, then `join`, which reads them.
fn scenes(change: impl FnOnce(&mut Sketch, NodeNo)) -> Graph {
    let mut sketch = Sketch::default();
    let (scene, body) = sketch.for_each(Graph::MAIN, "scene");
    sketch.work(body, "clip");
    let join = sketch.work(Graph::MAIN, "join");
    sketch.after(join, scene, DepKind::Data);
    change(&mut sketch, scene);
    sketch.build()
}

async fn expanded<'b>(bed: &'b impl Bed, graph: Graph, keys: &[&str]) -> Rig<'b> {
    let rig = Rig::new(bed, graph).await;
    let scene = rig.lease_one("scene").await;
    assert!(scene.light);
    let state = rig.settle(&scene, items(keys)).await;
    assert_eq!(state, Ok(if keys.is_empty() { TaskState::Succeeded } else { TaskState::Pending }));
    rig
}

/// Items are read in their order, not in that of their ends, and their tasks know what surrounds them.
pub async fn items_keep_their_order(bed: &impl Bed) {
    let rig = expanded(bed, scenes(|_, _| {}), &["s1", "s2", "s3"]).await;
    let mut clips = rig.lease().await;
    assert_eq!(rig.names(&clips), ["clip@s1", "clip@s2", "clip@s3"]);
    assert_eq!((clips[1].items[0].index, &clips[1].items[0].value), (1, &json!("s2")));
    assert_eq!(clips[1].chain, [clips[1].instance, reelmill_model::InstanceNo(0)]);
    clips.reverse();
    for clip in &clips {
        rig.settle(clip, done(json!({ "of": clip.items[0].key }))).await.expect("it is held");
    }
    let scene = rig.task("scene").await;
    assert_eq!((scene.state, scene.waiting, scene.settled), (TaskState::Succeeded, 0, 1));
    let task = reelmill_model::TaskRef { run: rig.run, task: scene.task };
    let read = rig.store.items(task, &[NodeNo(1)]).await.expect("items are read");
    let outputs: Vec<_> = read.iter().map(|item| item.tasks[0].outputs["of"].clone()).collect();
    assert_eq!(outputs, ["s1", "s2", "s3"]);
    assert_eq!(read[2].tasks[0].path, "scene[s3].clip");
    let join = rig.lease_one("join").await;
    rig.succeed(&join).await;
    assert_eq!(rig.view().await.state, RunState::Succeeded);
}

/// No items: the fan-out has succeeded.
pub async fn no_items_is_a_success(bed: &impl Bed) {
    let rig = expanded(bed, scenes(|_, _| {}), &[]).await;
    let join = rig.lease_one("join").await;
    assert_eq!(join.deps, [TaskState::Succeeded]);
}

/// No more than `max_parallel` items at once.
pub async fn max_parallel_holds(bed: &impl Bed) {
    let graph = scenes(|sketch, scene| {
        sketch.fan_out(scene).expect("it is a fan-out").max_parallel = Some(2);
    });
    let rig = expanded(bed, graph, &["s1", "s2", "s3"]).await;
    let clips = rig.lease().await;
    assert_eq!(rig.names(&clips), ["clip@s1", "clip@s2"]);
    rig.succeed(&clips[1]).await;
    let third = rig.lease_one("clip@s3").await;
    rig.succeed(&third).await;
    rig.succeed(&clips[0]).await;
    rig.lease_one("join").await;
}

/// The first failed item stops those that wait; leased tasks hear of it through their heartbeat.
pub async fn fail_fast_stops_the_others(bed: &impl Bed) {
    let graph = scenes(|sketch, scene| {
        sketch.fan_out(scene).expect("it is a fan-out").max_parallel = Some(2);
    });
    let rig = expanded(bed, graph, &["s1", "s2", "s3"]).await;
    let clips = rig.lease().await;
    rig.settle(&clips[0], broken(FailureClass::Permanent)).await.expect("it is held");
    assert!(rig.lease().await.is_empty());
    let beat = Beat { task: clips[1].task, token: clips[1].token };
    let reply = rig.store.heartbeat(&WorkerId("w1".into()), &[beat], LEASE).await.expect("it beats");
    assert_eq!(reply.cancelled, [clips[1].task]);
    assert_eq!(rig.task("scene").await.state, TaskState::Pending, "one item is still at work");
    assert_eq!(rig.settle(&clips[1], Outcome::Cancelled).await, Ok(TaskState::Cancelled));
    let scene = rig.task("scene").await;
    assert_eq!(scene.state, TaskState::Failed);
    assert_eq!(scene.failure.expect("it has a reason").message, "item `s1`: it broke");
    let join = rig.lease_one("join").await;
    assert_eq!(join.deps, [TaskState::Failed]);
    let run = rig.view().await;
    assert_eq!(run.failure.map(|failure| failure.0).as_deref(), Some("scene[s1].clip"));
}

/// With `continue` the others go on and `min_success` judges.
pub async fn continue_is_judged_at_the_end(bed: &impl Bed) {
    for (round, need, expected) in [(1, 0.5, TaskState::Succeeded), (2, 0.8, TaskState::Failed)] {
        let graph = scenes(|sketch, scene| {
            let fan_out = sketch.fan_out(scene).expect("it is a fan-out");
            fan_out.on_item_failure = ItemFailure::Continue;
            fan_out.min_success = MinSuccess::Ratio(need);
        });
        let rig = Rig::with_digest(bed, graph, Digest([round; 32])).await;
        let scene = rig.lease_one("scene").await;
        rig.settle(&scene, items(&["s1", "s2", "s3", "s4"])).await.expect("it is held");
        for clip in rig.lease().await {
            let bad = clip.items[0].key == "s2";
            let outcome = if bad { broken(FailureClass::Permanent) } else { done(json!({})) };
            rig.settle(&clip, outcome).await.expect("it is held");
        }
        let scene = rig.task("scene").await;
        assert_eq!(scene.state, expected);
        let message = scene.failure.map(|failure| failure.message);
        let explained = "3 of 4 items succeeded, 4 had to; first failure: item `s2`: it broke";
        assert_eq!(message.as_deref(), (expected == TaskState::Failed).then_some(explained));
        rig.work_off().await;
        assert!(rig.store.delete_run(rig.run).await.expect("it is deleted"));
    }
}

/// A failure travels outwards through bodies, until a stage allows it.
pub async fn bodies_within_bodies(bed: &impl Bed) {
    for (round, allowed) in [(1, false), (2, true)] {
        let mut sketch = Sketch::default();
        let (_, body) = sketch.for_each(Graph::MAIN, "outer");
        let (inner, deep) = sketch.for_each(body, "inner");
        sketch.work(deep, "leaf");
        sketch.at(inner).settings.allow_failure = allowed;
        let rig = Rig::with_digest(bed, sketch.build(), Digest([round; 32])).await;
        let outer_task = rig.lease_one("outer").await;
        rig.settle(&outer_task, items(&["a"])).await.expect("it is held");
        let inner_task = rig.lease_one("inner@a").await;
        rig.settle(&inner_task, items(&["x", "y"])).await.expect("it is held");
        let leaves = rig.lease().await;
        assert_eq!(leaves[1].items.iter().map(|item| item.key.as_str()).collect::<Vec<_>>(), ["y", "a"]);
        rig.settle(&leaves[1], broken(FailureClass::Permanent)).await.expect("it is held");
        rig.settle(&leaves[0], Outcome::Cancelled).await.expect("it is held");
        assert_eq!(rig.task("outer[a].inner").await.state, TaskState::Failed);
        let run = rig.view().await;
        let state = if allowed { RunState::Succeeded } else { RunState::Failed };
        assert_eq!(run.state, state);
        let path = run.failure.map(|failure| failure.0);
        assert_eq!(path.as_deref(), (!allowed).then_some("outer[a].inner[y].leaf"));
        assert_eq!(rig.task("outer").await.state == TaskState::Failed, !allowed);
        assert!(rig.store.delete_run(outer_task.task.run).await.expect("it is deleted"));
    }
}

/// A group has no key, and a matrix over one stage no inner name.
pub async fn a_group_and_a_matrix_have_paths(bed: &impl Bed) {
    let mut sketch = Sketch::default();
    let (_, body) = sketch.group(Graph::MAIN, "intro");
    sketch.work(body, "title");
    let rows = ["9:16", "1:1"].map(|key| Item { key: key.into(), value: json!({ "aspect": key }) }).to_vec();
    sketch.matrix(Graph::MAIN, "encode", rows.clone());
    let rig = Rig::new(bed, sketch.build()).await;
    let leased = rig.lease().await;
    assert_eq!(rig.names(&leased), ["intro", "encode"]);
    let group = Outcome::Expand { items: vec![Item { key: String::new(), value: json!(null) }] };
    rig.settle(&leased[0], group).await.expect("it is held");
    rig.settle(&leased[1], Outcome::Expand { items: rows }).await.expect("it is held");
    let mut paths: Vec<String> = rig.tasks().await.into_iter().map(|task| task.path).collect();
    paths.sort();
    assert_eq!(paths, ["encode", "encode[1:1]", "encode[9:16]", "intro", "intro.title"]);
}

/// What breaks a limit or does not fit the node is refused, and the lease is still held.
pub async fn what_does_not_fit_is_refused(bed: &impl Bed) {
    let graph = scenes(|sketch, scene| {
        sketch.fan_out(scene).expect("it is a fan-out").max_items = 2;
    });
    let rig = Rig::new(bed, graph).await;
    let scene = rig.lease_one("scene").await;
    for outcome in [
        items(&["a", "a"]),
        items(&["a", "b", "c"]),
        items(&[""]),
        items(&["x".repeat(201).as_str()]),
        done(json!({})),
        Outcome::LeaseExpired,
    ] {
        assert_eq!(rig.settle(&scene, outcome.clone()).await, Err(Rejected::BadOutcome), "{outcome:?}");
    }
    rig.settle(&scene, items(&["a"])).await.expect("it is still held");
    let clip = rig.lease_one("clip@a").await;
    let large = done(json!({ "text": "x".repeat(PAYLOAD_BYTES_MAX) }));
    assert_eq!(rig.settle(&clip, large).await, Err(Rejected::BadOutcome));
    assert_eq!(rig.settle(&clip, items(&["a"])).await, Err(Rejected::BadOutcome));
    rig.succeed(&clip).await;
    let scene = reelmill_model::TaskRef { run: rig.run, task: scene.task.task };
    let read = rig.store.items(scene, &[]).await.expect("items are read");
    assert_eq!(read[0].state, InstanceState::Succeeded);
}
