//! The end of an attempt: which state follows, and what that unlocks.

use crate::policy;
use crate::rows::TaskRow;
use crate::transaction::Source;
use crate::work::Work;
use crate::{approval, compensate, expand, phase};
use reelmill_graph::{Node, NodeKind, ScopeKind};
use reelmill_model::limits::{DECISION_BYTES_MAX, PAYLOAD_BYTES_MAX};
use reelmill_model::{
    EventKind, Failure, FailureClass, InstanceNo, InstanceState, Outcome, TaskNo, TaskState, Token, Usage,
};
use serde_json::{Map, Value, json};

/// Why a settle was refused. The store is unchanged by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The token is not that of the task's present lease: the lease ran out and someone else has it, or it was
    /// settled already.
    #[error("the lease is no longer held")]
    StaleToken,
    /// There is no such task.
    #[error("there is no such task")]
    NoSuchTask,
    /// The outcome does not fit the task (`Expand` of a node without a body, payload over its limit …).
    #[error("the outcome does not fit the task")]
    BadOutcome,
}

/// Settles an attempt as a worker reports it.
pub fn attempt<S: Source>(
    work: &mut Work<'_, S>,
    no: TaskNo,
    token: Token,
    outcome: Outcome,
    usage: &Usage,
) -> Result<Result<TaskState, Rejected>, S::Error> {
    let graph = work.graph();
    let Some(task) = work.find_task(no)? else { return Ok(Err(Rejected::NoSuchTask)) };
    if task.state != TaskState::Leased || task.token != token {
        return Ok(Err(Rejected::StaleToken));
    }
    if !fits(graph.node(task.node), &outcome) {
        return Ok(Err(Rejected::BadOutcome));
    }
    work.task_mut(no)?.charge(usage);
    apply(work, no, outcome)?;
    Ok(Ok(work.task(no)?.state))
}

/// Settles an attempt whose lease ran out.
pub fn expire<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    apply(work, no, Outcome::LeaseExpired)
}

fn fits(node: &Node, outcome: &Outcome) -> bool {
    match (outcome, &node.kind) {
        (Outcome::Succeeded { outputs, .. }, NodeKind::Work { .. }) => {
            json_bytes(outputs) <= PAYLOAD_BYTES_MAX
        }
        (Outcome::Await { message }, NodeKind::Approval(_)) => {
            message.as_ref().is_none_or(|message| message.len() <= DECISION_BYTES_MAX)
        }
        (Outcome::Expand { items }, NodeKind::Body { of, fan_out, .. }) => expand::fits(of, fan_out, items),
        (
            Outcome::Succeeded { .. }
            | Outcome::Expand { .. }
            | Outcome::Await { .. }
            | Outcome::Parked
            | Outcome::LeaseExpired,
            _,
        ) => false,
        (Outcome::Failed(_) | Outcome::Skipped(_) | Outcome::Cancelled | Outcome::Released, _) => true,
    }
}

/// Bytes a value takes as JSON.
pub fn json_bytes(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // A value in memory always has a JSON form; if it had none it would be too large for any limit.
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}

fn apply<S: Source>(work: &mut Work<'_, S>, no: TaskNo, outcome: Outcome) -> Result<(), S::Error> {
    let unwanted = work.task(no)?.cancel;
    match outcome {
        Outcome::Succeeded { outputs, cached } => {
            let task = work.task_mut(no)?;
            task.outputs = outputs;
            task.cached = cached;
            task.failure = None;
            finish(work, no, TaskState::Succeeded)
        }
        Outcome::Skipped(reason) => {
            work.task_mut(no)?.skipped = Some(Box::new(reason));
            finish(work, no, TaskState::Skipped)
        }
        Outcome::Cancelled => finish(work, no, TaskState::Cancelled),
        Outcome::Failed(failure) if unwanted => {
            work.task_mut(no)?.failure = Some(Box::new(failure));
            finish(work, no, TaskState::Cancelled)
        }
        Outcome::Expand { .. } | Outcome::Await { .. } | Outcome::Released | Outcome::LeaseExpired
            if unwanted =>
        {
            finish(work, no, TaskState::Cancelled)
        }
        Outcome::Failed(failure) => failed(work, no, failure),
        Outcome::Expand { items } => expand::expand(work, no, items),
        Outcome::Await { message } => approval::begin(work, no, message.as_deref()),
        // Refused before: nothing fits it.
        Outcome::Parked => Ok(()),
        Outcome::Released => release(work, no),
        Outcome::LeaseExpired => lost(work, no),
    }
}

/// The worker gave the task back: it is as if it had never been leased, but for the token.
fn release<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    let task = work.task_mut(no)?;
    let attempt = task.attempts;
    task.attempts = attempt.saturating_sub(1);
    work.task_event(EventKind::TaskReleased, no, attempt, Value::Null);
    work.ready(no)
}

fn lost<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    let graph = work.graph();
    let task = work.task(no)?;
    let attempts = task.attempts;
    let tried = attempts - task.spent;
    let again = policy::survives_loss(graph.node(task.node), tried);
    let worker = task.worker.as_ref().map_or("a worker", |worker| worker.0.as_str());
    let message = format!("{worker} stopped answering while it held the task");
    let failure = Failure::new(FailureClass::WorkerLost, message);
    let data = json!({ "failure": failure });
    work.task_mut(no)?.failure = Some(Box::new(failure));
    work.task_event(EventKind::TaskLeaseExpired, no, attempts, data);
    if again { work.ready(no) } else { finish(work, no, TaskState::Failed) }
}

