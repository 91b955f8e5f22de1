//! Collection: the cache kept within its budget, and artifacts that nothing names any more deleted.

use crate::{Control, ControlError};
use reelmill_ports::CacheStats;
use serde::Serialize;

/// What a collection did.
#[derive(Debug, Serialize)]
pub struct Collected {
    /// Artifacts deleted.
    pub artifacts: usize,
    /// Bytes freed.
    pub bytes: u64,
    /// What the cache holds now.
    pub cache: CacheStats,
}

impl Control {
    /// Drops least recently used results until at most `budget_bytes` are named, and deletes the artifacts that
    /// neither a result nor a run names any more.
    pub async fn collect(&self, budget_bytes: u64) -> Result<Collected, ControlError> {
        let orphans = self.cache.evict(budget_bytes).await?;
        let mut collected = Collected { artifacts: 0, bytes: 0, cache: self.cache.stats().await? };
        for digest in orphans {
            let bytes =
                self.artifacts.path(&digest).and_then(|path| path.metadata().ok()).map_or(0, |m| m.len());
            self.artifacts.remove(&digest)?;
            collected.artifacts += 1;
            collected.bytes += bytes;
        }
        Ok(collected)
    }
}
