//! The states of tasks, instances and runs.
//!
//! ```text
//! task:  pending ──all upstream ended──▶ ready ──lease──▶ leased ──settle──▶ succeeded | failed | skipped | cancelled
//!           ▲                             ▲  ▲              │ │ │
//!           └──────expand (waits for its items)─────────────┘ │ │
//!                                         │  └──release───────┘ │
//!                                         └── delayed ◀──retry──┘
//! ```
//! An approval that was reached is `delayed` too, until someone decides or its time is over; it is settled from
//! there, without being leased again.
//!
//! A task that expanded is `pending` until its items have ended, and is then settled without being leased again.

use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The word that stores, events and the command line use.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// The value of a word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }
    };
}
pub(crate) use words;

words! {
    /// The state of one task.
    TaskState {
        /// Waits for tasks it depends on, or, once expanded, for its items.
        Pending = "pending",
        /// May be leased now.
        Ready = "ready",
        /// May be leased later: a retry that waits out its backoff. Of an approval: waits for a person.
        Delayed = "delayed",
        /// A worker holds it.
        Leased = "leased",
        /// Ended well; its outputs are stored.
        Succeeded = "succeeded",
        /// Ended badly, with no attempt left.
        Failed = "failed",
        /// Never ran, for the reason that is kept with it.
        Skipped = "skipped",
        /// Ended because its run was cancelled or its fan-out gave up.
        Cancelled = "cancelled",
    }
}

impl TaskState {
    /// Whether nothing can happen to the task any more (short of a retry by hand).
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped | Self::Cancelled)
    }
}

words! {
    /// The state of one copy of a scope.
    InstanceState {
        /// An item that waits for its turn (`max_parallel`); it has no tasks yet.
        Waiting = "waiting",
        /// Its tasks exist and not all have ended.
        Running = "running",
        /// All its tasks ended, none of them badly.
        Succeeded = "succeeded",
        /// All its tasks ended, one or more of them badly.
        Failed = "failed",
        /// Never started, or stopped, because the run or the fan-out was stopped.
        Cancelled = "cancelled",
    }
}

words! {
    /// The state of a run.
    RunState {
        /// Not all of its tasks have ended.
        Running = "running",
        /// Ended well.
        Succeeded = "succeeded",
        /// Ended, with a task that failed and was not allowed to.
        Failed = "failed",
        /// Ended because someone cancelled it.
        Cancelled = "cancelled",
    }
}

impl RunState {
    /// Whether the run has ended.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Running)
    }
}

words! {
    /// Which part of the pipeline a run is in. The parts run one after another.
    Phase {
        /// The `stages` of the pipeline.
        Main = "main",
        /// The pipeline's `on_failure`; only when the main part failed.
        OnFailure = "on_failure",
        /// The pipeline's `finally`; always.
        Finally = "finally",
        /// Nothing is left.
        Done = "done",
        /// What undoes the finished stages of the main part, one after another; only when that failed or was
        /// cancelled, and before everything else that follows.
        Compensate = "compensate",
    }
}
