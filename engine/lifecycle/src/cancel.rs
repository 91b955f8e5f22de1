//! Stopping: tasks that wait are cancelled at once, leased ones are told through their heartbeat.

use crate::transaction::Source;
use crate::work::Work;
use crate::{expand, pause, settle, start};
use reelmill_model::{EventKind, InstanceNo, InstanceState, Phase, RunState, TaskNo, TaskState};
use serde_json::json;

/// Asks for a run to be cancelled. An ended run, and one that was asked before, is left as it is; the
/// pipeline's `finally` and what undoes its stages are not stopped, and so a pause ends: they have to run.
pub fn run<S: Source>(work: &mut Work<'_, S>, reason: &str) -> Result<RunState, S::Error> {
    let run = work.run();
    if run.state.is_terminal() || run.cancel_reason.is_some() {
        return Ok(run.state);
    }
    let stopped = match run.phase {
        Phase::Main => Some(InstanceNo(0)),
        Phase::OnFailure => run.on_failure,
        Phase::Compensate | Phase::Finally | Phase::Done => None,
    };
    let run = work.run_mut();
    run.cancel_reason = Some(reason.to_owned());
    let paused = std::mem::take(&mut run.paused);
    work.event(EventKind::RunCancelRequested, json!({ "reason": reason }));
    if let Some(part) = stopped {
        instance(work, part)?;
    }
    if paused {
        pause::release(work)?;
    }
    Ok(work.run().state)
}

/// Cancels what can be cancelled of a running instance.
pub fn instance<S: Source>(work: &mut Work<'_, S>, no: InstanceNo) -> Result<(), S::Error> {
    let mut expanded = Vec::new();
    for task in start::tasks(work, no)? {
        let row = work.task(task)?;
        match row.state {
            TaskState::Pending if row.fan.is_some() => expanded.push(task),
            TaskState::Pending | TaskState::Ready | TaskState::Delayed => {
                settle::end_task(work, task, TaskState::Cancelled)?;
                work.instance_mut(no)?.open -= 1;
            }
            TaskState::Leased => work.task_mut(task)?.cancel = true,
            TaskState::Succeeded | TaskState::Failed | TaskState::Skipped | TaskState::Cancelled => {}
        }
    }
    // Fan-outs come last: the end of one may end the instance, and then no task of it may be left waiting.
    for task in expanded {
        stop_fan_out(work, task)?;
    }
    settle::end_if_over(work, no)
}

fn stop_fan_out<S: Source>(work: &mut Work<'_, S>, task: TaskNo) -> Result<(), S::Error> {
    work.task_mut(task)?.cancel = true;
    expand::stop(work, task)
}

/// Cancels the tasks of an item that waits to be taken up again after a retry by hand.
pub fn tasks_of_waiting<S: Source>(work: &mut Work<'_, S>, no: InstanceNo) -> Result<(), S::Error> {
    for task in start::tasks(work, no)? {
        let row = work.task(task)?;
        if row.state.is_terminal() {
            continue;
        }
        if let Some(fan) = row.fan {
            for offset in 0..fan.items {
                let item = InstanceNo(fan.first.0 + offset);
                tasks_of_waiting(work, item)?;
                if work.instance(item)?.state == InstanceState::Waiting {
                    work.instance_mut(item)?.state = InstanceState::Cancelled;
                }
            }
            work.task_mut(task)?.waiting = 0;
        }
        settle::end_task(work, task, TaskState::Cancelled)?;
        work.instance_mut(no)?.open -= 1;
    }
    Ok(())
}
