//! Registered pipelines, and marks.

use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_lifecycle::registry::{Put, put};
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{PipelineName, Revision, RevisionHead};
use reelmill_ports::{Marks, PipelineFilter, Registered, Registry, StoreError};
use std::ops::Bound;

#[async_trait]
impl Registry for MemoryStore {
    async fn put_pipeline(&self, new: Revision, expected: Option<u32>) -> Result<Registered, StoreError> {
        let mut state = self.state();
        let id = new.head.id.clone();
        let newest = state.pipelines.get(&id).and_then(|kept| kept.values().next_back()).cloned();
        let (written, new) = match put(newest.as_ref(), new, expected, state.pipelines.len())? {
            Put::Same(same) => return Ok(Registered { head: same.head, new: false }),
            Put::Renewed(same) => (same, false),
            Put::New(new, dropped) => {
                let kept = state.pipelines.entry(id.clone()).or_default();
                kept.retain(|revision, _| *revision > dropped);
                (new, true)
            }
        };
        state.registry_version += 1;
        let head = written.head.clone();
        state.pipelines.entry(id).or_default().insert(head.revision, written);
        Ok(Registered { head, new })
    }

    async fn pipeline(
        &self,
        id: &PipelineName,
        revision: Option<u32>,
    ) -> Result<Option<Revision>, StoreError> {
        let state = self.state();
        let kept = state.pipelines.get(id);
        Ok(kept
            .and_then(|kept| match revision {
                Some(revision) => kept.get(&revision),
                None => kept.values().next_back(),
            })
            .cloned())
    }

    async fn pipelines(&self, filter: PipelineFilter) -> Result<Vec<RevisionHead>, StoreError> {
        let limit = if filter.limit == 0 { PAGE_ROWS_MAX } else { filter.limit.min(PAGE_ROWS_MAX) };
        let after = filter.after.map_or(Bound::Unbounded, Bound::Excluded);
        let state = self.state();
        let wanted = state.pipelines.range((after, Bound::Unbounded));
        let wanted =
            wanted.filter(|(id, _)| filter.namespace.as_ref().is_none_or(|wanted| *wanted == id.namespace));
        let newest = wanted.filter_map(|(_, kept)| Some(kept.values().next_back()?.head.clone()));
        Ok(newest.take(limit).collect())
    }

    async fn revisions(&self, id: &PipelineName) -> Result<Vec<RevisionHead>, StoreError> {
        let state = self.state();
        let kept = state.pipelines.get(id).into_iter().flat_map(|kept| kept.values().rev());
        Ok(kept.map(|revision| revision.head.clone()).collect())
    }

    async fn remove_pipeline(&self, id: &PipelineName) -> Result<bool, StoreError> {
        let mut state = self.state();
        let removed = state.pipelines.remove(id).is_some();
        state.registry_version += u64::from(removed);
        Ok(removed)
    }

    async fn registry_version(&self) -> Result<u64, StoreError> {
        Ok(self.state().registry_version)
    }
}

#[async_trait]
impl Marks for MemoryStore {
    async fn mark(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.state().marks.get(key).cloned())
    }

    async fn set_mark(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool, StoreError> {
        let mut state = self.state();
        let same = state.marks.get(key).map(String::as_str) == before;
        if same {
            state.marks.insert(key.to_owned(), after.to_owned());
        }
        Ok(same)
    }

    async fn drop_mark(&self, key: &str) -> Result<(), StoreError> {
        self.state().marks.remove(key);
        Ok(())
    }
}
