//! Removing what nobody names any more.

use crate::artifacts::{Artifacts, Shared};
use crate::block::block;
use crate::error::ArtifactError;
use crate::store::LocalArtifacts;
use crate::transfers;
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use reelmill_model::Digest;
use std::collections::HashSet;
use std::future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Objects that are removed from the shared store with one request.
const REMOVED_AT_ONCE: usize = 1_000;

/// Where is collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the folder of this machine.
    Machine,
    /// In the shared store too. What is named must then be named by all that use it, or others lose what is theirs.
    Shared,
}

/// What a clean-up removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl std::ops::AddAssign for Collected {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
    }
}

impl Artifacts {
    /// Removes every object that is not among `named` and was stored longer ago than `grace`, and gives up transfers
    /// that were cut short as long ago. The grace is for attempts that have stored an object and not yet settled.
    pub async fn collect(
        &self,
        scope: Scope,
        named: HashSet<Digest>,
        grace: Duration,
    ) -> Result<Collected, ArtifactError> {
        let named = Arc::new(named);
        let (local, keep) = (self.local.clone(), Arc::clone(&named));
        let mut collected = block(move || local.collect(|digest| keep.contains(digest), grace)).await?;
        let Some(shared) = &self.shared else { return Ok(collected) };
        for (_, claim) in transfers::abandoned(&self.local.transfers(), transfers::DOWN, grace)? {
            claim.remove()?;
        }
        if scope == Scope::Shared {
            collected += collect_shared(shared, &named, grace).await?;
            shared.remote.give_up_uploads(grace).await?;
        }
        Ok(collected)
    }

    /// Removes an object from the folder of this machine.
    pub fn discard(&self, digest: &Digest) -> Result<bool, ArtifactError> {
        self.local.remove(digest)
    }
}

/// Goes through the shared store page by page, and removes as it goes: little time must lie between looking at an
/// object's age and removing it, because a put in between makes it young.
async fn collect_shared(
    shared: &Shared,
    named: &HashSet<Digest>,
    grace: Duration,
) -> Result<Collected, ArtifactError> {
    let now = SystemTime::now();
    let mut collected = Collected::default();
    let unnamed = shared.remote.list().try_filter(|(digest, held)| {
        future::ready(!named.contains(digest) && is_old(held.stored, now, grace))
    });
    let mut pages = unnamed.try_chunks(REMOVED_AT_ONCE);
    while let Some(page) = pages.next().await {
        let page = page.map_err(|stopped| stopped.1)?;
        let freed =
            Collected { objects: page.len() as u64, bytes: page.iter().map(|(_, held)| held.bytes).sum() };
        shared.remote.remove(page.into_iter().map(|(digest, _)| digest).collect()).await?;
        collected += freed;
    }
    Ok(collected)
}

impl LocalArtifacts {
    /// Removes every object that `keep` does not want and that was stored longer ago than `older_than`. The
    /// grace is for attempts that have stored an object and not yet settled: it must be longer than a settle
    /// can take.
    pub fn collect(
        &self,
        keep: impl Fn(&Digest) -> bool,
        older_than: Duration,
    ) -> Result<Collected, ArtifactError> {
        let now = SystemTime::now();
        let mut collected = Collected::default();
        self.each(|digest, path, meta| {
            let stored = meta.modified().map_err(ArtifactError::io("look at", path))?;
            let old = is_old(stored, now, older_than);
            if old && !keep(&digest) && self.remove(&digest)? {
                collected.objects += 1;
                collected.bytes += meta.len();
            }
            Ok(())
        })?;
        Ok(collected)
    }
}

/// Whether something was stored at least that long ago. A time in the future is a clock that was set back: not old.
pub fn is_old(stored: SystemTime, now: SystemTime, older_than: Duration) -> bool {
    now.duration_since(stored).is_ok_and(|age| age >= older_than)
}
