//! What a use case can answer instead of a result.

use reelmill_model::{Digest, RunId};
use std::path::PathBuf;

/// A use case failed. Nothing was half done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The store refused or did not answer.
    #[error(transparent)]
    Store(#[from] reelmill_ports::StoreError),
    /// A run could not be read as its expressions see it.
    #[error(transparent)]
    Context(#[from] reelmill_context::ContextError),
    /// Artifacts could not be read or written.
    #[error(transparent)]
    Artifacts(#[from] reelmill_artifacts::ArtifactError),
    /// The inputs of a run do not fit its pipeline.
    #[error("the inputs do not fit the pipeline: {}", list(.0))]
    Inputs(Vec<reelmill_spec::InputProblem>),
    /// No worker has what a stage needs.
    #[error("{}", list(.0))]
    NoWorker(Vec<reelmill_graph::placement::Misfit>),
    /// The key of `unique` has no value.
    #[error("the key of `unique` has no value: {0}")]
    Key(reelmill_model::Failure),
    /// Another run has the key, and the pipeline says that there is to be one.
    #[error("run {run} has the key `{key}`, and `unique` lets no other one in (`on_conflict: reject`)")]
    NotUnique {
        /// That run.
        run: RunId,
        /// The key.
        key: String,
    },
    /// A run has no such stage.
    #[error("run {run} has no stage `{stage}`; it has: {}", known.join(", "))]
    NoSuchStage {
        /// The run.
        run: RunId,
        /// What was asked for.
        stage: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No such pipeline is registered.
    #[error("no pipeline `{wanted}` is registered: {help}")]
    NoSuchPipeline {
        /// What was asked for.
        wanted: String,
        /// What there is.
        help: String,
    },
    /// A registered pipeline has no such trigger.
    #[error("pipeline `{pipeline}` has no trigger `{trigger}`: {help}")]
    NoSuchTrigger {
        /// The pipeline.
        pipeline: String,
        /// What was asked for.
        trigger: String,
        /// What there is.
        help: String,
    },
    /// A registered pipeline does not compile here, and its graph is gone.
    #[error("`{name}` cannot be run here:\n{shown}")]
    Invalid {
        /// The pipeline and its revision.
        name: String,
        /// Everything that is wrong with it.
        shown: String,
    },
    /// An artifact is not in the store any more.
    #[error("{0} is not in the artifact store any more")]
    NoArtifact(Digest),
    /// A file could not be read or written.
    #[error("failed to read or write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// Rows of a batch cannot be used.
    #[error("{} of the rows cannot be used: {}", .0.len(), list(.0))]
    Rows(Vec<crate::table::RowProblem>),
    /// A table is not the one that was checked.
    #[error(
        "{} was changed while its rows were submitted; what was submitted stays, and the table as it is now is another \
         batch", .0.display()
    )]
    TableChanged(PathBuf),
}

/// The problems one after another; the first ten, and how many more there are.
fn list<T: ToString>(problems: &[T]) -> String {
    const SHOWN: usize = 10;
    let mut text: Vec<String> = problems.iter().take(SHOWN).map(ToString::to_string).collect();
    if problems.len() > SHOWN {
        text.push(format!("and {} more", problems.len() - SHOWN));
    }
    text.join("; ")
}
