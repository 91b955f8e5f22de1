//! The rows that decisions read and write. Only states and numbers that decisions need, and what readers are
//! told; a store may keep more beside them.
//!
//! Archives keep them as JSON: a field that is added later needs a `serde(default)`.

use crate::edits::Edits;
use crate::transaction::PRIORITY;
use reelmill_graph::Graph;
use reelmill_model::{
    Digest, EventKind, Failure, InstanceNo, InstanceState, NodeNo, Phase, RunId, RunState, ScopeNo,
    SkipReason, TaskNo, TaskState, Token, Usage, WorkerId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the store holds contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damage(pub String);

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its place in the order of submission: the store's own short name for it, and its age.
    pub seq: u64,
    /// Its id.
    pub id: RunId,
    /// Its graph.
    pub graph: Digest,
    /// The batch it belongs to.
    pub batch: Option<String>,
    /// Its priority, 0 to 9: larger goes first. See [`rank`](crate::rank).
    pub priority: u8,
    /// Its state.
    pub state: RunState,
    /// The part of the pipeline it is in.
    pub phase: Phase,
    /// The instance of `on_failure`, once it started. That of the main part is always number 0.
    pub on_failure: Option<InstanceNo>,
    /// The instance of `finally`, once it started.
    pub finally: Option<InstanceNo>,
    /// How far undoing has come, once it started: its items are what undoes one task each, in their order. Their
    /// instances have that task for an owner, and its instance for the one around.
    pub undo: Option<Fan>,
    /// Whether a task of the main part failed that was not allowed to.
    pub failed: bool,
    /// Whether a task of `compensate`, `on_failure` or `finally` did.
    pub cleanup_failed: bool,
    /// What a retry by hand changed of the `with` of its stages.
    pub edits: Edits,
    /// Whether none of its tasks is begun for now.
    pub paused: bool,
    /// Why it was asked to be cancelled.
    pub cancel_reason: Option<String>,
    /// The first failure that made it fail, and the path of its task.
    pub failure: Option<Box<(String, Failure)>>,
    /// When its first task was leased.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Tasks in each state, in the order of `TaskState::ALL`.
    pub counts: [u64; 8],
    /// The number the next task gets; numbers are never used twice.
    pub next_task: u32,
    /// The number the next instance gets.
    pub next_instance: u32,
}

impl RunRow {
    /// A run of ordinary priority that has no task yet.
    #[must_use]
    pub fn new(seq: u64, id: RunId, graph: Digest, batch: Option<String>) -> Self {
        Self {
            seq,
            id,
            graph,
            batch,
            priority: PRIORITY,
            state: RunState::Running,
            phase: Phase::Main,
            on_failure: None,
            finally: None,
            undo: None,
            failed: false,
            cleanup_failed: false,
            edits: Edits::new(),
            paused: false,
            cancel_reason: None,
            failure: None,
            started_ms: None,
            ended_ms: None,
            counts: [0; 8],
            next_task: 0,
            next_instance: 0,
        }
    }
}

