//! Use cases: what people and programs ask of the engine, one file each. They combine the pure crates with the
//! stores behind their traits; nothing here knows a worker or a terminal.

mod approve;
mod batch;
mod collect;
mod dead;
mod error;
mod export;
mod limits;
mod load;
mod paths;
mod plan;
mod prepare;
pub mod registry;
mod retries;
mod retry;
pub mod schedule;
mod status;
mod submit;
mod table;
pub mod texts;
mod triggers;
mod unique;
mod waits;
mod why;

use reelmill_artifacts::Artifacts;
use reelmill_context::Runs;
use reelmill_model::RunId;
use reelmill_ports::{EventLog, Fleet, Limits, Marks, Registry, ResultCache, RunStore, TaskQueue};
use std::sync::Arc;

pub use approve::Question;
pub use batch::{Batch, BatchWish, Filling, Step};
pub use collect::Collected;
pub use dead::{Dead, DeadFilter, DeadGroup, DeadTask, Replayed};
pub use error::ControlError;
pub use export::{Exported, artifacts_in};
pub use load::{FleetLoad, LaneLoad};
pub use paths::{Paths, path_of};
pub use plan::{Plan, PlannedStage};
pub use prepare::{Invalid, Pipeline, prepare};
pub use registry::PipelineRef;
pub use retries::Again;
pub use retry::{RetryWish, Setting};
pub use status::{RunStatus, StageStatus, TaskFailure};
pub use submit::{Submission, Submitted};
pub use table::{Row, RowProblem, Rows};
pub use triggers::TriggerStatus;
pub use why::Why;

/// The engine's state, as use cases need it. A clone is another handle on the same.
#[derive(Clone)]
pub struct Control {
    /// The queue.
    pub queue: Arc<dyn TaskQueue>,
    /// Runs, tasks and graphs.
    pub store: Arc<dyn RunStore>,
    /// Events, logs and progress.
    pub events: Arc<dyn EventLog>,
    /// Limits that runs share.
    pub limits: Arc<dyn Limits>,
    /// Workers, lanes and keys.
    pub fleet: Arc<dyn Fleet>,
    /// The result cache.
    pub cache: Arc<dyn ResultCache>,
    /// Registered pipelines.
    pub registry: Arc<dyn Registry>,
    /// What is remembered of triggers.
    pub marks: Arc<dyn Marks>,
    /// Files.
    pub artifacts: Arc<Artifacts>,
    /// Runs and graphs in use.
    pub runs: Runs,
}

impl Control {
    /// Asks for a run to be cancelled; says the state it is in afterwards.
    pub async fn cancel(&self, run: RunId, reason: &str) -> Result<reelmill_model::RunState, ControlError> {
        Ok(self.queue.cancel(run, reason).await?)
    }
}
