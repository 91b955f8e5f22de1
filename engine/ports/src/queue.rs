//! The queue: submit, step (settle and lease in one), heartbeat, repair.

use crate::error::StoreError;
use async_trait::async_trait;
use futures_util::future::{BoxFuture, Either, select};
pub use reelmill_lifecycle::{Edits, Lease, Leased, Only, PRIORITY, Rejected, RetryScope};
use reelmill_model::{
    Decision, Digest, Outcome, RunId, RunState, TaskRef, TaskState, Token, Usage, WorkerId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

/// A run to be started. Its graph was put into the store before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewRun {
    /// Its id. Submitting the same id again changes nothing and is no error.
    pub id: RunId,
    /// Its graph.
    pub graph: Digest,
    /// Name for people; the pipeline's unless given.
    pub name: String,
    /// Its inputs, checked, with defaults filled in; files are artifact references.
    pub inputs: Value,
    /// Labels of the pipeline and of the submission.
    pub labels: BTreeMap<String, String>,
    /// Tenant; `default` unless given.
    pub namespace: String,
    /// Absolute folder against which paths in `with` are resolved.
    pub base_dir: String,
    /// Seed for whatever a stage draws at random.
    pub seed: u64,
    /// Milliseconds since the epoch.
    pub created_ms: u64,
    /// The batch it belongs to, and its row there, from 0.
    pub batch: Option<(String, u64)>,
    /// Its priority, 0 to 9: larger goes first. See [`rank`](reelmill_lifecycle::rank).
    #[serde(default = "ordinary")]
    pub priority: u8,
}

fn ordinary() -> u8 {
    PRIORITY
}

/// The end of one attempt, as a worker reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settle {
    /// Which task.
    pub task: TaskRef,
    /// The token of the lease under which the attempt ran.
    pub token: Token,
    /// How it ended.
    pub outcome: Outcome,
    /// What it cost.
    pub usage: Usage,
}

/// What became of a settle.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// Which task.
    pub task: TaskRef,
    /// The task's state afterwards, or why the settle was refused.
    pub result: Result<TaskState, Rejected>,
}

/// What a worker wants to lease.
#[derive(Clone, Debug)]
pub struct LeaseRequest {
    /// Lanes it serves (`Node::lane`).
    pub lanes: Vec<String>,
    /// How many tasks at most, over all these lanes.
    pub want: usize,
    /// How long it will own them without a heartbeat.
    pub lease: Duration,
    /// Whose tasks.
    pub only: Only,
}

/// One call of a worker: settles, then leases.
#[derive(Clone, Debug)]
pub struct StepRequest {
    /// Who.
    pub worker: WorkerId,
    /// Ends of attempts; at most `limits::STEP_BATCH_MAX`.
    pub settles: Vec<Settle>,
    /// What it wants next, one request a lane (`Node::lane`); empty when it drains.
    pub leases: Vec<LeaseRequest>,
}

/// The answer to a step.
#[derive(Clone, Debug, Default)]
pub struct StepReply {
    /// One for each settle, in order.
    pub settled: Vec<Settled>,
    /// Tasks leased, best first.
    pub leased: Vec<Leased>,
}

/// One lease to be extended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Which task.
    pub task: TaskRef,
    /// The lease's token.
    pub token: Token,
}

/// What a worker learns from its heartbeat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeartbeatReply {
    /// Leases it no longer holds: stop these attempts, they cannot settle.
    pub lost: Vec<TaskRef>,
    /// Attempts that are no longer wanted: stop them and settle as cancelled.
    pub cancelled: Vec<TaskRef>,
}

/// The queue. Every method is one transition: it happens whole or not at all.
///
/// The store owns the clock of leases; a worker never compares times.
#[async_trait]
pub trait TaskQueue: Send + Sync {
    /// Writes a new run and makes its first tasks ready. `false` when the id was known already.
    async fn submit(&self, run: NewRun) -> Result<bool, StoreError>;

    /// Settles attempts, readies what they unlock, and leases the next tasks.
    async fn step(&self, request: StepRequest) -> Result<StepReply, StoreError>;

