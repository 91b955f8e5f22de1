//! The beginning of a run and of every instance: tasks come into being here and nowhere else.

use crate::rows::{Damage, InstanceRow};
use crate::settle;
use crate::transaction::Source;
use crate::work::Work;
use reelmill_graph::Graph;
use reelmill_model::{EventKind, InstanceNo, InstanceState, Phase, ScopeNo, TaskNo, TaskState};
use serde_json::{Value, json};

/// Starts a new run: its main instance, and the tasks that wait for nothing.
pub fn run<S: Source>(work: &mut Work<'_, S>) -> Result<(), S::Error> {
    work.event(EventKind::RunSubmitted, json!({ "name": work.graph().name }));
    part(work, Phase::Main, Graph::MAIN)
}

/// Starts a part of the pipeline.
pub fn part<S: Source>(work: &mut Work<'_, S>, phase: Phase, scope: ScopeNo) -> Result<(), S::Error> {
    let root = work.add_instance(|no| InstanceRow {
        no,
        scope,
        outer: None,
        owner: None,
        index: 0,
        key: String::new(),
        value: Value::Null,
        state: InstanceState::Waiting,
        open: 0,
        first_task: None,
        failed_by: None,
        cancelled: false,
    });
    let run = work.run_mut();
    run.phase = phase;
    match phase {
        Phase::OnFailure => run.on_failure = Some(root),
        Phase::Finally => run.finally = Some(root),
        Phase::Main | Phase::Compensate | Phase::Done => {}
    }
    work.event(EventKind::RunPhase, json!({ "phase": phase }));
    instance(work, root)?;
    settle::end_if_over(work, root)
}

/// Starts an instance: makes its tasks, or takes up those that a retry by hand has reset.
///
/// The caller looks afterwards whether it is over already, because a body may be empty.
pub fn instance<S: Source>(work: &mut Work<'_, S>, no: InstanceNo) -> Result<(), S::Error> {
    if work.instance(no)?.first_task.is_some() {
        work.instance_mut(no)?.state = InstanceState::Running;
        return resume(work, no);
    }
    let graph = work.graph();
    let nodes = &graph.scope(work.instance(no)?.scope).nodes;
    let first = TaskNo(work.run().next_task);
    for node in nodes {
        let deps = graph.node(*node).deps.len();
        let deps = u32::try_from(deps).map_err(|_| Damage("a stage has too many dependencies".into()))?;
        let task = work.add_task(*node, no, deps);
        if deps == 0 {
            work.ready(task)?;
        }
    }
    let open = work.run().next_task - first.0;
    let row = work.instance_mut(no)?;
    row.state = InstanceState::Running;
    row.first_task = Some(first);
    row.open = open;
    Ok(())
}

/// Readies the tasks of an instance that wait for nothing, and goes on with items of those that expanded.
pub fn resume<S: Source>(work: &mut Work<'_, S>, no: InstanceNo) -> Result<(), S::Error> {
    for task in tasks(work, no)? {
        let row = work.task(task)?;
        if row.state != TaskState::Pending {
            continue;
        }
        if row.fan.is_some() {
            crate::expand::start_items(work, task)?;
        } else if row.waiting == 0 {
            work.ready(task)?;
        }
    }
    Ok(())
}

/// The numbers of an instance's tasks; none before it starts.
pub fn tasks<S: Source>(
    work: &mut Work<'_, S>,
    no: InstanceNo,
) -> Result<impl Iterator<Item = TaskNo> + use<S>, S::Error> {
    let graph = work.graph();
    let row = work.instance(no)?;
    let count = graph.scope(row.scope).nodes.len();
    let range = row
        .first_task
        .map_or(0..0, |first| first.0..first.0.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)));
    Ok(range.map(TaskNo))
}