fn failed<S: Source>(work: &mut Work<'_, S>, no: TaskNo, failure: Failure) -> Result<(), S::Error> {
    let graph = work.graph();
    let task = work.task(no)?;
    let node = graph.node(task.node);
    let attempts = task.attempts;
    let tried = attempts - task.spent;
    if !policy::tries_again(node, failure.class, tried) {
        work.task_mut(no)?.failure = Some(Box::new(failure));
        return finish(work, no, TaskState::Failed);
    }
    let wants = failure.class.is_want() && !node.settings.retry.escalate.is_empty();
    work.task_mut(no)?.escalated += u32::from(wants);
    let delay_ms = policy::delay_ms(&node.settings.retry, tried, &failure, work.dice);
    let path = work.path(no)?;
    let data = json!({ "path": path, "failure": failure, "delay_ms": delay_ms });
    work.task_event(EventKind::TaskRetried, no, attempts, data);
    work.task_mut(no)?.failure = Some(Box::new(failure));
    if delay_ms == 0 {
        return work.ready(no);
    }
    let due_ms = work.now_ms.saturating_add(delay_ms);
    work.enter(no, TaskState::Delayed)?.until_ms = Some(due_ms);
    Ok(())
}

/// Ends a ready task that no worker took in time.
pub fn queue_timeout<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    let graph = work.graph();
    let settings = &graph.node(work.task(no)?.node).settings;
    let (queue, limit) = (&settings.queue, settings.timeout.queue_ms.unwrap_or(0));
    let message = format!(
        "no worker of queue `{queue}` took the task within {limit} ms (`timeout.queue`); \
         start a worker for that queue or raise the limit"
    );
    let failure = Failure::new(FailureClass::Timeout, message).with_code("queue_timeout");
    work.task_mut(no)?.failure = Some(Box::new(failure));
    finish(work, no, TaskState::Failed)
}

/// Ends a task and does what follows: dependents, instance, fan-out, part, run.
pub fn finish<S: Source>(work: &mut Work<'_, S>, no: TaskNo, state: TaskState) -> Result<(), S::Error> {
    end_task(work, no, state)?;
    unlock(work, no)?;
    let graph = work.graph();
    let task = work.task(no)?;
    let (instance, allowed) = (task.instance, graph.node(task.node).settings.allow_failure);
    let broke = state == TaskState::Failed && !allowed;
    let row = work.instance_mut(instance)?;
    row.open -= 1;
    if broke && row.failed_by.is_none() {
        row.failed_by = Some(no);
    }
    let part = row.owner.is_none();
    if broke && part {
        phase::note_failure(work, no)?;
    }
    end_if_over(work, instance)
}

/// Writes a task's end, without what follows from it.
pub fn end_task<S: Source>(work: &mut Work<'_, S>, no: TaskNo, state: TaskState) -> Result<(), S::Error> {
    let now_ms = work.now_ms;
    let task = work.enter(no, state)?;
    task.ended_ms = Some(now_ms);
    task.settled += 1;
    task.cancel = false;
    if state != TaskState::Succeeded {
        // An approval that waited has its question there.
        task.outputs = Value::Null;
    }
    let (instance, attempt) = (task.instance, task.attempts);
    let mut data = ending(task);
    if state == TaskState::Cancelled {
        work.instance_mut(instance)?.cancelled = true;
    }
    data.insert("path".into(), work.path(no)?.into());
    work.task_event(EventKind::TaskSettled, no, attempt, Value::Object(data));
    Ok(())
}

fn ending(task: &TaskRow) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("state".into(), task.state.word().into());
    if task.cached {
        data.insert("cached".into(), true.into());
    }
    if task.usage != Usage::default() {
        data.insert("usage".into(), json!(task.usage));
    }
    if let Some(failure) = &task.failure {
        data.insert("failure".into(), json!(failure));
    }
    if let Some(reason) = &task.skipped {
        data.insert("skipped".into(), json!(reason));
    }
    data
}

/// Tells the tasks that wait for this one.
fn unlock<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    let graph = work.graph();
    let task = work.task(no)?;
    let (instance, node) = (task.instance, graph.node(task.node));
    for dependent in &node.dependents {
        let waiter = work.task_of(instance, graph.node(*dependent))?;
        // A cancelled dependent waits for nothing any more.
        if work.task(waiter)?.state != TaskState::Pending {
            continue;
        }
        let row = work.task_mut(waiter)?;
        row.waiting -= 1;
        if row.waiting == 0 {
            work.ready(waiter)?;
        }
    }
    Ok(())
}

/// Ends an instance whose tasks have all ended.
pub fn end_if_over<S: Source>(work: &mut Work<'_, S>, no: InstanceNo) -> Result<(), S::Error> {
    let row = work.instance(no)?;
    if row.open > 0 || row.state != InstanceState::Running {
        return Ok(());
    }
    let state = verdict(row.failed_by.is_some(), row.cancelled);
    let (owner, scope) = (row.owner, row.scope);
    work.instance_mut(no)?.state = state;
    match owner {
        _ if work.graph().scope(scope).kind == ScopeKind::Compensate => compensate::ended(work, no),
        Some(task) => expand::item_ended(work, task, no),
        None => phase::part_ended(work, state),
    }
}

fn verdict(failed: bool, cancelled: bool) -> InstanceState {
    match (failed, cancelled) {
        (true, _) => InstanceState::Failed,
        (false, true) => InstanceState::Cancelled,
        (false, false) => InstanceState::Succeeded,
    }
}
