//! From a pipeline's text to a graph, or to everything that is wrong with it. Pure.

use reelmill_graph::compile::{Catalog, Trigger, load_all};
use reelmill_graph::{Graph, canonical};
use reelmill_model::Digest;
use reelmill_spec::Diagnostic;
use std::sync::Arc;

/// A pipeline that can be run.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its graph.
    pub graph: Arc<Graph>,
    /// The graph's address.
    pub digest: Digest,
    /// What starts its runs by itself, where a scheduler looks after it.
    pub triggers: Arc<Vec<Trigger>>,
    /// Warnings.
    pub warnings: Vec<Diagnostic>,
}

/// A pipeline that cannot be run.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the pipeline has {} problems", .0.len())]
pub struct Invalid(pub Vec<Diagnostic>);

/// Parses and compiles a pipeline; all problems come at once.
pub fn prepare(text: &str, catalog: &Catalog) -> Result<Pipeline, Invalid> {
    let loaded = load_all(text, catalog);
    match loaded.graph {
        Some(graph) => {
            let digest = canonical::graph_digest(&graph);
            let (triggers, warnings) = (Arc::new(loaded.triggers), loaded.diagnostics);
            Ok(Pipeline { graph: Arc::new(graph), digest, triggers, warnings })
        }
        None => Err(Invalid(loaded.diagnostics)),
    }
}
