//! What callers have: one handle, whether the artifacts are on this machine alone or in a shared store too.

use crate::block::block;
use crate::collect::is_old;
use crate::config::RemoteConfig;
use crate::download::download;
use crate::error::ArtifactError;
use crate::evict::Budget;
use crate::pin::Pin;
use crate::put::PutMode;
use crate::remote::{self, Remote};
use crate::store::LocalArtifacts;
use reelmill_model::{ArtifactRef, Digest, limits};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime};

/// Times that an object may vanish between coming and being pinned before that is an error.
const VANISHED_MAX: usize = 3;

/// Artifacts. Any number of processes may use the same folder, and any number of machines the same shared store.
#[derive(Debug)]
pub struct Artifacts {
    pub(crate) local: LocalArtifacts,
    pub(crate) shared: Option<Shared>,
}

/// What there is beside the folder.
#[derive(Debug)]
pub(crate) struct Shared {
    pub remote: Arc<dyn Remote>,
    budget: Budget,
    turns: Turns,
}

impl Artifacts {
    /// Artifacts in a folder of this machine, and nowhere else. Must be used within a tokio runtime.
    pub fn local(root: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        Ok(Self { local: LocalArtifacts::open(root)?, shared: None })
    }

    /// Artifacts in a shared store, with a folder of this machine as its cache. Nothing is asked of the store yet.
    pub fn shared(root: impl Into<PathBuf>, config: &RemoteConfig) -> Result<Self, ArtifactError> {
        let local = LocalArtifacts::open(root)?;
        let remote = remote::open(config, &local)?;
        let shared = Shared { remote, budget: Budget::new(config.cache_bytes), turns: Turns::default() };
        Ok(Self { local, shared: Some(shared) })
    }

    /// The folder. All paths that this hands out lie in it.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.local.root()
    }

    /// What lies in the folder, for those who look only.
    #[must_use]
    pub fn folder(&self) -> &LocalArtifacts {
        &self.local
    }

    /// Stores a file. It is durable when this returns, in the shared store if there is one.
    pub async fn put_file(
        &self,
        file: &Path,
        name: &str,
        media_type: &str,
        mode: PutMode,
    ) -> Result<ArtifactRef, ArtifactError> {
        let (local, file) = (self.local.clone(), file.to_owned());
        let (name, media_type) = (name.to_owned(), media_type.to_owned());
        let artifact = block(move || local.put_file(&file, &name, &media_type, mode)).await?;
        self.share(&artifact.digest, artifact.size).await?;
        Ok(artifact)
    }

    /// Stores bytes, like a file.
    pub async fn put_bytes(
        &self,
        bytes: Vec<u8>,
        name: &str,
        media_type: &str,
    ) -> Result<ArtifactRef, ArtifactError> {
        let local = self.local.clone();
        let (name, media_type) = (name.to_owned(), media_type.to_owned());
        let artifact = block(move || local.put_bytes(&bytes, &name, &media_type)).await?;
        self.share(&artifact.digest, artifact.size).await?;
        Ok(artifact)
    }

    /// Where an object can be read on this machine, for as long as the pin lives. It is downloaded if it is not here.
    pub async fn fetch(&self, digest: &Digest) -> Result<Pin, ArtifactError> {
        let Some(shared) = &self.shared else {
            return self.local.lie(digest).ok_or(ArtifactError::Missing(*digest));
        };
        if let Some(pin) = self.local.pin(digest)? {
            return Ok(pin);
        }
        let turn = shared.turns.of(digest);
        let _turn = turn.lock().await;
        for _ in 0..VANISHED_MAX {
            if let Some(pin) = self.local.pin(digest)? {
                return Ok(pin);
            }
            let bytes = download(&self.local, &*shared.remote, digest).await?;
            // Before room is made: it must not be this one that goes.
            let pin = self.local.pin(digest)?;
            shared.budget.spend(bytes, &self.local, &*shared.remote).await;
            if let Some(pin) = pin {
                return Ok(pin);
            }
        }
        Err(ArtifactError::Missing(*digest))
    }

    /// Whether an object is where everybody who may need it finds it. One that is on this machine only, because it is
    /// older than the shared store, is uploaded first.
    pub async fn ensure(&self, digest: &Digest) -> Result<bool, ArtifactError> {
        let here = self.local.path(digest).and_then(|path| path.metadata().ok());
        let Some(shared) = &self.shared else { return Ok(here.is_some()) };
        if shared.remote.look(digest).await?.is_some() {
            return Ok(true);
        }
        match here {
            Some(meta) => self.share(digest, meta.len()).await.map(|()| true),
            None => Ok(false),
        }
    }

    /// Whether the shared store takes an object, gives it back and forgets it: one of a few bytes that nobody else
    /// has, and that is gone afterwards.
    pub async fn probe(&self) -> Result<(), ArtifactError> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let moment = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let text = format!("a probe of process {} at {} ns", std::process::id(), moment.as_nanos());
        let put = self.put_bytes(text.clone().into_bytes(), "probe", "text/plain").await?;
        let read = shared.remote.read(&put.digest, 0..put.size).await;
        let removed = shared.remote.remove(vec![put.digest]).await;
        self.local.remove(&put.digest)?;
        let read = read?;
        removed?;
        if read != text.as_bytes() {
            let found = Digest(*blake3::hash(&read).as_bytes());
            return Err(ArtifactError::Damaged { digest: put.digest, found });
        }
        Ok(())
    }

    /// Takes an object to the shared store, unless it is there.
    async fn share(&self, digest: &Digest, bytes: u64) -> Result<(), ArtifactError> {
        let Some(shared) = &self.shared else { return Ok(()) };
        let turn = shared.turns.of(digest);
        {
            let _turn = turn.lock().await;
            let held = shared.remote.look(digest).await?;
            if !held.is_some_and(|held| held.bytes == bytes && is_young(held.stored)) {
                let pin = self.local.pin(digest)?.ok_or(ArtifactError::Missing(*digest))?;
                shared.remote.write(digest, pin.path(), bytes).await?;
            }
        }
        shared.budget.shared(digest);
        shared.budget.spend(bytes, &self.local, &*shared.remote).await;
        Ok(())
    }
}

/// Whether an object in the shared store is far from the age at which a collection takes what nobody names. An older
/// one is stored again, which makes it young: whoever puts it is about to name it.
fn is_young(stored: SystemTime) -> bool {
    !is_old(stored, SystemTime::now(), Duration::from_millis(limits::ARTIFACT_GRACE_MS / 2))
}

/// One transfer of an object at a time in this process.
#[derive(Debug, Default)]
struct Turns(Mutex<HashMap<Digest, Weak<tokio::sync::Mutex<()>>>>);

impl Turns {
    /// The lock of an object.
    fn of(&self, digest: &Digest) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(digest).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::default();
        turns.insert(*digest, Arc::downgrade(&turn));
        turn
    }
}
