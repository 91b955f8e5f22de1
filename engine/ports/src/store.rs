//! What readers ask of a store: runs, tasks, items, graphs, events, logs.

use crate::error::StoreError;
use crate::queue::NewRun;
use async_trait::async_trait;
use reelmill_graph::Graph;
use reelmill_lifecycle::{Edits, InstanceRow, RunRow, TaskRow, limits};
use reelmill_model::{
    Digest, Event, EventKind, Failure, InstanceNo, InstanceState, NodeNo, Parked, Phase, RunId, RunState,
    Severity, SkipReason, TaskNo, TaskRef, TaskState, Usage, WorkerId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A run as readers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// What was submitted.
    pub new: NewRun,
    /// Its state.
    pub state: RunState,
    /// The part of the pipeline it is in.
    pub phase: Phase,
    /// Whether a task of its main part failed that was not allowed to.
    pub failed: bool,
    /// What a retry by hand changed of the `with` of its stages.
    #[serde(default)]
    pub edits: Edits,
    /// Whether none of its tasks is begun for now.
    #[serde(default)]
    pub paused: bool,
    /// Whether someone asked for it to be cancelled, and why.
    pub cancel_reason: Option<String>,
    /// The first failure that made it fail: path of the task and the failure.
    pub failure: Option<(String, Failure)>,
    /// When its first task was leased, in milliseconds since the epoch.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Tasks in each state, in the order of `TaskState::ALL`.
    pub counts: [u64; 8],
}

impl RunView {
    /// A run's row and what was submitted.
    #[must_use]
    pub fn of(row: RunRow, new: NewRun) -> Self {
        Self {
            new,
            state: row.state,
            phase: row.phase,
            failed: row.failed,
            edits: row.edits,
            paused: row.paused,
            cancel_reason: row.cancel_reason,
            failure: row.failure.map(|failure| *failure),
            started_ms: row.started_ms,
            ended_ms: row.ended_ms,
            counts: row.counts,
        }
    }
}

/// A task as readers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// Which.
    pub task: TaskNo,
    /// Its node.
    pub node: NodeNo,
    /// The instance it stands in.
    pub instance: InstanceNo,
    /// Names and item keys from the outside in: `scene[s3].clip`.
    pub path: String,
    /// Its state.
    pub state: TaskState,
    /// Dependencies, or items, that have not ended.
    pub waiting: u32,
    /// Attempts started; a released one does not count.
    pub attempts: u32,
    /// Attempts that failed for want of something that the next one was given more of.
    pub escalated: u32,
    /// How often it was settled into a terminal state; more than once only after a retry by hand.
    pub settled: u32,
    /// The worker that holds it or held it last.
    pub worker: Option<WorkerId>,
    /// What it put out; null for a node with a body.
    pub outputs: Value,
    /// Whether the outputs came from the result cache.
    pub cached: bool,
    /// Its last failure; also of an attempt that is tried again.
    pub failure: Option<Failure>,
    /// Why it was skipped.
    pub skipped: Option<SkipReason>,
    /// Sum over its attempts.
    pub usage: Usage,
    /// When it became ready, was first leased, and ended, in milliseconds since the epoch.
    pub ready_ms: Option<u64>,
    /// When its last attempt was leased.
    pub leased_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// When a delayed task may be leased again.
    pub due_ms: Option<u64>,
    /// The limit that a delayed task waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<Parked>,
}

impl TaskView {
    /// A task's row and its path.
    #[must_use]
    pub fn of(row: TaskRow, path: String) -> Self {
        let parked = limits::parked(&row);
        Self {
            outputs: if parked.is_some() { Value::Null } else { row.outputs },
            parked,
            task: row.no,
            node: row.node,
            instance: row.instance,
            path,
            state: row.state,
            waiting: row.waiting,
            attempts: row.attempts,
            escalated: row.escalated,
            settled: row.settled,
            worker: row.worker,
            cached: row.cached,
            failure: row.failure.map(|failure| *failure),
            skipped: row.skipped.map(|reason| *reason),
            usage: row.usage,
            ready_ms: row.ready_ms,
            leased_ms: row.leased_ms,
            ended_ms: row.ended_ms,
            due_ms: row.until_ms.filter(|_| row.state == TaskState::Delayed),
        }
    }
}

/// One item of a fan-out, as readers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceView {
    /// Which.
    pub instance: InstanceNo,
    /// Its place in the fan-out, from 0.
    pub index: u32,
    /// Its key.
    pub key: String,
    /// What `item` or `matrix` is.
    pub value: Value,
    /// Its state.
    pub state: InstanceState,
    /// The tasks asked for, in the order of the nodes asked for; empty while it waits.
    pub tasks: Vec<TaskView>,
}

