//! Collection: the cache kept within its budget, and artifacts that nothing names any more deleted.

use crate::{Control, ControlError};
use reelmill_artifacts::Scope;
use reelmill_ports::CacheStats;
use serde::Serialize;
use std::collections::HashSet;
use std::time::Duration;

/// What a collection did.
#[derive(Debug, Serialize)]
pub struct Collected {
    /// Artifacts deleted, counted once for each place.
    pub artifacts: u64,
    /// Bytes freed.
    pub bytes: u64,
    /// What the cache holds now.
    pub cache: CacheStats,
}

impl Control {
    /// Drops least recently used results until at most `budget_bytes` are named, and deletes the artifacts that
    /// neither a result nor a run names any more: those of dropped results at once, others when they are older than
    /// `grace`. In the shared store nothing is deleted before its grace is over, because another machine may have
    /// stored it anew.
    pub async fn collect(
        &self,
        budget_bytes: u64,
        scope: Scope,
        grace: Duration,
    ) -> Result<Collected, ControlError> {
        let orphans = self.cache.evict(budget_bytes).await?;
        let mut collected = Collected { artifacts: 0, bytes: 0, cache: self.cache.stats().await? };
        for digest in orphans {
            let path = self.artifacts.folder().path(&digest);
            let bytes = path.and_then(|path| path.metadata().ok()).map_or(0, |meta| meta.len());
            if self.artifacts.discard(&digest)? {
                collected.artifacts += 1;
                collected.bytes += bytes;
            }
        }
        let named: HashSet<_> = self.cache.named_artifacts().await?.into_iter().collect();
        let unnamed = self.artifacts.collect(scope, named, grace).await?;
        collected.artifacts += unnamed.objects;
        collected.bytes += unnamed.bytes;
        Ok(collected)
    }
}
