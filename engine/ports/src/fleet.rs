//! What is known of the workers and of the lanes they serve.

use crate::error::StoreError;
use async_trait::async_trait;
use reelmill_graph::placement;
use reelmill_model::{RunId, TaskRef, WorkerCapacity, WorkerId};
use serde::{Deserialize, Serialize};

/// A worker as it announces itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerCard {
    /// Its name, new at every start.
    pub worker: WorkerId,
    /// What its machine has.
    #[serde(default)]
    pub machine: WorkerCapacity,
    /// Lanes it serves.
    pub lanes: Vec<String>,
    /// Tasks of heavy lanes it works on at once.
    pub slots: u32,
    /// How its slots follow its machine; none when their number was given.
    #[serde(default)]
    pub adaptive: Option<Adaptive>,
    /// Memory that its attempts may use together, in MiB.
    pub memory_mib: u32,
    /// Tasks it holds.
    pub held: u32,
    /// Whether it takes no more tasks.
    pub draining: bool,
    /// How long tasks of its lanes took lately; of lanes that it has not worked on nothing.
    #[serde(default)]
    pub paces: Vec<Pace>,
    /// What attempts of the stages that it saw last are reckoned with.
    #[serde(default)]
    pub learned: Vec<StageUse>,
    /// Version of the program.
    pub version: String,
    /// When it started, in milliseconds since the epoch, by its own clock.
    pub started_ms: u64,
    /// When it was heard last, in milliseconds since the epoch, by the store's clock; what is announced does not matter.
    pub seen_ms: u64,
}

impl WorkerCard {
    /// Whether it takes tasks of a lane, unless it drains.
    #[must_use]
    pub fn serves(&self, lane: &str) -> bool {
        self.lanes.iter().any(|own| own == lane) || placement::serves(&self.machine, &self.lanes, lane)
    }
}

/// How long tasks of a lane took on a worker lately, from lease to outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// The lane.
    pub lane: String,
    /// Tasks that the mean stands for, `limits::PACE_TASKS_MAX` at most.
    pub tasks: u32,
    /// Their mean, in microseconds; older tasks count less and less.
    pub mean_us: u64,
}

/// Slots that follow their machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adaptive {
    /// Slots at most.
    pub slots_max: u32,
    /// CPU that attempts may use together, in thousandths of a core.
    pub cpu_milli: u32,
    /// Why there are as many slots as there are, for people.
    pub because: String,
}

/// What an attempt of a stage is reckoned with, by what the ones before were seen to use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageUse {
    /// The stage: `plugin.stage`.
    pub stage: String,
    /// Attempts that were seen.
    pub attempts: u32,
    /// CPU, in thousandths of a core.
    pub cpu_milli: u32,
    /// Memory, in MiB.
    pub memory_mib: u32,
}

/// A lane that has, or had, tasks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaneView {
    /// Its name (`Node::lane`).
    pub lane: String,
    /// Tasks that are ready in it.
    pub ready: u64,
    /// When the run was submitted whose task is next in line, in milliseconds since the epoch; of several tenants' the
    /// earliest.
    #[serde(default)]
    pub oldest_ms: Option<u64>,
    /// Whether its tasks are not leased: it was paused, or its queue was.
    pub paused: bool,
}

/// The place of a ready task in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InLine {
    /// Ready tasks of its namespace that are leased before it; a store may count some that are ready no more.
    pub ahead: u64,
    /// Other namespaces with ready tasks in the lane, which take turns with its own.
    pub others: u64,
}

/// The workers and lanes of a store.
#[async_trait]
pub trait Fleet: Send + Sync {
    /// Notes that a worker lives. Whoever is silent for `limits::WORKER_SILENT_MS` is forgotten.
    async fn announce(&self, card: WorkerCard) -> Result<(), StoreError>;

    /// Forgets a worker that has ended.
    async fn retire(&self, worker: &WorkerId) -> Result<(), StoreError>;

    /// Gives a key to a run for so long, unless another one has it; says whose it is. What has one key is submitted
    /// once. The run `instead_of` loses it, if it is still that one's.
    async fn claim(
        &self,
        key: &str,
        run: RunId,
        kept_ms: u64,
        instead_of: Option<RunId>,
    ) -> Result<RunId, StoreError>;

    /// The run that has a key.
    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError>;

    /// Notes for `kept_ms` that a run was moved away. There may be many at once: a store for which a key of its own each
    /// is too much keeps them in another way.
    async fn note_moved(&self, run: RunId, kept_ms: u64) -> Result<(), StoreError> {
        self.claim(&moved_key(run), run, kept_ms, None).await.map(drop)
    }

    /// Whether that was noted of a run.
    async fn was_moved(&self, run: RunId) -> Result<bool, StoreError> {
        Ok(self.claimed(&moved_key(run)).await?.is_some())
    }

    /// The workers that were heard lately, by name.
    async fn workers(&self) -> Result<Vec<WorkerCard>, StoreError>;

    /// The lanes that have ready tasks or are paused, by name.
    async fn lanes(&self) -> Result<Vec<LaneView>, StoreError>;

    /// The place of a task in its lane; none when it is not ready.
    async fn in_line(&self, task: TaskRef) -> Result<Option<InLine>, StoreError>;

    /// Keeps the tasks of a lane, and of those with needs in the queue of that name, from being leased, or lets them be
    /// leased again. What is leased goes on.
    async fn pause_lane(&self, lane: &str, paused: bool) -> Result<(), StoreError>;
}

/// The key that a run claims which was moved away. No namespace has a colon, so it is none that people give.
fn moved_key(run: RunId) -> String {
    format!("moved:{run}")
}
