//! Graphs: stored once by their digest, whatever the number of runs, and never changed; so they may be remembered. A
//! run names its graph by a short number, because there may be a million runs of one.

use crate::error::Trouble;
use crate::keys::{GRAPH_NUMBERS, GRAPHS};
use crate::wire::Wire;
use redis::cmd;
use reelmill_graph::Graph;
use reelmill_lifecycle::Damage;
use reelmill_model::Digest;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Graphs already read.
#[derive(Debug, Default)]
pub struct Graphs(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    graphs: HashMap<Digest, Arc<Graph>>,
    numbers: HashMap<Digest, u32>,
    digests: HashMap<u32, Digest>,
}

impl Graphs {
    /// How many are kept in memory.
    const KEPT: usize = 256;

    /// A graph, if it is in memory.
    pub fn known(&self, digest: Digest) -> Option<Arc<Graph>> {
        self.lock().graphs.get(&digest).cloned()
    }

    /// A graph, from memory or from the store.
    pub fn get(&self, wire: &mut Wire, digest: Digest) -> Result<Option<Arc<Graph>>, Trouble> {
        if let Some(graph) = self.known(digest) {
            return Ok(Some(graph));
        }
        let text: Option<Vec<u8>> = wire.query(cmd("HGET").arg(GRAPHS).arg(&digest.0[..]))?;
        let Some(text) = text else { return Ok(None) };
        let graph: Graph = serde_json::from_slice(&text)
            .map_err(|error| Damage(format!("graph {digest} is no graph: {error}")))?;
        if graph.format != Graph::FORMAT {
            return Err(Damage(format!("graph {digest} has the unknown layout {}", graph.format)).into());
        }
        let graph = Arc::new(graph);
        self.room().graphs.insert(digest, Arc::clone(&graph));
        Ok(Some(graph))
    }

    /// The graph that a run names by its number.
    pub fn numbered(&self, wire: &mut Wire, no: u32) -> Result<(Digest, Arc<Graph>), Trouble> {
        let known = self.lock().digests.get(&no).copied();
        let digest = match known {
            Some(digest) => digest,
            None => self.read_digest(wire, no)?,
        };
        let graph = self.get(wire, digest)?;
        let graph = graph.ok_or_else(|| Damage(format!("a run has lost its graph {digest}")))?;
        Ok((digest, graph))
    }

    fn read_digest(&self, wire: &mut Wire, no: u32) -> Result<Digest, Trouble> {
        let digest: Option<Vec<u8>> = wire.query(cmd("HGET").arg(GRAPH_NUMBERS).arg(no))?;
        let digest = digest.and_then(|bytes| bytes.try_into().ok()).map(Digest);
        let digest = digest.ok_or_else(|| Damage(format!("no graph has the number {no}")))?;
        self.keep_number(digest, no);
        Ok(digest)
    }

    /// Whether the number of a graph is in memory.
    pub fn has_number(&self, digest: Digest) -> bool {
        self.lock().numbers.contains_key(&digest)
    }

    /// The number of a graph, which is given one if it has none. Of two that are given at once, one goes unused.
    pub fn number(&self, wire: &mut Wire, digest: Digest) -> Result<u32, Trouble> {
        let known = self.lock().numbers.get(&digest).copied();
        if let Some(no) = known {
            return Ok(no);
        }
        let mut read = cmd("HGET");
        read.arg(GRAPH_NUMBERS).arg(&digest.0[..]);
        let mut no: Option<u32> = wire.query(&read)?;
        if no.is_none() {
            let drawn: u32 = wire.query(cmd("HINCRBY").arg(GRAPH_NUMBERS).arg("last").arg(1))?;
            // First what the number means, then that it is in use.
            wire.query::<()>(cmd("HSET").arg(GRAPH_NUMBERS).arg(drawn).arg(&digest.0[..]))?;
            wire.query::<()>(cmd("HSETNX").arg(GRAPH_NUMBERS).arg(&digest.0[..]).arg(drawn))?;
            no = wire.query(&read)?;
        }
        let no = no.ok_or_else(|| Damage(format!("graph {digest} was given no number")))?;
        self.keep_number(digest, no);
        Ok(no)
    }

    /// Writes a graph, unless it is there.
    pub fn put(&self, wire: &mut Wire, digest: Digest, graph: &Arc<Graph>) -> Result<(), Trouble> {
        let text = serde_json::to_vec(&**graph)
            .map_err(|error| Damage(format!("graph {digest} has no JSON form: {error}")))?;
        wire.query::<()>(cmd("HSETNX").arg(GRAPHS).arg(&digest.0[..]).arg(text))?;
        self.room().graphs.insert(digest, Arc::clone(graph));
        Ok(())
    }

    fn keep_number(&self, digest: Digest, no: u32) {
        let mut known = self.room();
        known.numbers.insert(digest, no);
        known.digests.insert(no, digest);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, with room for one more.
    fn room(&self) -> MutexGuard<'_, Known> {
        let mut known = self.lock();
        if known.graphs.len() >= Self::KEPT || known.numbers.len() >= Self::KEPT {
            *known = Known::default();
        }
        known
    }
}
