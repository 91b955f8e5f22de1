//! Moving ended runs from the store that works on them to one that only remembers them.

use crate::error::StoreError;
use crate::queue::NewRun;
use crate::store::{EventLog, RunStore};
use async_trait::async_trait;
use reelmill_lifecycle::{InstanceRow, RunRow, TaskRow};
use reelmill_model::{Digest, Event, RunId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An ended run with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// What was submitted.
    pub new: NewRun,
    /// Its row; `seq` means nothing outside the store it came from.
    pub run: RunRow,
    /// Its instances, by number.
    pub instances: Vec<InstanceRow>,
    /// Its tasks, by number.
    pub tasks: Vec<TaskRow>,
    /// Lines of its stages, in order: events of the kind `task.log`.
    pub log: Vec<Event>,
}

/// A store whose ended runs are moved away.
#[async_trait]
pub trait Archivable: Send + Sync {
    /// Runs that ended at least so long ago, longest ago first.
    async fn ended(&self, ago: Duration, limit: usize) -> Result<Vec<RunId>, StoreError>;

    /// Everything of an ended run; none when there is no such run, or it has not ended.
    async fn record(&self, id: RunId) -> Result<Option<RunRecord>, StoreError>;

    /// Removes an ended run that is kept elsewhere now. `false` when there is none, or it was sent around again.
    async fn trim(&self, id: RunId) -> Result<bool, StoreError>;
}

/// Which runs of an archive are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Old {
    /// Those that ended before then, in milliseconds since the epoch.
    EndedBefore(u64),
    /// This one and those that were submitted before it.
    UpTo(RunId),
}

/// Where ended runs are kept.
#[async_trait]
pub trait Archive: RunStore + EventLog {
    /// Keeps a run; its graph was put before. A run that is kept already is replaced: it was sent around again.
    async fn keep(&self, record: RunRecord) -> Result<(), StoreError>;

    /// Digests of all artifacts that kept runs name: they must not be deleted.
    async fn kept_artifacts(&self) -> Result<Vec<Digest>, StoreError>;

    /// Deletes up to `limit` runs, oldest first, and says how many; what only they needed goes with them.
    async fn delete_old(&self, which: Old, limit: usize) -> Result<usize, StoreError>;

    /// Whether it may be out of reach while the store is not: then young runs that are moved leave marks in the store.
    fn may_be_away(&self) -> bool {
        false
    }

    /// The newest of the runs that are left out when so many are kept; none when no more are there.
    async fn beyond(&self, newest: u64) -> Result<Option<RunId>, StoreError>;
}
