//! How an attempt ended. A failed attempt is data, not an error of the engine.

use crate::state::words;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

words! {
    /// What kind of failure ended an attempt. The class alone says whether trying again can help.
    FailureClass {
        /// A passing fault, said by the plugin: try again.
        Transient = "transient",
        /// Something the stage talks to failed (a provider, a disk): try again.
        Dependency = "dependency",
        /// Not enough memory, disk or quota for now, said by the plugin: try again.
        Resource = "resource",
        /// The stage cannot work with this `with`: do not try again.
        InvalidInput = "invalid_input",
        /// The plugin is set up wrongly: do not try again.
        InvalidConfig = "invalid_config",
        /// It can never work: do not try again.
        Permanent = "permanent",
        /// A bug in the plugin (a panic): try again, it may depend on the moment.
        Internal = "internal",
        /// The attempt was asked to stop and did.
        Cancelled = "cancelled",
        /// The plugin's process died by a signal, seen by the worker.
        Crashed = "crashed",
        /// The plugin's process went over its memory limit, seen by the worker.
        Oom = "oom",
        /// The attempt took longer than `timeout.run` or was silent longer than `timeout.idle`.
        Timeout = "timeout",
        /// The plugin broke the contract: no reply, or a reply its own schema refuses.
        Protocol = "protocol",
        /// The plugin did what its manifest does not ask for.
        SandboxDenied = "sandbox_denied",
        /// The plugin crashed so often that it is no longer started.
        Quarantined = "quarantined",
        /// The worker that held the task is gone.
        WorkerLost = "worker_lost",
        /// An expression of the pipeline could not be evaluated for this task.
        Expression = "expression",
    }
}

impl FailureClass {
    /// Whether it is for want of something that the next attempt may be given more of.
    #[must_use]
    pub const fn is_want(self) -> bool {
        matches!(self, Self::Oom | Self::Resource | Self::Timeout)
    }

    /// Whether another attempt can help, when the pipeline's `retry.on` does not say otherwise.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Transient
                | Self::Dependency
                | Self::Resource
                | Self::Internal
                | Self::Crashed
                | Self::Oom
                | Self::Timeout
                | Self::WorkerLost
        )
    }
}

/// Why an attempt failed, in the words of whoever saw it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Failure {
    /// What kind of failure it is.
    pub class: FailureClass,
    /// A short stable word of the plugin's own (`no_such_voice`); empty when it gave none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// One sentence for the person who has to act on it.
    pub message: String,
    /// Do not try again before this many milliseconds have passed (a provider's `Retry-After`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// More to read: the end of standard error, the last progress, figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// The chain of causes, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

impl Failure {
    /// A failure of a class with its sentence and nothing else.
    #[must_use]
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self {
            class,
            code: String::new(),
            message: message.into(),
            retry_after_ms: None,
            detail: None,
            causes: Vec::new(),
        }
    }

    /// The same failure with a stable code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = code.into();
        self
    }

    /// The same failure with more to read.
    #[must_use]
    pub fn with_detail(mut self, detail: Value) -> Self {
        self.detail = Some(detail);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

/// Why a task never ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "because")]
pub enum SkipReason {
    /// Its `if` was false.
    Condition {
        /// The expression.
        expression: String,
    },
    /// A stage whose outputs it needs was skipped.
    UpstreamSkipped {
        /// That stage.
        stage: String,
    },
    /// A stage it waits for failed.
    UpstreamFailed {
        /// That stage.
        stage: String,
    },
    /// A stage it waits for was cancelled.
    UpstreamCancelled {
        /// That stage.
        stage: String,
    },
    /// It belongs to `on_failure` of a stage that did not fail.
    NoFailure {
        /// That stage.
        stage: String,
    },
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Condition { expression } => write!(f, "`if` was false: {expression}"),
            Self::UpstreamSkipped { stage } => write!(f, "stage `{stage}` was skipped"),
            Self::UpstreamFailed { stage } => write!(f, "stage `{stage}` failed"),
            Self::UpstreamCancelled { stage } => write!(f, "stage `{stage}` was cancelled"),
            Self::NoFailure { stage } => write!(f, "stage `{stage}` did not fail"),
        }
    }
}

/// One item of a fan-out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Its name within the fan-out: unique, part of its tasks' paths.
    pub key: String,
    /// What `item` (or, for a matrix, `matrix`) is in expressions.
    pub value: Value,
}

/// What a person says to an approval.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Decision {
    /// Yes or no.
    pub approved: bool,
    /// Who says so; empty when nobody did in time.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// What an attempt cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Usage {
    /// CPU time of the plugin's process, user and system, in milliseconds.
    pub cpu_ms: u64,
    /// Largest resident set of the plugin's process, in bytes.
    pub rss_peak_bytes: u64,
    /// Time from handing the input to the plugin to its answer, in milliseconds.
    pub execute_ms: u64,
    /// Time spent on storing its artifacts, in milliseconds.
    pub store_ms: u64,
}

/// How an attempt ended, as the worker reports it when it settles the task.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// The stage did its work.
    Succeeded {
        /// What it put out: an object; artifacts inside are references.
        outputs: Value,
        /// Whether the outputs came from the result cache.
        #[serde(default)]
        cached: bool,
    },
    /// The attempt failed.
    Failed(Failure),
    /// The task is not to run.
    Skipped(SkipReason),
    /// The attempt was stopped because the task is no longer wanted.
    Cancelled,
    /// The task is a fan-out or a group and becomes these items.
    Expand {
        /// The items, in their order. Keys are unique. A group is one item with an empty key.
        items: Vec<Item>,
    },
    /// The task is an approval and waits for a person from now on, without a worker.
    Await {
        /// What the person is told.
        #[serde(default)]
        message: Option<String>,
    },
    /// The task waits for a limit. The store has parked it when the worker asked, so nothing is settled any more.
    Parked,
    /// The worker gives the task back untouched (it drains); no attempt is counted.
    Released,
    /// The lease ran out: said by the service that expires leases, never by a worker.
    LeaseExpired,
}
