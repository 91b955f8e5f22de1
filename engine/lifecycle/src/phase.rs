//! The parts of a run, one after another: main, `on_failure` if it failed, `finally`, the end.

use crate::rows::TaskRow;
use crate::start;
use crate::transaction::Source;
use crate::work::Work;
use reelmill_graph::ScopeKind;
use reelmill_model::{EventKind, Failure, FailureClass, InstanceNo, InstanceState, Phase, RunState, TaskNo};
use serde_json::json;

/// Notes a failure that was not allowed in the part the run is in. The first one is kept, with the innermost
/// task that caused it.
pub fn note_failure<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    if work.run().phase == Phase::Main {
        work.run_mut().failed = true;
    } else {
        work.run_mut().cleanup_failed = true;
    }
    if work.run().failure.is_none() {
        let cause = innermost(work, no)?;
        let path = work.path(cause)?;
        let failure = failure_of(work.task(cause)?);
        work.run_mut().failure = Some(Box::new((path, failure)));
    }
    Ok(())
}

/// Follows a failed fan-out down to the task that failed first.
fn innermost<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<TaskNo, S::Error> {
    let mut cause = no;
    while let Some(item) = work.task(cause)?.fan.and_then(|fan| fan.failed_item) {
        match work.instance(item)?.failed_by {
            Some(inner) => cause = inner,
            None => break,
        }
    }
    Ok(cause)
}

fn failure_of(task: &TaskRow) -> Failure {
    let unknown = || Failure::new(FailureClass::Permanent, "the task failed and gave no reason");
    task.failure.as_deref().cloned().unwrap_or_else(unknown)
}

/// Goes on after a part whose tasks have all ended.
pub fn part_ended<S: Source>(work: &mut Work<'_, S>, state: InstanceState) -> Result<(), S::Error> {
    let run = work.run();
    let next = match run.phase {
        Phase::Main if state == InstanceState::Failed && run.cancel_reason.is_none() => Phase::OnFailure,
        Phase::Main | Phase::OnFailure => Phase::Finally,
        Phase::Finally | Phase::Done => Phase::Done,
    };
    enter(work, next)
}

fn enter<S: Source>(work: &mut Work<'_, S>, phase: Phase) -> Result<(), S::Error> {
    let (kind, otherwise) = match phase {
        Phase::Main | Phase::Done => return end(work),
        Phase::OnFailure => (ScopeKind::OnFailure, Phase::Finally),
        Phase::Finally => (ScopeKind::Finally, Phase::Done),
    };
    match work.graph().scope_of_kind(kind) {
        Some(scope) => start::part(work, phase, scope),
        None => enter(work, otherwise),
    }
}

fn end<S: Source>(work: &mut Work<'_, S>) -> Result<(), S::Error> {
    let stopped = work.instance(InstanceNo(0))?.state == InstanceState::Cancelled;
    let now_ms = work.now_ms;
    let run = work.run_mut();
    run.phase = Phase::Done;
    run.ended_ms = Some(now_ms);
    run.state = if run.cleanup_failed {
        RunState::Failed
    } else if run.cancel_reason.is_some() || stopped {
        RunState::Cancelled
    } else if run.failed {
        RunState::Failed
    } else {
        RunState::Succeeded
    };
    let mut data = json!({ "state": run.state });
    if let Some(failure) = &run.failure {
        data["failure"] = json!({ "stage": failure.0, "failure": failure.1 });
    }
    work.event(EventKind::RunEnded, data);
    Ok(())
}
