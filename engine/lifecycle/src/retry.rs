//! Retry by hand: an ended run goes around again, with what succeeded outside the scope kept as it is.

use crate::edits::{self, Edits};
use crate::rows::{InstanceRow, TaskRow};
use crate::transaction::Source;
use crate::work::Work;
use crate::{phase, start};
use reelmill_graph::Graph;
use reelmill_model::limits::PAYLOAD_BYTES_MAX;
use reelmill_model::{EventKind, InstanceNo, InstanceState, NodeNo, Phase, RunState, TaskNo, TaskState};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What a retry by hand sends around again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryScope {
    /// Every failed or cancelled task, and what was skipped because of it.
    Failed,
    /// The same, of these nodes of the main body only: of a fan-out, the items that failed.
    FailedOf(Vec<NodeNo>),
    /// Every task of these nodes of the main body, and everything after them.
    From(Vec<NodeNo>),
    /// The whole run.
    All,
}

/// Why a retry by hand was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RetryRefused {
    /// The run is still at work.
    #[error("the run has not ended; cancel it first, or wait for its end")]
    NotEnded,
    /// The node is no stage of the main body.
    #[error("stage `{0}` is not a stage of the main body; name the group or fan-out around it")]
    NotInMain(String),
    /// The graph has no such node.
    #[error("the run's graph has no node {0}")]
    NoSuchNode(NodeNo),
    /// The node does not call a plugin.
    #[error("`{0}` takes no `with` that could be set; name a stage that does work")]
    NoWith(String),
    /// What is set is too large.
    #[error(
        "what is set of `with` is {0} bytes of JSON, the limit is {PAYLOAD_BYTES_MAX}; pass large data as a file"
    )]
    EditsTooLarge(usize),
}

/// Sends an ended run around again, with what is set of the `with` of its stages; says how many tasks were reset.
pub fn run<S: Source>(
    work: &mut Work<'_, S>,
    scope: &RetryScope,
    set: &Edits,
) -> Result<Result<usize, RetryRefused>, S::Error> {
    if !work.run().state.is_terminal() {
        return Ok(Err(RetryRefused::NotEnded));
    }
    let graph = work.graph();
    let edits = match edits::merged(&graph, &work.run().edits, set) {
        Ok(edits) => edits,
        Err(refused) => return Ok(Err(refused)),
    };
    if let RetryScope::From(nodes) | RetryScope::FailedOf(nodes) = scope
        && let Err(refused) = check(&graph, nodes)
    {
        return Ok(Err(refused));
    }
    let main = InstanceNo(0);
    let tasks: Vec<TaskNo> = start::tasks(work, main)?.collect();
    let undone = Undone::of(work)?;
    let mut reset = match scope {
        RetryScope::Failed => reset_failed(work, main, &undone, None)?,
        RetryScope::FailedOf(nodes) => reset_failed(work, main, &undone, Some(nodes))?,
        RetryScope::All => reset_from(work, main, tasks.into_iter().collect())?,
        RetryScope::From(nodes) => {
            let from = tasks.into_iter().zip(&graph.scope(Graph::MAIN).nodes);
            let wanted =
                |(task, node): &(TaskNo, &NodeNo)| nodes.contains(node) || undone.tasks.contains(task);
            let from = from.filter(wanted).map(|(task, _)| task).collect();
            reset_from(work, main, from)?
        }
    };
    if reset == 0 && !work.run().cleanup_failed {
        return Ok(Ok(0));
    }
    reset += forget_cleanup(work)?;
    work.run_mut().edits = edits;
    let mut data = json!({ "tasks": reset });
    if !set.is_empty() {
        data["set"] = edits::by_path(&graph, set);
    }
    work.event(EventKind::RunRetried, data);
    go_on(work, main)?;
    Ok(Ok(reset))
}

/// What was undone has to be done again, although it had succeeded.
#[derive(Debug, Default)]
struct Undone {
    /// Undone tasks, and the fan-outs around them.
    tasks: BTreeSet<TaskNo>,
    /// The items in which they stand.
    items: BTreeSet<InstanceNo>,
}

