//! Fan-outs: a task becomes items, they run some at a time, and their ends settle the task without a lease.

use crate::rows::{Fan, InstanceRow};
use crate::settle::{self, json_bytes};
use crate::transaction::Source;
use crate::work::Work;
use crate::{cancel, start};
use reelmill_graph::{BodyKind, FanOut, ItemFailure, MinSuccess, Node, NodeKind};
use reelmill_model::limits::{FAN_OUT_MAX, ITEM_KEY_BYTES_MAX, PAYLOAD_BYTES_MAX};
use reelmill_model::{
    EventKind, Failure, FailureClass, InstanceNo, InstanceState, Item, ScopeNo, TaskNo, TaskState,
};
use serde_json::json;
use std::collections::HashSet;

/// Whether these items keep to the limits and rules of the body.
pub fn fits(of: &BodyKind, fan_out: &FanOut, items: &[Item]) -> bool {
    if of.is_one() {
        let small = |only: &Item| json_bytes(&only.value) <= PAYLOAD_BYTES_MAX;
        return matches!(items, [only] if only.key.is_empty() && small(only));
    }
    let mut keys = HashSet::with_capacity(items.len());
    items.len() <= FAN_OUT_MAX.min(fan_out.max_items as usize)
        && items.iter().all(|item| {
            !item.key.is_empty()
                && item.key.len() <= ITEM_KEY_BYTES_MAX
                && json_bytes(&item.value) <= PAYLOAD_BYTES_MAX
                && keys.insert(item.key.as_str())
        })
}

/// The body of a node; none for one that works.
fn body(node: &Node) -> Option<(ScopeNo, &FanOut)> {
    match &node.kind {
        NodeKind::Body { scope, fan_out, .. } => Some((*scope, fan_out)),
        NodeKind::Work { .. } | NodeKind::Approval(_) => None,
    }
}

/// Turns a leased task into its items.
pub fn expand<S: Source>(work: &mut Work<'_, S>, no: TaskNo, items: Vec<Item>) -> Result<(), S::Error> {
    let graph = work.graph();
    let task = work.task(no)?;
    let (outer, attempt) = (task.instance, task.attempts);
    let Some((scope, _)) = body(graph.node(task.node)) else { return Ok(()) };
    let count = u32::try_from(items.len()).unwrap_or(u32::MAX);
    let first = InstanceNo(work.run().next_instance);
    for (index, item) in (0..).zip(items) {
        work.add_instance(|instance| InstanceRow {
            no: instance,
            scope,
            outer: Some(outer),
            owner: Some(no),
            index,
            key: item.key,
            value: item.value,
            state: InstanceState::Waiting,
            open: 0,
            first_task: None,
            failed_by: None,
            cancelled: false,
        });
    }
    work.task_event(EventKind::TaskExpanded, no, attempt, json!({ "items": count }));
    let row = work.enter(no, TaskState::Pending)?;
    row.failure = None;
    row.waiting = count;
    row.fan = Some(Fan {
        first,
        items: count,
        next: 0,
        running: 0,
        succeeded: 0,
        failed: 0,
        failed_item: None,
        stopped: false,
    });
    start_items(work, no)
}

/// Starts waiting items as far as `max_parallel` allows, and settles the task when none is open.
pub fn start_items<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    let graph = work.graph();
    let node = work.task(no)?.node;
    let at_once = body(graph.node(node)).and_then(|(_, fan_out)| fan_out.max_parallel).unwrap_or(u32::MAX);
    loop {
        let Some(fan) = work.task(no)?.fan.filter(|fan| !fan.stopped) else { break };
        if fan.next >= fan.items || fan.running >= at_once.max(1) {
            break;
        }
        let item = InstanceNo(fan.first.0 + fan.next);
        let waits = work.instance(item)?.state == InstanceState::Waiting;
        update(work, no, |fan| {
            fan.next += 1;
            fan.running += u32::from(waits);
        })?;
        if waits {
            start::instance(work, item)?;
            // An empty body is over at once; it is counted here, because going through `item_ended` would
            // recurse once for every item.
            let row = work.instance(item)?;
            if row.open == 0 && row.state == InstanceState::Running {
                work.instance_mut(item)?.state = InstanceState::Succeeded;
                count(work, no, InstanceState::Succeeded)?;
            }
        }
    }
    settle_if_over(work, no)
}

fn update<S: Source>(
    work: &mut Work<'_, S>,
    no: TaskNo,
    change: impl FnOnce(&mut Fan),
) -> Result<(), S::Error> {
    if let Some(fan) = &mut work.task_mut(no)?.fan {
        change(fan);
    }
    Ok(())
}

fn count<S: Source>(work: &mut Work<'_, S>, no: TaskNo, state: InstanceState) -> Result<(), S::Error> {
    work.task_mut(no)?.waiting -= 1;
    update(work, no, |fan| {
        fan.running -= 1;
        match state {
            InstanceState::Succeeded => fan.succeeded += 1,
            InstanceState::Failed => fan.failed += 1,
            _ => {}
        }
    })
}

