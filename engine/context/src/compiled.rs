//! Graphs with their expressions compiled, each once per process.

use crate::ContextError;
use reelmill_graph::expr::Programs;
use reelmill_graph::{Graph, Node};
use reelmill_model::{Digest, NodeNo};
use reelmill_ports::RunStore;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Graphs kept at once; a batch has one graph, so few are ever in use together.
const GRAPHS_MAX: usize = 64;

/// A graph and its compiled expressions.
#[derive(Debug)]
pub struct Compiled {
    /// Its address.
    pub digest: Digest,
    /// The graph.
    pub graph: Arc<Graph>,
    /// Its expressions.
    pub programs: Programs,
    /// Nodes that may read `run.tasks`: their texts name it.
    pub(crate) run_tasks_readers: HashSet<NodeNo>,
}

/// A look at the text is enough: who is named here without reading pays for one look at the tasks.
fn run_tasks_readers(graph: &Graph) -> HashSet<NodeNo> {
    let names_it = |node: &&Node| serde_json::to_string(node).is_ok_and(|text| text.contains("run.tasks"));
    graph.nodes.iter().filter(names_it).map(|node| node.no).collect()
}

/// The graphs in use.
pub struct Graphs {
    store: Arc<dyn RunStore>,
    known: Mutex<HashMap<Digest, Arc<Compiled>>>,
}

impl Graphs {
    /// No graph is loaded yet.
    #[must_use]
    pub fn new(store: Arc<dyn RunStore>) -> Self {
        Self { store, known: Mutex::new(HashMap::new()) }
    }

    /// The graph of a digest, loaded and compiled when it is asked for first.
    pub async fn get(&self, digest: Digest) -> Result<Arc<Compiled>, ContextError> {
        if let Some(known) = self.lock().get(&digest) {
            return Ok(Arc::clone(known));
        }
        let graph = self.store.graph(digest).await?;
        let programs = Programs::compile(&graph)
            .map_err(|error| ContextError::Graph { digest, message: error.to_string() })?;
        let compiled =
            Arc::new(Compiled { digest, run_tasks_readers: run_tasks_readers(&graph), graph, programs });
        let mut known = self.lock();
        if known.len() >= GRAPHS_MAX {
            known.clear();
        }
        known.insert(digest, Arc::clone(&compiled));
        Ok(compiled)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Compiled>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