impl Undone {
    fn of<S: Source>(work: &mut Work<'_, S>) -> Result<Self, S::Error> {
        let mut undone = Self::default();
        let undo = work.run().undo.map_or(0..0, |undo| undo.first.0..undo.first.0 + undo.next);
        for no in undo.map(InstanceNo) {
            let mut around = no;
            while let (Some(task), Some(outer)) = (work.instance(around)?.owner, work.instance(around)?.outer)
            {
                undone.tasks.insert(task);
                undone.items.insert(around);
                around = outer;
            }
        }
        Ok(undone)
    }
}

fn check(graph: &Graph, nodes: &[NodeNo]) -> Result<(), RetryRefused> {
    for no in nodes {
        let node = graph.nodes.get(no.index()).ok_or(RetryRefused::NoSuchNode(*no))?;
        if node.scope != Graph::MAIN {
            return Err(RetryRefused::NotInMain(node.path.clone()));
        }
    }
    Ok(())
}

/// Removes what undoing, `on_failure` and `finally` did: they run again when their turn comes. Says how many tasks that
/// were, because they are reset as well.
fn forget_cleanup<S: Source>(work: &mut Work<'_, S>) -> Result<usize, S::Error> {
    let run = work.run_mut();
    let parts = [run.on_failure.take(), run.finally.take()];
    let undo = run.undo.take().map_or(0..0, |undo| undo.first.0..undo.first.0 + undo.items);
    let mut removed = 0;
    for part in parts.into_iter().flatten().chain(undo.map(InstanceNo)) {
        removed += remove(work, part)?;
    }
    Ok(removed)
}

fn go_on<S: Source>(work: &mut Work<'_, S>, main: InstanceNo) -> Result<(), S::Error> {
    let run = work.run_mut();
    run.state = RunState::Running;
    run.phase = Phase::Main;
    run.failed = false;
    run.cleanup_failed = false;
    run.cancel_reason = None;
    run.failure = None;
    run.ended_ms = None;
    let row = work.instance(main)?;
    let (open, failed_by, state) = (row.open, row.failed_by, row.state);
    if let Some(task) = failed_by {
        phase::note_failure(work, task)?;
    }
    if open == 0 {
        return phase::part_ended(work, state);
    }
    work.instance_mut(main)?.state = InstanceState::Running;
    work.event(EventKind::RunPhase, json!({ "phase": Phase::Main }));
    start::resume(work, main)
}

/// Resets the failed, cancelled and undone tasks of an instance, or only those of some nodes and what was undone, and
/// what depends on them. A fan-out that failed keeps its succeeded items, unless something it depends on is reset too.
fn reset_failed<S: Source>(
    work: &mut Work<'_, S>,
    no: InstanceNo,
    undone: &Undone,
    only: Option<&[NodeNo]>,
) -> Result<usize, S::Error> {
    let mut broken = BTreeSet::new();
    for task in start::tasks(work, no)? {
        let row = work.task(task)?;
        let broke = matches!(row.state, TaskState::Failed | TaskState::Cancelled)
            && only.is_none_or(|nodes| nodes.contains(&row.node));
        if broke || undone.tasks.contains(&task) {
            broken.insert(task);
        }
    }
    let after = dependents(work, no, &broken)?;
    let mut reset = 0;
    let mut whole = after.clone();
    for task in broken.difference(&after) {
        if work.task(*task)?.fan.is_some() {
            reset += 1 + reset_items(work, *task, undone)?;
        } else {
            whole.insert(*task);
        }
    }
    for task in &whole {
        reset += reset_whole(work, *task)?;
    }
    recount(work, no)?;
    Ok(reset)
}

/// Resets these tasks of an instance and everything that depends on them.
fn reset_from<S: Source>(
    work: &mut Work<'_, S>,
    no: InstanceNo,
    mut from: BTreeSet<TaskNo>,
) -> Result<usize, S::Error> {
    from.extend(dependents(work, no, &from)?);
    let mut reset = 0;
    for task in &from {
        reset += reset_whole(work, *task)?;
    }
    recount(work, no)?;
    Ok(reset)
}

