//! The parts of a run, one after another: main, undoing and `on_failure` if it failed, `finally`, the end.

use crate::rows::TaskRow;
use crate::transaction::Source;
use crate::work::Work;
use crate::{compensate, start};
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
    match run.phase {
        Phase::Main => {
            let good = state == InstanceState::Succeeded && run.cancel_reason.is_none();
            if good || !compensate::begin(work)? { after_main(work) } else { Ok(()) }
        }
        Phase::Compensate | Phase::OnFailure => enter(work, Phase::Finally),
        Phase::Finally | Phase::Done => enter(work, Phase::Done),
    }
}

/// Goes on when the main part has ended and was undone where it had to be.
pub fn after_main<S: Source>(work: &mut Work<'_, S>) -> Result<(), S::Error> {
    let failed = work.instance(InstanceNo(0))?.state == InstanceState::Failed;
    let cancelled = work.run().cancel_reason.is_some();
    enter(work, if failed && !cancelled { Phase::OnFailure } else { Phase::Finally })
}

fn enter<S: Source>(work: &mut Work<'_, S>, phase: Phase) -> Result<(), S::Error> {
    let (kind, otherwise) = match phase {
        Phase::Main | Phase::Compensate | Phase::Done => return end(work),
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
    run.paused = false;
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
    work.ended();
    Ok(())
}
