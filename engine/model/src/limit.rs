//! Limits that tasks share over all runs, and what a task is told that has to wait for one.

use crate::state::words;
use serde::{Deserialize, Serialize};

words! {
    /// What is limited. Keys of one kind mean nothing to another.
    LimitKind {
        /// How many runs are at work at once: `concurrency` of a pipeline.
        Runs = "runs",
        /// How many tasks are at work at once: `concurrency` of a stage.
        Tasks = "tasks",
        /// How often tasks start: `rate_limit` of a stage.
        Rate = "rate",
    }
}

/// What a parked task waits for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Parked {
    /// What is limited.
    pub limit: LimitKind,
    /// The key that is shared.
    pub key: String,
}
