//! What a task's expressions see. Reads runs, items and outputs from the store and binds them to the names that
//! the pipeline language gives them (`inputs`, `vars`, `run`, `stages`, `item`, …).
//!
//! Reads only: nothing here settles, and nothing here runs a plugin.

mod cache_key;
mod compiled;
mod facts;
mod failure;
mod limit_key;
mod stages;
mod task;

pub use cache_key::{artifacts_in, is_lasting, parts as cache_parts};
pub use compiled::{Compiled, Graphs};
pub use facts::{RunFacts, Runs};
pub use limit_key::limit_key;
pub use stages::Stages;
pub use task::{pipeline_outputs, task_context};

/// Lines of a task's log that say how the result cache was used begin so.
pub const CACHE_LINE: &str = "cache: ";

/// A context could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] reelmill_ports::StoreError),
    /// An expression that is part of the context (a `vars` entry, a body's `outputs`) has no value.
    #[error(transparent)]
    Expression(#[from] reelmill_graph::expr::EvalError),
    /// A graph that the store holds cannot be used by this version.
    #[error("graph {digest} cannot be used: {message}")]
    Graph {
        /// Its digest.
        digest: reelmill_model::Digest,
        /// What is wrong with it.
        message: String,
    },
}