/// Everything that waits for one of these tasks, directly or not.
fn dependents<S: Source>(
    work: &mut Work<'_, S>,
    no: InstanceNo,
    of: &BTreeSet<TaskNo>,
) -> Result<BTreeSet<TaskNo>, S::Error> {
    let graph = work.graph();
    let mut found = BTreeSet::new();
    let mut left: Vec<TaskNo> = of.iter().copied().collect();
    while let Some(task) = left.pop() {
        let node = graph.node(work.task(task)?.node);
        for dependent in &node.dependents {
            let task = work.task_of(no, graph.node(*dependent))?;
            if found.insert(task) {
                left.push(task);
            }
        }
    }
    Ok(found)
}

/// Makes a task what it was before it started. Its token grows, so that whoever held it stays fenced, and its
/// attempts go on counting, so that their logs are told apart.
fn reset_whole<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<usize, S::Error> {
    let mut reset = 1;
    if let Some(fan) = work.task(no)?.fan {
        for offset in 0..fan.items {
            reset += remove(work, InstanceNo(fan.first.0 + offset))?;
        }
    }
    let task = work.enter(no, TaskState::Pending)?;
    clear(task);
    task.fan = None;
    Ok(reset)
}

fn clear(task: &mut TaskRow) {
    task.token.0 += 1;
    task.spent = task.attempts;
    task.escalated = 0;
    task.cancel = false;
    task.cached = false;
    task.outputs = Value::Null;
    task.failure = None;
    task.skipped = None;
    task.ready_ms = None;
    task.ended_ms = None;
}

/// Sends the items of a fan-out around again that did not succeed or were undone.
fn reset_items<S: Source>(work: &mut Work<'_, S>, no: TaskNo, undone: &Undone) -> Result<usize, S::Error> {
    let Some(mut fan) = work.task(no)?.fan else { return Ok(0) };
    let mut reset = 0;
    for offset in 0..fan.items {
        let item = InstanceNo(fan.first.0 + offset);
        let succeeded = work.instance(item)?.state == InstanceState::Succeeded;
        if !succeeded || undone.items.contains(&item) {
            fan.succeeded -= u32::from(succeeded);
            reset += reset_failed(work, item, undone, None)?;
            work.instance_mut(item)?.state = InstanceState::Waiting;
        }
    }
    (fan.next, fan.running, fan.failed) = (0, 0, 0);
    (fan.failed_item, fan.stopped) = (None, false);
    let task = work.enter(no, TaskState::Pending)?;
    clear(task);
    task.waiting = fan.items - fan.succeeded;
    task.fan = Some(fan);
    Ok(reset)
}

/// Counts anew what the tasks of an instance wait for, and what became of those that were not reset.
fn recount<S: Source>(work: &mut Work<'_, S>, no: InstanceNo) -> Result<(), S::Error> {
    let graph = work.graph();
    let (mut open, mut failed_by, mut cancelled) = (0, None, false);
    for task in start::tasks(work, no)? {
        let row = work.task(task)?;
        let (state, fan, node) = (row.state, row.fan, graph.node(row.node));
        open += u32::from(!state.is_terminal());
        cancelled |= state == TaskState::Cancelled;
        if state == TaskState::Failed && !node.settings.allow_failure {
            failed_by = failed_by.or(Some(task));
        }
        if state == TaskState::Pending && fan.is_none() {
            let mut waiting = 0;
            for dep in &node.deps {
                let upstream = work.task_of(no, graph.node(dep.node))?;
                waiting += u32::from(!work.task(upstream)?.state.is_terminal());
            }
            work.task_mut(task)?.waiting = waiting;
        }
    }
    let row: &mut InstanceRow = work.instance_mut(no)?;
    (row.open, row.failed_by, row.cancelled) = (open, failed_by, cancelled);
    Ok(())
}

/// Removes an instance with all that is in it; says how many tasks that were.
fn remove<S: Source>(work: &mut Work<'_, S>, no: InstanceNo) -> Result<usize, S::Error> {
    let mut removed = 0;
    for task in start::tasks(work, no)? {
        if let Some(fan) = work.task(task)?.fan {
            for offset in 0..fan.items {
                removed += remove(work, InstanceNo(fan.first.0 + offset))?;
            }
        }
        work.remove_task(task)?;
        removed += 1;
    }
    work.remove_instance(no)?;
    Ok(removed)
}
