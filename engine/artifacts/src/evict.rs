//! The byte budget of a machine whose artifacts lie in a shared store too.
//!
//! Of the objects here, those used longest ago go, until the rest fits. An object that the shared store does not have
//! stays, and so does one that is pinned: the budget is kept as far as that allows, and going over it fails nothing.

use crate::block::block;
use crate::error::ArtifactError;
use crate::remote::Remote;
use crate::store::LocalArtifacts;
use futures_util::stream::{self, StreamExt as _};
use reelmill_model::Digest;
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Questions to the shared store at once.
const LOOKS_AT_ONCE: usize = 16;
/// The part of the budget that comes in before the folder is counted again, when nothing more could go.
const PATIENCE: u64 = 20;

/// The budget, and how much of it is left.
#[derive(Debug)]
pub struct Budget {
    bytes: u64,
    /// Bytes that may come before the folder is counted again. Other processes that use the folder count for
    /// themselves, so that together they may be over it by what came since.
    left: AtomicU64,
    /// What the shared store is known to lack: not asked again for every eviction.
    lacking: Mutex<HashSet<Digest>>,
    /// One eviction at a time; the others need not wait for it.
    busy: tokio::sync::Mutex<()>,
}

/// An object that may go.
struct Candidate {
    digest: Digest,
    bytes: u64,
    used: SystemTime,
}

impl Budget {
    /// Nothing is counted yet: the first object that comes does that.
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes,
            left: AtomicU64::new(0),
            lacking: Mutex::default(),
            busy: tokio::sync::Mutex::default(),
        }
    }

    /// Takes note of bytes that came, and makes room for them. What cannot be done is told to the log: whoever
    /// brought the bytes has them.
    pub async fn spend(&self, bytes: u64, local: &LocalArtifacts, remote: &dyn Remote) {
        let take = |left: u64| left.checked_sub(bytes);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            return;
        }
        let Ok(_busy) = self.busy.try_lock() else { return };
        if let Err(error) = self.evict(local, remote).await {
            tracing::warn!(%error, "the artifacts on this machine may be over their budget");
        }
    }

    /// The shared store has it now.
    pub fn shared(&self, digest: &Digest) {
        self.lacking.lock().unwrap_or_else(PoisonError::into_inner).remove(digest);
    }

    async fn evict(&self, local: &LocalArtifacts, remote: &dyn Remote) -> Result<(), ArtifactError> {
        let store = local.clone();
        let (mut used, candidates) = block(move || survey(&store)).await?;
        let mut looked = stream::iter(candidates)
            .map(|candidate| async move { (self.is_shared(&candidate, remote).await, candidate) })
            .buffered(LOOKS_AT_ONCE);
        while used > self.bytes
            && let Some((is_shared, candidate)) = looked.next().await
        {
            if is_shared? && local.remove(&candidate.digest)? {
                used -= candidate.bytes;
            }
        }
        let left = self.bytes.saturating_sub(used).max(self.bytes / PATIENCE);
        self.left.store(left, Ordering::Relaxed);
        Ok(())
    }

    async fn is_shared(&self, candidate: &Candidate, remote: &dyn Remote) -> Result<bool, ArtifactError> {
        let lacking = || self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        if lacking().contains(&candidate.digest) {
            return Ok(false);
        }
        let held = remote.look(&candidate.digest).await?;
        let is_shared = held.is_some_and(|held| held.bytes == candidate.bytes);
        if !is_shared {
            lacking().insert(candidate.digest);
        }
        Ok(is_shared)
    }
}

/// The bytes of all objects, and those that nobody has pinned, longest unused first.
fn survey(local: &LocalArtifacts) -> Result<(u64, Vec<Candidate>), ArtifactError> {
    let (mut total, mut found) = (0, Vec::new());
    local.each(|digest, path, meta| {
        total += meta.len();
        if meta.nlink() == 1 {
            // Reading moves the one time on some mounts, storing moves the other on all.
            let stored = meta.modified().map_err(ArtifactError::io("look at", path))?;
            let used = meta.accessed().map_or(stored, |read| read.max(stored));
            found.push(Candidate { digest, bytes: meta.len(), used });
        }
        Ok(())
    })?;
    found.sort_by_key(|candidate| candidate.used);
    Ok((total, found))
}
