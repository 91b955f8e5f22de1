//! The runs that were looked into last, each in a store of its own in memory.

use reelmill_graph::Graph;
use reelmill_model::RunId;
use reelmill_model::limits::ARCHIVE_RUNS_OPEN_MAX;
use reelmill_ports::{Archive, Clock, RunRecord, RunStore as _, StoreError};
use reelmill_store_memory::MemoryStore;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Nothing happens in an archive, so its clock need not go.
struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> u64 {
        0
    }
}

/// One run, as it was when it was kept that many times.
struct Held {
    id: RunId,
    kept: i32,
    store: Arc<dyn Archive>,
}

/// Those runs, the last used in front.
#[derive(Default)]
pub struct Opened(Mutex<VecDeque<Held>>);

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("runs", &self.lock().len()).finish()
    }
}

impl Opened {
    /// The store of a run, and how often the run had been kept when it was made.
    pub fn find(&self, id: RunId) -> Option<(i32, Arc<dyn Archive>)> {
        let mut held = self.lock();
        let at = held.iter().position(|one| one.id == id)?;
        let one = held.remove(at)?;
        let found = (one.kept, Arc::clone(&one.store));
        held.push_front(one);
        Some(found)
    }

    /// Makes a store of a run.
    pub async fn keep(
        &self,
        kept: i32,
        record: RunRecord,
        graph: Graph,
    ) -> Result<Arc<dyn Archive>, StoreError> {
        let id = record.new.id;
        let memory = MemoryStore::new(Arc::new(Stopped), 0);
        memory.put_graph(record.new.graph, Arc::new(graph)).await?;
        memory.keep(record).await?;
        let store: Arc<dyn Archive> = Arc::new(memory);
        let mut held = self.lock();
        held.retain(|one| one.id != id);
        held.push_front(Held { id, kept, store: Arc::clone(&store) });
        held.truncate(ARCHIVE_RUNS_OPEN_MAX);
        Ok(store)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