    /// Extends leases by `lease` from now and tells what to stop.
    async fn heartbeat(
        &self,
        worker: &WorkerId,
        beats: &[Beat],
        lease: Duration,
    ) -> Result<HeartbeatReply, StoreError>;

    /// Returns when such a task is ready, or may have become so, or after `at_most`.
    async fn wait(&self, lanes: &[String], only: &Only, at_most: Duration);

    /// A step without ends, taken when there may be something for it to lease, or after `at_most`; none when it was
    /// withdrawn before that. A store may take it without asking its caller again, so whoever drops this instead of
    /// withdrawing may leave tasks leased that nobody works on.
    async fn step_when_ready(
        &self,
        request: StepRequest,
        at_most: Duration,
        withdrawn: BoxFuture<'static, ()>,
    ) -> Result<Option<StepReply>, StoreError> {
        let lanes: Vec<String> =
            request.leases.iter().flat_map(|lease| lease.lanes.iter().cloned()).collect();
        let only = request.leases.first().map_or(Only::Any, |lease| lease.only.clone());
        let ready = pin!(self.wait(&lanes, &only, at_most));
        if let Either::Left(_) = select(withdrawn, ready).await {
            return Ok(None);
        }
        self.step(request).await.map(Some)
    }

    /// Settles with `LeaseExpired` up to `limit` leases that ran out; says how many.
    async fn expire_leases(&self, limit: usize) -> Result<usize, StoreError>;

    /// Readies up to `limit` delayed tasks whose time has come, decides approvals whose time is over, and fails
    /// ready ones whose `timeout.queue` has passed; says how many were readied and when, from now, the next is due.
    async fn promote_delayed(&self, limit: usize) -> Result<(usize, Option<Duration>), StoreError>;

    /// Gives back at once every lease of a worker that is known to be dead.
    async fn release_worker(&self, worker: &WorkerId) -> Result<usize, StoreError>;

    /// Asks for a run to be cancelled: tasks that wait are cancelled now, leased ones through their heartbeat.
    /// Then `on_failure` is passed over and `finally` runs. Says the state the run is in afterwards.
    async fn cancel(&self, run: RunId, reason: &str) -> Result<RunState, StoreError>;

    /// Pauses a run, for a reason that people read, or without one lets it go on. None of its tasks is leased while it is
    /// paused; leased ones go on and are settled. Cancelling ends a pause. Says whether that changed anything; refused
    /// when the run has ended.
    async fn pause(&self, run: RunId, reason: Option<&str>) -> Result<bool, StoreError>;

    /// Ends an approval that waits for a person, as that person says. Says the state the task is in afterwards;
    /// refused when it does not wait.
    async fn approve(&self, task: TaskRef, decision: Decision) -> Result<TaskState, StoreError>;

    /// Sends an ended run around again: tasks in `scope` become what they were before they started, and so does
    /// everything that depends on them. Succeeded tasks outside keep their outputs. Says how many tasks.
    async fn retry(&self, run: RunId, scope: RetryScope) -> Result<usize, StoreError> {
        self.retry_with(run, scope, Edits::new()).await
    }

    /// The same, with other values of the `with` of stages: in this run they lie over those of the graph from now on.
    async fn retry_with(&self, run: RunId, scope: RetryScope, set: Edits) -> Result<usize, StoreError>;
}

/// Whether a task is the last word on its node: convenience for readers of `StepReply`.
impl StepReply {
    /// Tasks whose settle was refused.
    pub fn rejected(&self) -> impl Iterator<Item = (TaskRef, Rejected)> + '_ {
        self.settled.iter().filter_map(|s| s.result.err().map(|why| (s.task, why)))
    }
}

/// Convenience for tests and services.
impl Settle {
    /// A success with these outputs and no cost.
    #[must_use]
    pub fn succeeded(task: TaskRef, token: Token, outputs: Value) -> Self {
        Self { task, token, outcome: Outcome::Succeeded { outputs, cached: false }, usage: Usage::default() }
    }
}
