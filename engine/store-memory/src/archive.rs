//! Keeping a run that ended in another store, to read it here.

use crate::state::Run;
use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_model::Digest;
use reelmill_ports::{Archive, ResultCache as _, RunRecord, RunStore as _, StoreError};

#[async_trait]
impl Archive for MemoryStore {
    async fn keep(&self, record: RunRecord) -> Result<(), StoreError> {
        let RunRecord { new, mut run, instances, tasks, log } = record;
        self.delete_run(new.id).await?;
        let mut state = self.state();
        let graph = state.graphs.get(&new.graph).cloned().ok_or(StoreError::NoSuchGraph(new.graph))?;
        state.next_run += 1;
        run.seq = state.next_run;
        let tasks = tasks.into_iter().map(|row| (row.no, row)).collect();
        let instances = instances.into_iter().map(|row| (row.no, row)).collect();
        state.ids.insert(new.id, run.seq);
        state.runs.insert(run.seq, Run { row: run, new, graph, tasks, instances });
        for mut event in log {
            event.cursor = state.cursor();
            state.events.push_back(event);
        }
        Ok(())
    }

    async fn kept_artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        self.named_artifacts().await
    }
}
