//! Sending an ended run around again.

use crate::{Control, ControlError};
use reelmill_graph::Graph;
use reelmill_model::{NodeNo, RunId};
use reelmill_ports::{Edits, RetryScope};
use serde_json::Value;

/// One value of a stage's `with` that is to be another one.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Path of the stage (`scene.clip`).
    pub stage: String,
    /// Key of its `with`.
    pub key: String,
    /// The value, as it is.
    pub value: Value,
}

/// What is sent around again, and with what.
#[derive(Clone, Debug, Default)]
pub struct RetryWish {
    /// Stages of the main body; none: wherever something failed.
    pub from: Vec<String>,
    /// Of these stages only what failed, not everything.
    pub failed: bool,
    /// The whole run.
    pub all: bool,
    /// Other values of the `with` of stages.
    pub set: Vec<Setting>,
}

impl Control {
    /// Sends an ended run around again; says how many tasks will run.
    pub async fn retry(&self, run: RunId, wish: &RetryWish) -> Result<usize, ControlError> {
        let view = self.view(run).await?;
        let compiled = self.runs.graphs().get(view.new.graph).await?;
        let graph = &compiled.graph;
        let from = wish.from.iter().map(|name| main_node(graph, run, name)).collect::<Result<Vec<_>, _>>()?;
        let scope = match (wish.all, from.is_empty(), wish.failed) {
            (true, ..) => RetryScope::All,
            (false, true, _) => RetryScope::Failed,
            (false, false, true) => RetryScope::FailedOf(from),
            (false, false, false) => RetryScope::From(from),
        };
        let mut edits = Edits::new();
        for Setting { stage, key, value } in &wish.set {
            let node = node_of(graph, run, stage)?;
            edits.entry(node).or_default().insert(key.clone(), value.clone());
        }
        Ok(self.queue.retry_with(run, scope, edits).await?)
    }
}

fn main_node(graph: &Graph, run: RunId, name: &str) -> Result<NodeNo, ControlError> {
    let main = &graph.scope(Graph::MAIN).nodes;
    main.iter().copied().find(|node| graph.node(*node).name == name).ok_or_else(|| {
        let known = main.iter().map(|node| graph.node(*node).name.clone()).collect();
        ControlError::NoSuchStage { run, stage: name.to_owned(), known }
    })
}

/// The node of a stage's path.
pub(crate) fn node_of(graph: &Graph, run: RunId, stage: &str) -> Result<NodeNo, ControlError> {
    let found = graph.nodes.iter().find(|node| node.path == stage).map(|node| node.no);
    found.ok_or_else(|| {
        let known = graph.nodes.iter().map(|node| node.path.clone()).collect();
        ControlError::NoSuchStage { run, stage: stage.to_owned(), known }
    })
}
