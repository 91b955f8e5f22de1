//! Graphs: stored once by their digest, whatever the number of runs, and never changed; so they may be remembered.

use crate::error::Trouble;
use crate::keys::GRAPHS;
use crate::wire::Wire;
use redis::cmd;
use reelmill_graph::Graph;
use reelmill_lifecycle::Damage;
use reelmill_model::Digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Graphs already read.
#[derive(Debug, Default)]
pub struct Graphs(Mutex<HashMap<Digest, Arc<Graph>>>);

impl Graphs {
    /// How many are kept in memory.
    const KEPT: usize = 256;

    /// A graph, from memory or from the store.
    pub fn get(&self, wire: &mut Wire, digest: Digest) -> Result<Option<Arc<Graph>>, Trouble> {
        if let Some(graph) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return Ok(Some(Arc::clone(graph)));
        }
        let text: Option<Vec<u8>> = wire.query(cmd("HGET").arg(GRAPHS).arg(&digest.0[..]))?;
        let Some(text) = text else { return Ok(None) };
        let graph: Graph = serde_json::from_slice(&text)
            .map_err(|error| Damage(format!("graph {digest} is no graph: {error}")))?;
        if graph.format != Graph::FORMAT {
            return Err(Damage(format!("graph {digest} has the unknown layout {}", graph.format)).into());
        }
        let graph = Arc::new(graph);
        self.keep(digest, &graph);
        Ok(Some(graph))
    }

    /// A graph that a run names.
    pub fn of_run(&self, wire: &mut Wire, digest: Digest) -> Result<Arc<Graph>, Trouble> {
        let graph = self.get(wire, digest)?;
        graph.ok_or_else(|| Damage(format!("a run has lost its graph {digest}")).into())
    }

    /// Writes a graph, unless it is there.
    pub fn put(&self, wire: &mut Wire, digest: Digest, graph: &Arc<Graph>) -> Result<(), Trouble> {
        let text = serde_json::to_vec(&**graph)
            .map_err(|error| Damage(format!("graph {digest} has no JSON form: {error}")))?;
        wire.query::<()>(cmd("HSETNX").arg(GRAPHS).arg(&digest.0[..]).arg(text))?;
        self.keep(digest, graph);
        Ok(())
    }

    fn keep(&self, digest: Digest, graph: &Arc<Graph>) {
        let mut graphs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if graphs.len() >= Self::KEPT {
            graphs.clear();
        }
        graphs.insert(digest, Arc::clone(graph));
    }
}