impl InstanceView {
    /// An instance's row, without tasks.
    #[must_use]
    pub fn of(row: InstanceRow) -> Self {
        Self {
            instance: row.no,
            index: row.index,
            key: row.key,
            value: row.value,
            state: row.state,
            tasks: Vec::new(),
        }
    }
}

/// Which runs a listing wants. Newest first.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// Only in these states; empty means all.
    pub states: Vec<RunState>,
    /// Only of this pipeline name.
    pub name: Option<String>,
    /// Only of this batch.
    pub batch: Option<String>,
    /// Only older than this run (keyset).
    pub before: Option<RunId>,
    /// At most so many; capped at `limits::PAGE_ROWS_MAX`.
    pub limit: usize,
}

/// Which tasks of a run a listing wants. In the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// Only in these states; empty means all.
    pub states: Vec<TaskState>,
    /// Only of these nodes; empty means all.
    pub nodes: Vec<NodeNo>,
    /// Only after this task (keyset).
    pub after: Option<TaskNo>,
    /// At most so many; capped at `limits::PAGE_ROWS_MAX`.
    pub limit: usize,
}

/// Reading runs, tasks and graphs.
#[async_trait]
pub trait RunStore: Send + Sync {
    /// Keeps a graph. The same digest again changes nothing.
    async fn put_graph(&self, digest: Digest, graph: Arc<Graph>) -> Result<(), StoreError>;

    /// The graph of a digest.
    async fn graph(&self, digest: Digest) -> Result<Arc<Graph>, StoreError>;

    /// One run.
    async fn run(&self, id: RunId) -> Result<Option<RunView>, StoreError>;

    /// What was submitted as a run. It never changes, so a store may answer from memory.
    async fn submitted(&self, id: RunId) -> Result<Option<Arc<NewRun>>, StoreError> {
        Ok(self.run(id).await?.map(|run| Arc::new(run.new)))
    }

    /// Runs, newest first.
    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunView>, StoreError>;

    /// The same without those of an archive: what there is to show while the archive is away.
    async fn live_runs(&self, filter: RunFilter) -> Result<Vec<RunView>, StoreError> {
        self.runs(filter).await
    }

    /// Tasks of a run, in the order of their numbers.
    async fn tasks(&self, run: RunId, filter: TaskFilter) -> Result<Vec<TaskView>, StoreError>;

    /// The tasks of these nodes in one instance, in the order of the nodes; none where it does not exist.
    async fn instance_tasks(
        &self,
        run: RunId,
        instance: InstanceNo,
        nodes: &[NodeNo],
    ) -> Result<Vec<Option<TaskView>>, StoreError>;

    /// The items a task expanded into, in their order, each with its tasks of these nodes.
    async fn items(&self, task: TaskRef, nodes: &[NodeNo]) -> Result<Vec<InstanceView>, StoreError>;

    /// Deletes an ended run and everything that belongs to it. `false` when there is none or it has not ended.
    async fn delete_run(&self, id: RunId) -> Result<bool, StoreError>;
}

/// One line of a stage's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// How much it matters.
    pub severity: Severity,
    /// Its text, without the end of line, at most `limits::LOG_LINE_BYTES_MAX`.
    pub text: String,
}

/// Which events a reader wants.
#[derive(Clone, Debug, Default)]
pub struct EventQuery {
    /// Only of this run.
    pub run: Option<RunId>,
    /// Only of this task.
    pub task: Option<TaskNo>,
    /// Only of these kinds; empty means all but logs and progress.
    pub kinds: Vec<EventKind>,
    /// Only after this cursor.
    pub after: u64,
    /// At most so many.
    pub limit: usize,
}

/// The event log: what the store's transitions append, and what workers add about attempts (logs, progress).
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Appends log lines of one attempt.
    async fn log(&self, task: TaskRef, attempt: u32, lines: Vec<LogLine>) -> Result<(), StoreError>;

    /// Notes the latest progress of one attempt; older progress of it is forgotten.
    async fn progress(&self, task: TaskRef, attempt: u32, progress: Value) -> Result<(), StoreError>;

    /// The latest progress of tasks of a run that are leased now.
    async fn latest_progress(&self, run: RunId) -> Result<Vec<(TaskNo, Value)>, StoreError>;

    /// Events after a cursor, in order.
    async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError>;

    /// Returns when there is an event of any kind after this cursor, or after `at_most`; says the cursor of the
    /// newest one, or `after`. Whoever waits again passes that on: events that a reader does not ask for, such as
    /// progress, must not end its waiting a second time.
    async fn wait_event(&self, after: u64, at_most: Duration) -> u64;
}
