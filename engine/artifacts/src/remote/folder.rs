//! A folder that all machines mount: laid out like the one of a machine, so that it is read and written the same way.

use super::{Held, Remote};
use crate::block::block;
use crate::collect::is_old;
use crate::error::ArtifactError;
use crate::put::PutMode;
use crate::store::LocalArtifacts;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use reelmill_model::Digest;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[derive(Debug)]
pub struct Folder {
    url: String,
    store: LocalArtifacts,
}

impl Folder {
    pub fn open(url: &str, path: &Path) -> Result<Self, ArtifactError> {
        // A folder that is not mounted must not become an empty one of this machine.
        if !path.is_dir() {
            let why = format!("there is no folder {}", path.display());
            return Err(ArtifactError::BadRemote { url: url.to_owned(), why });
        }
        Ok(Self { url: url.to_owned(), store: LocalArtifacts::open_mounted(path)? })
    }
}

#[async_trait]
impl Remote for Folder {
    fn name(&self) -> &str {
        &self.url
    }

    async fn look(&self, digest: &Digest) -> Result<Option<Held>, ArtifactError> {
        let path = self.store.place(digest);
        block(move || {
            let meta = match fs::metadata(&path) {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(ArtifactError::io("look at", &path)(error)),
            };
            let stored = meta.modified().map_err(ArtifactError::io("look at", &path))?;
            Ok(Some(Held { bytes: meta.len(), stored }))
        })
        .await
    }

    async fn write(&self, _: &Digest, file: &Path, _: u64) -> Result<(), ArtifactError> {
        let (store, file) = (self.store.clone(), file.to_owned());
        block(move || store.put_file(&file, "", "", PutMode::Copy).map(drop)).await
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, ArtifactError> {
        let path = self.store.place(digest);
        block(move || {
            let length = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
            let mut bytes = vec![0; length];
            File::open(&path)
                .and_then(|file| file.read_exact_at(&mut bytes, range.start))
                .map_err(ArtifactError::io("read", &path))?;
            Ok(Bytes::from(bytes))
        })
        .await
    }

    fn list(&self) -> BoxStream<'_, Result<(Digest, Held), ArtifactError>> {
        let store = self.store.clone();
        let listed = block(move || {
            let mut found = Vec::new();
            store.each(|digest, path, meta| {
                let stored = meta.modified().map_err(ArtifactError::io("look at", path))?;
                found.push(Ok((digest, Held { bytes: meta.len(), stored })));
                Ok(())
            })?;
            Ok(found)
        });
        stream::once(listed).map_ok(stream::iter).try_flatten().boxed()
    }

    async fn remove(&self, digests: Vec<Digest>) -> Result<(), ArtifactError> {
        let store = self.store.clone();
        block(move || digests.iter().try_for_each(|digest| store.remove(digest).map(drop))).await
    }

    async fn explain_missing(&self, digest: &Digest) -> ArtifactError {
        ArtifactError::Missing(*digest)
    }

    /// A copy that was cut short is a temporary file of a machine, which removes it itself unless it is lost or was
    /// started again.
    async fn give_up_uploads(&self, grace: Duration) -> Result<(), ArtifactError> {
        let root = self.store.root().join("tmp");
        block(move || forget_copies(&root, grace)).await
    }
}

fn forget_copies(root: &Path, grace: Duration) -> Result<(), ArtifactError> {
    let now = SystemTime::now();
    for machine in fs::read_dir(root).map_err(ArtifactError::io("list", root))?.flatten() {
        for file in fs::read_dir(machine.path()).into_iter().flatten().flatten() {
            let written = file.metadata().and_then(|meta| meta.modified());
            if written.is_ok_and(|written| is_old(written, now, grace)) {
                // Its own machine may remove it at the same time.
                let _ = fs::remove_file(file.path());
            }
        }
    }
    Ok(())
}
