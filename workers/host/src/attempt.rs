//! One attempt, as the worker orders it and as it ends.

use crate::plugin::Plugin;
use reelmill_model::{CallInfo, Failure, Severity, Usage};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What to run.
#[derive(Debug)]
pub struct Attempt {
    /// The plugin.
    pub plugin: Arc<Plugin>,
    /// The stage's id within it.
    pub stage: String,
    /// Its `with`: artifacts carry their `path`, secrets are resolved.
    pub with: Value,
    /// What the stage is told about the attempt; `scratch` below takes the place of its own.
    pub call: CallInfo,
    /// The attempt's folder, empty; below the host's scratch root.
    pub scratch: PathBuf,
    /// Files and folders the stage may read besides artifacts and what its manifest asks for.
    pub read_paths: Vec<PathBuf>,
    /// Folders that the stage may write to besides its scratch.
    pub write_paths: Vec<PathBuf>,
    /// How long it may take.
    pub run_timeout: Option<Duration>,
    /// How long it may say nothing.
    pub idle_timeout: Option<Duration>,
    /// Memory it may have, in place of what its manifest asks for.
    pub memory_bytes: Option<u64>,
    /// Stops it.
    pub cancel: CancellationToken,
    /// Where its log lines and progress go. A full channel makes the stage wait.
    pub events: mpsc::Sender<AttemptEvent>,
}

/// What an attempt says while it runs.
#[derive(Clone, PartialEq, Debug)]
pub enum AttemptEvent {
    /// A log line: of the stage, or what its process printed.
    Log {
        /// How much it matters.
        severity: Severity,
        /// The line.
        text: String,
    },
    /// How far it is, as the stage said it: an object.
    Progress(Value),
}

/// How an attempt ended.
#[derive(Clone, PartialEq, Debug)]
pub struct AttemptEnd {
    /// The outputs, which the stage's schema accepts, or the failure.
    pub result: Result<Value, Failure>,
    /// What it cost; `store_ms` is the caller's.
    pub usage: Usage,
}
