//! Removing what nobody names any more.

use crate::artifacts::{Artifacts, Shared};
use crate::block::block;
use crate::claim::Claim;
use crate::error::ArtifactError;
use crate::store::{LocalArtifacts, digest_of};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use reelmill_model::Digest;
use std::collections::HashSet;
use std::fs;
use std::future;
use std::path::Path;
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
        forget_downloads(&self.local, grace)?;
        if scope == Scope::Shared {
            give_up_uploads(&self.local, shared, grace).await?;
            collected += collect_shared(shared, &named, grace).await?;
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

/// Removes what came of downloads that nobody went on with.
fn forget_downloads(local: &LocalArtifacts, grace: Duration) -> Result<(), ArtifactError> {
    for (_, claim) in abandoned(local, "down", grace)? {
        claim.remove()?;
    }
    Ok(())
}

/// Gives up uploads that nobody went on with, so that their parts do not stay in the shared store.
async fn give_up_uploads(
    local: &LocalArtifacts,
    shared: &Shared,
    grace: Duration,
) -> Result<(), ArtifactError> {
    for (digest, mut claim) in abandoned(local, "up", grace)? {
        shared.remote.give_up(&digest, &mut claim.file).await?;
        claim.remove()?;
    }
    Ok(())
}

/// Transfers of a kind that nobody is busy with and that were last written to that long ago.
fn abandoned(
    local: &LocalArtifacts,
    kind: &str,
    grace: Duration,
) -> Result<Vec<(Digest, Claim)>, ArtifactError> {
    let folder = local.transfers();
    let now = SystemTime::now();
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).map_err(ArtifactError::io("list", &folder))? {
        let path = entry.map_err(ArtifactError::io("list", &folder))?.path();
        let written = path.metadata().and_then(|meta| meta.modified());
        if written.is_ok_and(|written| is_old(written, now, grace))
            && let Some(digest) = transfer_of(&path, kind)
            && let Some(claim) = Claim::try_now(&path)?
        {
            found.push((digest, claim));
        }
    }
    Ok(found)
}

/// The object that a file of a transfer is about, if it is of this kind.
fn transfer_of(path: &Path, kind: &str) -> Option<Digest> {
    let is_kind = path.extension().is_some_and(|extension| extension == kind);
    path.file_stem()?.to_str().filter(|_| is_kind).and_then(digest_of)
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
