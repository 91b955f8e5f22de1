//! Use cases: what people and programs ask of the engine, one file each. They combine the pure crates with the
//! stores behind their traits; nothing here knows a worker or a terminal.

mod approve;
mod batch;
mod collect;
mod error;
mod export;
mod limits;
mod plan;
mod prepare;
pub mod registry;
pub mod schedule;
mod status;
mod submit;
mod triggers;
mod unique;
mod why;

use reelmill_artifacts::Artifacts;
use reelmill_context::Runs;
use reelmill_model::RunId;
use reelmill_ports::{
    EventLog, Fleet, Limits, Marks, Registry, ResultCache, RetryScope, RunStore, TaskQueue,
};
use std::sync::Arc;

pub use approve::Question;
pub use batch::{Batch, Row, RowProblem, read_rows};
pub use collect::Collected;
pub use error::ControlError;
pub use export::Exported;
pub use plan::{Plan, PlannedStage};
pub use prepare::{Invalid, Pipeline, prepare};
pub use registry::PipelineRef;
pub use status::{RunStatus, StageStatus, TaskFailure};
pub use submit::{Submission, Submitted};
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
    /// Keys of runs.
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

    /// Sends an ended run around again; says how many tasks will run. `from` names stages of the main body.
    pub async fn retry(&self, run: RunId, from: &[String], all: bool) -> Result<usize, ControlError> {
        let scope = if all {
            RetryScope::All
        } else if from.is_empty() {
            RetryScope::Failed
        } else {
            RetryScope::From(self.main_nodes(run, from).await?)
        };
        Ok(self.queue.retry(run, scope).await?)
    }

    async fn main_nodes(
        &self,
        run: RunId,
        names: &[String],
    ) -> Result<Vec<reelmill_model::NodeNo>, ControlError> {
        let view = self.view(run).await?;
        let compiled = self.runs.graphs().get(view.new.graph).await?;
        let main = &compiled.graph.scope(reelmill_graph::Graph::MAIN).nodes;
        let node_of = |name: &String| {
            main.iter().copied().find(|node| compiled.graph.node(*node).name == *name).ok_or_else(|| {
                let known = main.iter().map(|node| compiled.graph.node(*node).name.clone()).collect();
                ControlError::NoSuchStage { run, stage: name.clone(), known }
            })
        };
        names.iter().map(node_of).collect()
    }
}
