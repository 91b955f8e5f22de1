//! Identifiers. Each is a type of its own, so that a task number cannot be passed for a node number.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One execution of a pipeline. Sorts by creation time; 26 characters of Crockford base 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub ulid::Ulid);

impl RunId {
    /// An id from its two parts: milliseconds since the epoch and 80 random bits.
    #[must_use]
    pub fn from_parts(created_ms: u64, random: u128) -> Self {
        Self(ulid::Ulid::from_parts(created_ms, random))
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RunId {
    type Err = BadRunId;
    fn from_str(text: &str) -> Result<Self, BadRunId> {
        ulid::Ulid::from_string(text).map(Self).map_err(|_| BadRunId(text.to_owned()))
    }
}

/// The text is no run id.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a run id (26 letters and digits, as `reelmill status` prints them)")]
pub struct BadRunId(pub String);

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// The number as an index.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A node of a graph: the place of one stage in `Graph::nodes`.
    NodeNo,
    u32
);
number!(
    /// A scope of a graph: the place of one body in `Graph::scopes`. Scope 0 is the main body.
    ScopeNo,
    u32
);
number!(
    /// A task of a run, counted from 0 in the order in which tasks came into being.
    TaskNo,
    u32
);
number!(
    /// One living copy of a scope in a run: the main body, or the body of one item of a fan-out.
    InstanceNo,
    u32
);

/// The fencing value of a lease. A task's tokens only grow; a settle with an older token is refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u64);

/// A task of a run, fleet-wide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct TaskRef {
    /// The run.
    pub run: RunId,
    /// The task within it.
    pub task: TaskNo,
}

impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.run, self.task)
    }
}

/// A worker process, by a name that is new at every start.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub String);

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
