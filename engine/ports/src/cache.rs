//! The result cache: what a stage put out last time for the same key.

use crate::error::StoreError;
use async_trait::async_trait;
use reelmill_model::{Digest, TaskRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// One remembered result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CacheEntry {
    /// Hash over all parts.
    pub key: Digest,
    /// The parts of the key by name (plugin digest, each property of `with`, tools), each as a short hash or the
    /// value itself; kept so that a miss can be explained.
    pub parts: BTreeMap<String, String>,
    /// `plugin.stage`, for listings and for finding the nearest entry.
    pub stage: String,
    /// What the stage put out.
    pub outputs: Value,
    /// Artifacts named in the outputs, with their lengths in bytes.
    pub artifacts: Vec<(Digest, u64)>,
    /// CPU time that a hit saves, in milliseconds.
    pub cpu_ms: u64,
    /// The task that made it.
    pub made_by: TaskRef,
}

/// What the cache holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStats {
    /// Entries.
    pub entries: u64,
    /// Bytes of the artifacts they name, each counted once.
    pub bytes: u64,
    /// Look-ups that found one, since the store was made.
    pub hits: u64,
    /// Look-ups that found none.
    pub misses: u64,
    /// CPU milliseconds saved.
    pub cpu_saved_ms: u64,
}

/// The result cache. Entries are dropped oldest use first when over the byte budget.
#[async_trait]
pub trait ResultCache: Send + Sync {
    /// The entry of a key; marks it as used now and counts a hit or a miss.
    async fn lookup(&self, key: Digest) -> Result<Option<CacheEntry>, StoreError>;

    /// Remembers a result.
    async fn remember(&self, entry: CacheEntry) -> Result<(), StoreError>;

    /// Forgets an entry (its artifact is gone).
    async fn forget(&self, key: Digest) -> Result<(), StoreError>;

    /// The entry of the same stage that shares most parts with these: what a miss is explained with.
    async fn nearest(
        &self,
        stage: &str,
        parts: &BTreeMap<String, String>,
    ) -> Result<Option<CacheEntry>, StoreError>;

    /// Drops least recently used entries until at most `budget_bytes` are named; says the artifacts that no
    /// entry and no run names any more.
    async fn evict(&self, budget_bytes: u64) -> Result<Vec<Digest>, StoreError>;

    /// Every artifact that an entry, or the inputs or outputs of a run, names: what a clean-up must keep.
    async fn named_artifacts(&self) -> Result<Vec<Digest>, StoreError>;

    /// What it holds.
    async fn stats(&self) -> Result<CacheStats, StoreError>;
}
