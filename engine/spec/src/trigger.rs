//! `triggers` as written: what starts runs of a pipeline by itself.

use crate::cron::Cron;
use crate::span::Spanned;
use crate::template::{Expr, Templates};
use serde::{Deserialize, Serialize};

/// One trigger.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Its name, and where that stands.
    pub name: Spanned<String>,
    /// What it waits for.
    pub when: When,
    /// What happens when the run before has not ended.
    pub overlap: Overlap,
    /// What its runs are given.
    pub inputs: TriggerInputs,
}

/// What a trigger waits for.
#[derive(Clone, PartialEq, Debug)]
pub enum When {
    /// A time.
    Schedule {
        /// Which.
        cron: Cron,
        /// What happens with times that were missed.
        catchup: Catchup,
    },
    /// A call.
    Webhook {
        /// The secret that signs it.
        secret: String,
    },
    /// A file.
    File {
        /// Where.
        folder: String,
        /// Names that count, with `*` and `?`; all when none.
        pattern: Option<String>,
        /// How long it must not have changed, in milliseconds.
        settle_ms: u64,
    },
}

impl When {
    /// The word of `type`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Schedule { .. } => "schedule",
            Self::Webhook { .. } => "webhook",
            Self::File { .. } => "file",
        }
    }

    /// What `trigger` has in the expressions of `inputs`.
    #[must_use]
    pub const fn members(&self) -> &'static [&'static str] {
        match self {
            Self::Schedule { .. } => &["name", "type", "scheduled_at", "date"],
            Self::Webhook { .. } => &["name", "type", "body", "headers"],
            Self::File { .. } => &["name", "type", "path", "file", "size"],
        }
    }
}

/// What happens when a trigger fires before the run it started last has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// No run is started.
    #[default]
    Skip,
    /// Both run.
    Allow,
    /// The new one waits for the one before.
    Queue,
    /// The one before is cancelled.
    CancelPrevious,
}

/// What happens with times that passed while no scheduler was there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Catchup {
    /// Nothing.
    #[default]
    None,
    /// The last of them is made up for.
    Last,
    /// All of them are, up to a limit.
    All,
}

/// What the runs of a trigger are given.
#[derive(Clone, Debug)]
pub enum TriggerInputs {
    /// Each input by itself.
    Each(Templates),
    /// One expression that gives them all: `${{ trigger.body }}`.
    Whole(Expr),
}
