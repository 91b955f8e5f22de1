//! Undoing: when the main part has failed or was cancelled, what undoes its finished stages runs, one after
//! another, the stage that ended last first. A compensation that fails is kept and stops none of the others.

use crate::phase;
use crate::rows::{Fan, InstanceRow};
use crate::start;
use crate::transaction::Source;
use crate::work::Work;
use reelmill_graph::Graph;
use reelmill_model::{EventKind, InstanceNo, InstanceState, NodeNo, Phase, ScopeNo, TaskNo, TaskState};
use serde_json::{Value, json};

/// A finished task that can be undone.
struct Done {
    /// When it ended, and, for what ended in the same moment, the numbers of the tasks around it and its own: a
    /// task that waits for another has the larger ones.
    order: (Option<u64>, Vec<TaskNo>),
    instance: InstanceNo,
    scope: ScopeNo,
}

/// Begins to undo what was done. False when there is nothing to be undone.
pub fn begin<S: Source>(work: &mut Work<'_, S>) -> Result<bool, S::Error> {
    let mut done = Vec::new();
    collect(work, InstanceNo(0), &mut Vec::new(), &mut done)?;
    done.sort_by(|one, other| other.order.cmp(&one.order));
    let count = u32::try_from(done.len()).unwrap_or(u32::MAX);
    if count == 0 {
        return Ok(false);
    }
    let first = InstanceNo(work.run().next_instance);
    for (index, done) in (0..).zip(done) {
        let owner = done.order.1.last().copied();
        work.add_instance(|no| InstanceRow {
            no,
            scope: done.scope,
            outer: Some(done.instance),
            owner,
            index,
            key: String::new(),
            value: Value::Null,
            state: InstanceState::Waiting,
            open: 0,
            first_task: None,
            failed_by: None,
            cancelled: false,
        });
    }
    let run = work.run_mut();
    run.phase = Phase::Compensate;
    run.undo = Some(Fan {
        first,
        items: count,
        next: 0,
        running: 0,
        succeeded: 0,
        failed: 0,
        failed_item: None,
        stopped: false,
    });
    work.event(EventKind::RunPhase, json!({ "phase": Phase::Compensate }));
    next(work)?;
    Ok(true)
}

/// Finds the finished tasks of an instance, and of those within it, that can be undone.
fn collect<S: Source>(
    work: &mut Work<'_, S>,
    instance: InstanceNo,
    around: &mut Vec<TaskNo>,
    done: &mut Vec<Done>,
) -> Result<(), S::Error> {
    let graph = work.graph();
    if !graph.can_be_undone(work.instance(instance)?.scope) {
        return Ok(());
    }
    for task in start::tasks(work, instance)? {
        around.push(task);
        let row = work.task(task)?;
        let (state, ended_ms, fan, scope) =
            (row.state, row.ended_ms, row.fan, compensation(&graph, row.node));
        if let (TaskState::Succeeded, Some(scope)) = (state, scope) {
            done.push(Done { order: (ended_ms, around.clone()), instance, scope });
        }
        for offset in 0..fan.map_or(0, |fan| fan.items) {
            let first = fan.map_or(0, |fan| fan.first.0);
            collect(work, InstanceNo(first + offset), around, done)?;
        }
        around.pop();
    }
    Ok(())
}

fn compensation(graph: &Graph, node: NodeNo) -> Option<ScopeNo> {
    graph.node(node).compensate
}

/// Starts the next compensation, or goes on with the run when all have ended.
fn next<S: Source>(work: &mut Work<'_, S>) -> Result<(), S::Error> {
    let Some(undo) = work.run().undo.filter(|undo| undo.next < undo.items) else {
        return phase::after_main(work);
    };
    let no = InstanceNo(undo.first.0 + undo.next);
    work.run_mut().undo = Some(Fan { next: undo.next + 1, running: 1, ..undo });
    start::instance(work, no)
}

/// Goes on after a compensation that has ended.
pub fn ended<S: Source>(work: &mut Work<'_, S>, no: InstanceNo) -> Result<(), S::Error> {
    let row = work.instance(no)?;
    let (state, failed_by) = (row.state, row.failed_by);
    if let Some(undo) = &mut work.run_mut().undo {
        undo.running = 0;
        undo.succeeded += u32::from(state == InstanceState::Succeeded);
        undo.failed += u32::from(state == InstanceState::Failed);
        undo.failed_item = undo.failed_item.or((state == InstanceState::Failed).then_some(no));
    }
    if let Some(task) = failed_by {
        phase::note_failure(work, task)?;
    }
    next(work)
}
