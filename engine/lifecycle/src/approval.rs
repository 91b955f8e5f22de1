//! Approvals: a task that was reached waits for a person without a worker, and ends by the answer or by its time.

use crate::settle::{self, json_bytes};
use crate::transaction::Source;
use crate::work::Work;
use reelmill_graph::{Approval, Graph, NodeKind, OnTimeout};
use reelmill_model::limits::DECISION_BYTES_MAX;
use reelmill_model::{Decision, EventKind, Failure, FailureClass, TaskNo, TaskState};
use serde_json::json;

/// Why a decision was refused. The store is unchanged by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecisionRefused {
    /// There is no such task.
    #[error("there is no such task")]
    NoSuchTask,
    /// The task is no approval, was not reached yet, or was decided already.
    #[error("`{0}` does not wait for an approval: it is {1}")]
    NotWaiting(String, TaskState),
    /// The name or the reason is too long.
    #[error("a name and a reason have at most {DECISION_BYTES_MAX} bytes")]
    TooLong,
}

/// What is asked, when the node asks something.
fn question(graph: &Graph, node: reelmill_model::NodeNo) -> Option<&Approval> {
    match &graph.node(node).kind {
        NodeKind::Approval(approval) => Some(approval),
        NodeKind::Work { .. } | NodeKind::Body { .. } => None,
    }
}

/// The task waits from now on. What the person is told stands in its outputs until there is an answer.
pub fn begin<S: Source>(work: &mut Work<'_, S>, no: TaskNo, message: Option<&str>) -> Result<(), S::Error> {
    let graph = work.graph();
    let (path, task) = (work.path(no)?, work.task(no)?);
    let Some(approval) = question(&graph, task.node) else { return Ok(()) };
    let attempt = task.attempts;
    let until_ms = approval.timeout_ms.map(|ms| work.now_ms.saturating_add(ms));
    let data = json!({ "path": path, "message": message, "roles": approval.roles, "until_ms": until_ms });
    work.task_event(EventKind::TaskAwaits, no, attempt, data);
    let task = work.enter(no, TaskState::Delayed)?;
    task.until_ms = until_ms;
    task.worker = None;
    task.outputs = json!({ "message": message });
    Ok(())
}

/// Ends a task that waits, as a person says.
pub fn decide<S: Source>(
    work: &mut Work<'_, S>,
    no: TaskNo,
    decision: &Decision,
) -> Result<Result<TaskState, DecisionRefused>, S::Error> {
    let graph = work.graph();
    let Some(task) = work.find_task(no)? else { return Ok(Err(DecisionRefused::NoSuchTask)) };
    let state = task.state;
    if state != TaskState::Delayed || question(&graph, task.node).is_none() {
        return Ok(Err(DecisionRefused::NotWaiting(work.path(no)?, state)));
    }
    if json_bytes(&json!([decision.by, decision.reason])) > DECISION_BYTES_MAX {
        return Ok(Err(DecisionRefused::TooLong));
    }
    apply(work, no, decision).map(Ok)
}

/// Ends a task whose time is over.
pub fn timed_out<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    let graph = work.graph();
    let Some(approval) = question(&graph, work.task(no)?.node) else { return Ok(()) };
    let reason = format!("nobody decided within {} ms", approval.timeout_ms.unwrap_or(0));
    let approved = approval.on_timeout == OnTimeout::Approve;
    apply(work, no, &Decision { approved, by: String::new(), reason }).map(|_| ())
}

/// Whether a task waits for a person.
pub fn waits<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<bool, S::Error> {
    let graph = work.graph();
    let task = work.task(no)?;
    Ok(task.state == TaskState::Delayed && question(&graph, task.node).is_some())
}

fn apply<S: Source>(work: &mut Work<'_, S>, no: TaskNo, decision: &Decision) -> Result<TaskState, S::Error> {
    let task = work.task_mut(no)?;
    if decision.approved {
        task.outputs = json!(decision);
        task.failure = None;
        settle::finish(work, no, TaskState::Succeeded)?;
        return Ok(TaskState::Succeeded);
    }
    let who = if decision.by.is_empty() { String::new() } else { format!(" by {}", decision.by) };
    let why = if decision.reason.is_empty() { String::new() } else { format!(": {}", decision.reason) };
    let failure = Failure::new(FailureClass::Permanent, format!("it was rejected{who}{why}"));
    task.failure = Some(Box::new(failure.with_code("rejected").with_detail(json!(decision))));
    settle::finish(work, no, TaskState::Failed)?;
    Ok(TaskState::Failed)
}
