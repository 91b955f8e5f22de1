//! Ownership of tasks: leased to a worker for a time, extended by heartbeats.

use crate::rows::{Damage, RunRow};
use crate::transaction::Source;
use crate::work::Work;
use reelmill_model::{
    Digest, EventKind, InstanceNo, NodeNo, RunId, TaskNo, TaskRef, TaskState, Token, WorkerId,
};
use serde_json::{Map, Value, json};

/// A task handed to a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Leased {
    /// Which task.
    pub task: TaskRef,
    /// The lease's token.
    pub token: Token,
    /// Its number of the attempt, from 1.
    pub attempt: u32,
    /// How many attempts failed for want of something that this one is given more of (`Retry::escalate`).
    pub escalated: u32,
    /// What a retry by hand changed of its `with`.
    pub edit: Map<String, Value>,
    /// The graph of its run.
    pub graph: Digest,
    /// Its node.
    pub node: NodeNo,
    /// Whether it stood in a light lane (`Node::lane`).
    pub light: bool,
    /// The instance it stands in.
    pub instance: InstanceNo,
    /// Item of the instance and of those around it, innermost first; empty in the main body.
    pub items: Vec<Lease>,
    /// Instances from the task's own outward to the main body's, which is always last: what `Read::levels_up`
    /// counts along. For a task of `finally`: its own, then the main body's.
    pub chain: Vec<InstanceNo>,
    /// States of the nodes it waits for, in the order of `Node::deps`.
    pub deps: Vec<TaskState>,
}

/// Convenience for callers that hold a bare number.
impl Leased {
    /// The task's number.
    #[must_use]
    pub fn no(&self) -> TaskNo {
        self.task.task
    }
}

/// Whose tasks a worker takes. `reelmill run` works for its own run or batch and lets others lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Only {
    /// Of any run.
    #[default]
    Any,
    /// Of this run.
    Run(RunId),
    /// Of the runs of this batch.
    Batch(String),
}

impl Only {
    /// Whether a run is among them.
    #[must_use]
    pub fn includes(&self, run: &RunRow) -> bool {
        match self {
            Self::Any => true,
            Self::Run(id) => run.id == *id,
            Self::Batch(batch) => run.batch.as_ref() == Some(batch),
        }
    }
}

/// One level of items around a leased task.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// The instance.
    pub instance: InstanceNo,
    /// The item's place in its fan-out, from 0.
    pub index: u32,
    /// The item's key.
    pub key: String,
    /// What `item` or `matrix` is; null for a group.
    pub value: Value,
}

/// What a heartbeat learns of one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeatOutcome {
    /// It was extended.
    Kept,
    /// It was extended, but the attempt is no longer wanted.
    Cancelled,
    /// Someone else has it, or it was settled.
    Lost,
}

/// Leases a task if it is still ready.
pub fn take<S: Source>(
    work: &mut Work<'_, S>,
    no: TaskNo,
    worker: &WorkerId,
    lease_ms: u64,
) -> Result<Option<Leased>, S::Error> {
    if work.find_task(no)?.is_none_or(|task| task.state != TaskState::Ready) {
        return Ok(None);
    }
    let now_ms = work.now_ms;
    let task = work.enter(no, TaskState::Leased)?;
    task.attempts += 1;
    task.token.0 += 1;
    task.cancel = false;
    task.worker = Some(worker.clone());
    task.leased_ms = Some(now_ms);
    task.until_ms = Some(now_ms.saturating_add(lease_ms));
    let attempt = task.attempts;
    if work.run().started_ms.is_none() {
        work.run_mut().started_ms = Some(now_ms);
    }
    work.task_event(EventKind::TaskLeased, no, attempt, json!({ "worker": worker }));
    describe(work, no)
}

/// What the worker of a leased task is told; none when it is not leased.
pub fn describe<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<Option<Leased>, S::Error> {
    let Some(task) = work.find_task(no)?.filter(|task| task.state == TaskState::Leased) else {
        return Ok(None);
    };
    let (token, attempt, node, instance) = (task.token, task.attempts, task.node, task.instance);
    let escalated = task.escalated;
    let light = work.graph().node(node).is_light();
    let (items, chain) = surroundings(work, instance)?;
    let deps = dep_states(work, node, instance)?;
    let run = work.run();
    let task = TaskRef { run: run.id, task: no };
    let (graph, edit) = (run.graph, run.edits.get(&node).cloned().unwrap_or_default());
    Ok(Some(Leased {
        task,
        token,
        attempt,
        escalated,
        edit,
        graph,
        node,
        light,
        instance,
        items,
        chain,
        deps,
    }))
}

/// The main body's instance, in every run.
const MAIN: InstanceNo = InstanceNo(0);

/// The items around an instance, and the instances themselves, innermost first.
fn surroundings<S: Source>(
    work: &mut Work<'_, S>,
    instance: InstanceNo,
) -> Result<(Vec<Lease>, Vec<InstanceNo>), S::Error> {
    let mut items = Vec::new();
    let mut chain = Vec::new();
    let mut here = Some(instance);
    while let Some(no) = here {
        let row = work.instance(no)?;
        here = row.outer;
        chain.push(no);
        if row.owner.is_some() {
            let (key, value) = (row.key.clone(), row.value.clone());
            items.push(Lease { instance: no, index: row.index, key, value });
        }
    }
    if chain.last() != Some(&MAIN) {
        chain.push(MAIN);
    }
    Ok((items, chain))
}

fn dep_states<S: Source>(
    work: &mut Work<'_, S>,
    node: NodeNo,
    instance: InstanceNo,
) -> Result<Vec<TaskState>, S::Error> {
    let graph = work.graph();
    let mut states = Vec::with_capacity(graph.node(node).deps.len());
    for dep in &graph.node(node).deps {
        let upstream = work.task_of(instance, graph.node(dep.node))?;
        let state = work.task(upstream)?.state;
        // Invariant: a task is ready only when all it waits for has ended.
        if !state.is_terminal() {
            return Err(Damage(format!("a leased task waits for task {upstream}, which is {state}")).into());
        }
        states.push(state);
    }
    Ok(states)
}

/// Extends a lease.
pub fn beat<S: Source>(
    work: &mut Work<'_, S>,
    no: TaskNo,
    token: Token,
    lease_ms: u64,
) -> Result<BeatOutcome, S::Error> {
    let until = work.now_ms.saturating_add(lease_ms);
    match work.find_task(no)? {
        Some(task) if task.state == TaskState::Leased && task.token == token => {}
        _ => return Ok(BeatOutcome::Lost),
    }
    let task = work.task_mut(no)?;
    task.until_ms = Some(until);
    Ok(if task.cancel { BeatOutcome::Cancelled } else { BeatOutcome::Kept })
}
