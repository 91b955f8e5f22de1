//! Events: past-tense facts, in the order in which they happened. They leave through the event log only.

use crate::ids::{RunId, TaskNo};
use crate::state::words;
use serde::{Deserialize, Serialize};
use serde_json::Value;

words! {
    /// What happened.
    EventKind {
        /// A run was accepted.
        RunSubmitted = "run.submitted",
        /// A run entered another phase.
        RunPhase = "run.phase",
        /// A run ended; `data.state` says how.
        RunEnded = "run.ended",
        /// Someone asked for a run to be cancelled.
        RunCancelRequested = "run.cancel_requested",
        /// Someone sent a run around again.
        RunRetried = "run.retried",
        /// A worker took a task.
        TaskLeased = "task.leased",
        /// A task became many; `data.items` says how many.
        TaskExpanded = "task.expanded",
        /// A task reached a terminal state; `data` has state, usage and failure.
        TaskSettled = "task.settled",
        /// An attempt failed and another will follow; `data` has the failure and the delay.
        TaskRetried = "task.retried",
        /// A lease ran out; `data` has the failure.
        TaskLeaseExpired = "task.lease_expired",
        /// A task was given back.
        TaskReleased = "task.released",
        /// A line of a stage's log.
        TaskLog = "task.log",
        /// A stage's progress.
        TaskProgress = "task.progress",
        /// A task waits for a person; `data` has what the person is told, who may decide, and until when.
        TaskAwaits = "task.awaits",
        /// Someone paused a run; `data.reason` says why.
        RunPaused = "run.paused",
        /// Someone let a paused run go on.
        RunResumed = "run.resumed",
        /// A task that was leased has to wait for a limit; `data` has which, its key, and when it asks again.
        TaskParked = "task.parked",
    }
}

words! {
    /// How much a log line matters.
    Severity {
        /// For the plugin's author.
        Debug = "debug",
        /// Worth knowing.
        Info = "info",
        /// Not what was wanted, but it goes on.
        Warn = "warn",
        /// It did not work.
        Error = "error",
    }
}

/// One event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Its place in the log; grows, is never used twice. A reader keeps it as its cursor.
    pub cursor: u64,
    /// Milliseconds since the epoch.
    pub at_ms: u64,
    /// What happened.
    pub kind: EventKind,
    /// The run it belongs to.
    pub run: RunId,
    /// The task, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskNo>,
    /// The attempt, where it is about one; counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What the kind says belongs to it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub data: Value,
}
