//! Keeping a run that ended in another store, to read it here.

use crate::state::Run;
use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_model::{Digest, RunId};
use reelmill_ports::{Archive, Old, ResultCache as _, RunRecord, RunStore as _, StoreError};

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

    async fn delete_old(&self, which: Old, limit: usize) -> Result<usize, StoreError> {
        let mut old: Vec<RunId> = {
            let state = self.state();
            let is_old = |run: &&Run| match which {
                Old::EndedBefore(ms) => run.row.ended_ms.is_some_and(|ended| ended < ms),
                Old::UpTo(last) => run.row.id <= last && run.row.state.is_terminal(),
            };
            state.runs.values().filter(is_old).map(|run| run.row.id).collect()
        };
        old.sort_unstable();
        old.truncate(limit);
        for id in &old {
            self.delete_run(*id).await?;
        }
        Ok(old.len())
    }

    async fn beyond(&self, newest: u64) -> Result<Option<RunId>, StoreError> {
        let mut ids: Vec<RunId> = self.state().ids.keys().copied().collect();
        ids.sort_unstable();
        let before = ids.len().checked_sub(usize::try_from(newest).unwrap_or(usize::MAX));
        Ok(before.and_then(|left| left.checked_sub(1)).map(|last| ids[last]))
    }
}
