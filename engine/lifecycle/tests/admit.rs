//! Every trigger and edge against every end of the stage upstream.

use reelmill_graph::sketch::Sketch;
use reelmill_graph::{DepKind, Graph, Trigger};
use reelmill_lifecycle::{Admit, admit};
use reelmill_model::{NodeNo, SkipReason, TaskState};

#[derive(Clone, Copy)]
enum On {
    Success,
    FailureOf,
    Always,
}

fn ask(on: On, kind: DepKind, allowed: bool, state: TaskState) -> Admit {
    let mut sketch = Sketch::default();
    let up = sketch.work(Graph::MAIN, "up");
    let node = sketch.work(Graph::MAIN, "node");
    sketch.after(node, up, kind);
    sketch.at(up).settings.allow_failure = allowed;
    sketch.at(node).trigger = match on {
        On::Success => Trigger::Success,
        On::FailureOf => Trigger::FailureOf(up),
        On::Always => Trigger::Always,
    };
    let graph = sketch.build();
    admit(&graph, graph.node(node), &[state])
}

#[test]
fn a_stage_runs_or_is_skipped_as_its_upstream_ended() {
    use DepKind::{Data, Order};
    use TaskState::{Cancelled, Failed, Skipped, Succeeded};
    let up = || "up".to_owned();
    let skip = Admit::Skip;
    for (on, kind, allowed, state, expected) in [
        (On::Success, Data, false, Succeeded, Admit::Run),
        (On::Success, Order, false, Succeeded, Admit::Run),
        (On::Success, Data, false, Failed, skip(SkipReason::UpstreamFailed { stage: up() })),
        (On::Success, Order, false, Failed, skip(SkipReason::UpstreamFailed { stage: up() })),
        (On::Success, Data, true, Failed, skip(SkipReason::UpstreamFailed { stage: up() })),
        (On::Success, Order, true, Failed, Admit::Run),
        (On::Success, Data, false, Skipped, skip(SkipReason::UpstreamSkipped { stage: up() })),
        (On::Success, Order, false, Skipped, Admit::Run),
        (On::Success, Data, true, Cancelled, skip(SkipReason::UpstreamCancelled { stage: up() })),
        (On::Success, Order, true, Cancelled, skip(SkipReason::UpstreamCancelled { stage: up() })),
        (On::FailureOf, Order, false, Failed, Admit::Run),
        (On::FailureOf, Data, true, Failed, Admit::Run),
        (On::FailureOf, Order, false, Succeeded, skip(SkipReason::NoFailure { stage: up() })),
        (On::FailureOf, Order, false, Skipped, skip(SkipReason::NoFailure { stage: up() })),
        (On::FailureOf, Order, false, Cancelled, skip(SkipReason::NoFailure { stage: up() })),
        (On::Always, Data, false, Failed, Admit::Run),
        (On::Always, Order, false, Cancelled, Admit::Run),
        (On::Always, Data, false, Skipped, Admit::Run),
    ] {
        assert_eq!(ask(on, kind, allowed, state), expected, "{kind:?} {allowed} {state}");
    }
}

#[test]
fn a_failure_explains_more_than_a_skipped_stage() {
    let mut sketch = Sketch::default();
    let node = NodeNo(2);
    for name in ["skipped", "failed", "node"] {
        sketch.work(Graph::MAIN, name);
    }
    sketch.after(node, NodeNo(0), DepKind::Data);
    sketch.after(node, NodeNo(1), DepKind::Data);
    let graph = sketch.build();
    let answer = admit(&graph, graph.node(node), &[TaskState::Skipped, TaskState::Failed]);
    assert_eq!(answer, Admit::Skip(SkipReason::UpstreamFailed { stage: "failed".into() }));
}
