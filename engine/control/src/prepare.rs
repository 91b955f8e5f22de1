//! From a pipeline's text to a graph, or to everything that is wrong with it. Pure.

use crate::ControlError;
use reelmill_graph::compile::{Catalog, Trigger, load_all};
use reelmill_graph::placement::place;
use reelmill_graph::{Graph, canonical};
use reelmill_model::{Digest, WorkerCapacity};
use reelmill_spec::{Diagnostic, Files};
use std::sync::Arc;

/// A pipeline that can be run.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its graph.
    pub graph: Arc<Graph>,
    /// The graph's address.
    pub digest: Digest,
    /// The address of the graph as it was compiled, before it was placed: the same whatever workers there are.
    pub compiled: Digest,
    /// What starts its runs by itself, where a scheduler looks after it.
    pub triggers: Arc<Vec<Trigger>>,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

impl Pipeline {
    /// The pipeline as these workers run it, or what they lack.
    pub fn placed(self, workers: &[WorkerCapacity]) -> Result<Self, ControlError> {
        let graph = place((*self.graph).clone(), workers).map_err(ControlError::NoWorker)?;
        let digest = canonical::graph_digest(&graph);
        Ok(Self { graph: Arc::new(graph), digest, ..self })
    }
}

/// A pipeline that cannot be run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the pipeline has {} problems", .0.len())]
pub struct Invalid(pub Vec<Diagnostic>);

/// Parses and compiles a pipeline and those that it names; all problems come at once.
pub fn prepare(text: &str, catalog: &Catalog, files: &dyn Files) -> Result<Pipeline, Invalid> {
    let loaded = load_all(text, catalog, files);
    match loaded.graph {
        Some(graph) => {
            let digest = canonical::graph_digest(&graph);
            let (triggers, warnings) = (Arc::new(loaded.triggers), loaded.diagnostics);
            Ok(Pipeline { graph: Arc::new(graph), digest, compiled: digest, triggers, warnings })
        }
        None => Err(Invalid(loaded.diagnostics)),
    }
}
