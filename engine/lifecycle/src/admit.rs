//! Whether a task whose upstream has ended is to run. The worker asks when it has leased the task, because an
//! `if` needs the outputs too, and both answers end in the same settle.

use reelmill_graph::{Dep, DepKind, Graph, Node, Trigger};
use reelmill_model::{NodeNo, SkipReason, TaskState};

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admit {
    /// It runs, unless its `if` says no.
    Run,
    /// It is settled as skipped.
    Skip(SkipReason),
}

/// Decides from the states of the nodes it waits for, in the order of `Node::deps`.
#[must_use]
pub fn admit(graph: &Graph, node: &Node, deps: &[TaskState]) -> Admit {
    let reason = match node.trigger {
        Trigger::Always => None,
        Trigger::Success => blocked(graph, node, deps),
        Trigger::FailureOf(watched) => {
            let failed = state_of(&node.deps, deps, watched) == Some(TaskState::Failed);
            if failed { blocked(graph, node, deps) } else { Some(no_failure(graph.node(watched))) }
        }
        Trigger::FailureInScope => {
            let broke = |(dep, state): (&Dep, &TaskState)| {
                let allowed = graph.node(dep.node).settings.allow_failure;
                graph.answers(node, dep.node) && *state == TaskState::Failed && !allowed
            };
            if node.deps.iter().zip(deps).any(broke) {
                blocked(graph, node, deps)
            } else {
                graph.scope(node.scope).owner.map(|owner| no_failure(graph.node(owner)))
            }
        }
    };
    reason.map_or(Admit::Run, Admit::Skip)
}

fn no_failure(stage: &Node) -> SkipReason {
    SkipReason::NoFailure { stage: stage.path.clone() }
}

fn state_of(deps: &[Dep], states: &[TaskState], wanted: NodeNo) -> Option<TaskState> {
    deps.iter().zip(states).find(|(dep, _)| dep.node == wanted).map(|(_, state)| *state)
}

/// The gravest reason among the upstream nodes: a failure explains more than a cancellation, and that more than
/// a skipped stage.
fn blocked(graph: &Graph, node: &Node, states: &[TaskState]) -> Option<SkipReason> {
    node.deps
        .iter()
        .zip(states)
        .filter(|(dep, _)| !graph.answers(node, dep.node))
        .filter_map(|(dep, state)| verdict(graph, *dep, *state))
        .min_by_key(|reason| match reason {
            SkipReason::UpstreamFailed { .. } => 0,
            SkipReason::UpstreamCancelled { .. } => 1,
            _ => 2,
        })
}

fn verdict(graph: &Graph, dep: Dep, state: TaskState) -> Option<SkipReason> {
    let upstream = graph.node(dep.node);
    let name = || upstream.path.clone();
    match (state, dep.kind) {
        // A failed stage has no outputs, so allow_failure satisfies an order edge only.
        (TaskState::Failed, DepKind::Order) if upstream.settings.allow_failure => None,
        (TaskState::Failed, _) => Some(SkipReason::UpstreamFailed { stage: name() }),
        (TaskState::Cancelled, _) => Some(SkipReason::UpstreamCancelled { stage: name() }),
        (TaskState::Skipped, DepKind::Data) => Some(SkipReason::UpstreamSkipped { stage: name() }),
        _ => None,
    }
}
