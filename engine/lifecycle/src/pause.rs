//! Pausing a run: nothing of it is begun any more, what is being worked on ends as ever, and time goes on.
//!
//! A task of a paused run that would be ready is held: it is `pending` and waits for nothing. So it stands in no queue,
//! stores need no rule about it, and it has to be found again when the run goes on.

use crate::start;
use crate::transaction::Source;
use crate::work::Work;
use reelmill_model::{EventKind, InstanceNo, InstanceState, TaskNo, TaskState};
use serde_json::json;

/// Why a run was not paused, or does not go on. The store is unchanged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PauseRefused {
    /// It has ended.
    #[error("the run has ended: there is nothing left of it to pause or to resume")]
    Ended,
}

/// Pauses a run; false when it was paused already.
pub fn pause<S: Source>(
    work: &mut Work<'_, S>,
    reason: &str,
) -> Result<Result<bool, PauseRefused>, S::Error> {
    if work.run().state.is_terminal() {
        return Ok(Err(PauseRefused::Ended));
    }
    if work.run().paused {
        return Ok(Ok(false));
    }
    work.run_mut().paused = true;
    work.event(EventKind::RunPaused, json!({ "reason": reason }));
    each_running(work, &mut |work, task| {
        if work.task(task)?.state == TaskState::Ready { work.ready(task) } else { Ok(()) }
    })?;
    Ok(Ok(true))
}

/// Lets a run go on; false when it was not paused.
pub fn resume<S: Source>(work: &mut Work<'_, S>) -> Result<Result<bool, PauseRefused>, S::Error> {
    if work.run().state.is_terminal() {
        return Ok(Err(PauseRefused::Ended));
    }
    if !work.run().paused {
        return Ok(Ok(false));
    }
    work.run_mut().paused = false;
    work.event(EventKind::RunResumed, json!({}));
    release(work)?;
    Ok(Ok(true))
}

/// Readies what was held.
pub fn release<S: Source>(work: &mut Work<'_, S>) -> Result<(), S::Error> {
    each_running(work, &mut |work, task| {
        let row = work.task(task)?;
        let held = row.state == TaskState::Pending && row.waiting == 0 && row.fan.is_none();
        if held { work.ready(task) } else { Ok(()) }
    })
}

/// What is done with one task.
type Visit<'v, S> = dyn FnMut(&mut Work<'_, S>, TaskNo) -> Result<(), <S as Source>::Error> + 'v;

/// Shows every task of every instance that runs.
fn each_running<S: Source>(work: &mut Work<'_, S>, visit: &mut Visit<'_, S>) -> Result<(), S::Error> {
    let run = work.run();
    let parts = [Some(InstanceNo(0)), run.on_failure, run.finally];
    // One stage is undone at a time: the last that was started.
    let undoing =
        run.undo.filter(|undo| undo.running > 0).map(|undo| InstanceNo(undo.first.0 + undo.next - 1));
    for part in parts.into_iter().chain([undoing]).flatten() {
        within(work, part, visit)?;
    }
    Ok(())
}

fn within<S: Source>(
    work: &mut Work<'_, S>,
    no: InstanceNo,
    visit: &mut Visit<'_, S>,
) -> Result<(), S::Error> {
    if work.instance(no)?.state != InstanceState::Running {
        return Ok(());
    }
    for task in start::tasks(work, no)? {
        visit(work, task)?;
        let row = work.task(task)?;
        let fan = row.fan.filter(|fan| row.state == TaskState::Pending && fan.running > 0);
        for offset in 0..fan.map_or(0, |fan| fan.next) {
            let first = fan.map_or(0, |fan| fan.first.0);
            within(work, InstanceNo(first + offset), visit)?;
        }
    }
    Ok(())
}