/// How far a task that expanded has come with its items, or a run with undoing what was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fan {
    /// The instance of its first item; the others follow without a gap.
    pub first: InstanceNo,
    /// How many items.
    pub items: u32,
    /// No item before this place waits to be started.
    pub next: u32,
    /// Items whose tasks are at work.
    pub running: u32,
    /// Items that ended well.
    pub succeeded: u32,
    /// Items that ended badly.
    pub failed: u32,
    /// The first item that ended badly.
    pub failed_item: Option<InstanceNo>,
    /// Whether no further item is started.
    pub stopped: bool,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskRow {
    /// Its number in the run.
    pub no: TaskNo,
    /// Its node.
    pub node: NodeNo,
    /// The instance it stands in.
    pub instance: InstanceNo,
    /// Its state.
    pub state: TaskState,
    /// Dependencies that have not ended; once expanded, items that have not.
    pub waiting: u32,
    /// Attempts started, released ones not counted.
    pub attempts: u32,
    /// Attempts made before the last retry by hand; they do not use up the retry policy.
    pub spent: u32,
    /// Attempts since then that failed for want of something that the next one was given more of.
    pub escalated: u32,
    /// How often it reached a terminal state.
    pub settled: u32,
    /// The fencing value of its last lease.
    pub token: Token,
    /// Whether its present attempt is no longer wanted.
    pub cancel: bool,
    /// The worker that holds or last held it.
    pub worker: Option<WorkerId>,
    /// Leased: when the lease runs out. Delayed: when it may be leased. Ready: when `timeout.queue` is over.
    pub until_ms: Option<u64>,
    /// When it last became ready.
    pub ready_ms: Option<u64>,
    /// When it was last leased.
    pub leased_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Once expanded: its items.
    pub fan: Option<Fan>,
    /// Sum over its attempts; the peak of memory is the largest.
    pub usage: Usage,
    /// Whether its outputs came from the result cache.
    pub cached: bool,
    /// What it put out.
    pub outputs: Value,
    /// Its last failure.
    pub failure: Option<Box<Failure>>,
    /// Why it was skipped.
    pub skipped: Option<Box<SkipReason>>,
}

impl TaskRow {
    /// A task that waits for `waiting` others.
    #[must_use]
    pub fn new(no: TaskNo, node: NodeNo, instance: InstanceNo, waiting: u32) -> Self {
        Self {
            no,
            node,
            instance,
            state: TaskState::Pending,
            waiting,
            attempts: 0,
            spent: 0,
            escalated: 0,
            settled: 0,
            token: Token(0),
            cancel: false,
            worker: None,
            until_ms: None,
            ready_ms: None,
            leased_ms: None,
            ended_ms: None,
            fan: None,
            usage: Usage::default(),
            cached: false,
            outputs: Value::Null,
            failure: None,
            skipped: None,
        }
    }

    /// Adds what an attempt cost.
    pub fn charge(&mut self, usage: &Usage) {
        self.usage.cpu_ms = self.usage.cpu_ms.saturating_add(usage.cpu_ms);
        self.usage.execute_ms = self.usage.execute_ms.saturating_add(usage.execute_ms);
        self.usage.store_ms = self.usage.store_ms.saturating_add(usage.store_ms);
        self.usage.rss_peak_bytes = self.usage.rss_peak_bytes.max(usage.rss_peak_bytes);
    }
}

/// One copy of a scope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceRow {
    /// Its number in the run.
    pub no: InstanceNo,
    /// The scope it is a copy of.
    pub scope: ScopeNo,
    /// The instance around it; none for a part of the pipeline.
    pub outer: Option<InstanceNo>,
    /// The task that expanded into it, or that it undoes; none for a part of the pipeline.
    pub owner: Option<TaskNo>,
    /// Its place in the fan-out, from 0.
    pub index: u32,
    /// Its key; empty for a group and for a part of the pipeline.
    pub key: String,
    /// What `item` or `matrix` is.
    pub value: Value,
    /// Its state.
    pub state: InstanceState,
    /// Its tasks that have not ended.
    pub open: u32,
    /// The number of its first task; the others follow in the order of `Scope::nodes`. None before it starts.
    pub first_task: Option<TaskNo>,
    /// The first of its tasks that failed and was not allowed to.
    pub failed_by: Option<TaskNo>,
    /// Whether one of its tasks was cancelled.
    pub cancelled: bool,
}

impl InstanceRow {
    /// The number of the task of a node of its scope; none before it starts.
    #[must_use]
    pub fn task_of(&self, graph: &Graph, node: NodeNo) -> Option<TaskNo> {
        let node = graph.node(node);
        let first = self.first_task?;
        (node.scope == self.scope).then(|| TaskNo(first.0 + node.offset))
    }
}

/// A fact for the event log.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// What happened.
    pub kind: EventKind,
    /// The task it is about.
    pub task: Option<TaskNo>,
    /// The attempt it is about.
    pub attempt: Option<u32>,
    /// What belongs to it.
    pub data: Value,
}