/// Goes on after an item whose tasks have all ended.
pub fn item_ended<S: Source>(work: &mut Work<'_, S>, no: TaskNo, item: InstanceNo) -> Result<(), S::Error> {
    let graph = work.graph();
    let state = work.instance(item)?.state;
    count(work, no, state)?;
    if state == InstanceState::Failed {
        keep_first_failure(work, no, item)?;
        let stopped = work.task(no)?.fan.is_some_and(|fan| fan.stopped);
        let node = graph.node(work.task(no)?.node);
        let fail_fast = body(node).is_some_and(|(_, fan)| fan.on_item_failure == ItemFailure::FailFast);
        if fail_fast && !stopped {
            return stop(work, no);
        }
    }
    start_items(work, no)
}

/// Stops a fan-out: items that wait are cancelled, and so are the tasks of those that run.
///
/// The ends of the items come back through [`item_ended`], and the last of them settles the task.
pub fn stop<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    let Some(fan) = work.task(no)?.fan else { return Ok(()) };
    update(work, no, |fan| fan.stopped = true)?;
    for offset in 0..fan.items {
        let item = InstanceNo(fan.first.0 + offset);
        match work.instance(item)?.state {
            InstanceState::Waiting => {
                work.instance_mut(item)?.state = InstanceState::Cancelled;
                work.task_mut(no)?.waiting -= 1;
                cancel::tasks_of_waiting(work, item)?;
            }
            InstanceState::Running => cancel::instance(work, item)?,
            InstanceState::Succeeded | InstanceState::Failed | InstanceState::Cancelled => {}
        }
    }
    settle_if_over(work, no)
}

/// Keeps the failure of the first item that failed as that of the fan-out.
fn keep_first_failure<S: Source>(
    work: &mut Work<'_, S>,
    no: TaskNo,
    item: InstanceNo,
) -> Result<(), S::Error> {
    let graph = work.graph();
    let row = work.instance(item)?;
    let (key, group, failed_by) = (row.key.clone(), row.key.is_empty(), row.failed_by);
    let Some(cause) = failed_by else { return Ok(()) };
    if work.task(no)?.fan.is_none_or(|fan| fan.failed_item.is_some()) {
        return Ok(());
    }
    update(work, no, |fan| fan.failed_item = Some(item))?;
    let task = work.task(cause)?;
    let stage = &graph.node(task.node).name;
    let Some(mut failure) = task.failure.as_deref().cloned() else { return Ok(()) };
    failure.message = if group {
        format!("stage `{stage}`: {}", failure.message)
    } else {
        format!("item `{key}`: {}", failure.message)
    };
    work.task_mut(no)?.failure = Some(Box::new(failure));
    Ok(())
}

/// Settles a task whose items have all ended.
fn settle_if_over<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<(), S::Error> {
    let graph = work.graph();
    let task = work.task(no)?;
    let (TaskState::Pending, 0, Some(fan)) = (task.state, task.waiting, task.fan) else { return Ok(()) };
    let node = graph.node(task.node);
    let state = if task.cancel { TaskState::Cancelled } else { judge(node, &fan) };
    match state {
        TaskState::Succeeded => work.task_mut(no)?.failure = None,
        TaskState::Failed => explain(work, no, node, &fan)?,
        _ => {}
    }
    settle::finish(work, no, state)
}

/// How many items must succeed.
fn needed(fan_out: &FanOut, items: u32) -> u32 {
    match (fan_out.on_item_failure, fan_out.min_success) {
        (ItemFailure::FailFast, _) => items,
        (ItemFailure::Continue, MinSuccess::Count(count)) => count.min(items),
        (ItemFailure::Continue, MinSuccess::Ratio(ratio)) => {
            // The smallest count that is at least the ratio, found without rounding a float to an integer.
            (0..=items).find(|n| f64::from(*n) >= ratio * f64::from(items) - 1e-9).unwrap_or(items)
        }
    }
}

fn judge(node: &Node, fan: &Fan) -> TaskState {
    let need = body(node).map_or(fan.items, |(_, fan_out)| needed(fan_out, fan.items));
    if fan.succeeded >= need {
        TaskState::Succeeded
    } else if fan.failed > 0 {
        TaskState::Failed
    } else {
        TaskState::Cancelled
    }
}

/// With `continue`, says how many items failed and how many had to succeed.
fn explain<S: Source>(work: &mut Work<'_, S>, no: TaskNo, node: &Node, fan: &Fan) -> Result<(), S::Error> {
    let Some((_, fan_out)) = body(node) else { return Ok(()) };
    if fan_out.on_item_failure == ItemFailure::FailFast {
        return Ok(());
    }
    let need = needed(fan_out, fan.items);
    let first = work.task_mut(no)?.failure.take();
    let mut failure =
        first.unwrap_or_else(|| Box::new(Failure::new(FailureClass::Permanent, "no failure was kept")));
    failure.message = format!(
        "{} of {} items succeeded, {need} had to; first failure: {}",
        fan.succeeded, fan.items, failure.message
    );
    work.task_mut(no)?.failure = Some(failure);
    Ok(())
}
