//! The store that a fleet shares: what the rest of the crate asks of it, and the kinds there are.
//!
//! An object lies at `objects/ab/abcd…` below the store's address, named by its content as it is on a machine. It is
//! there whole or not at all.

mod bucket;
mod fault;
mod folder;
mod journal;
mod upload;

use crate::config::RemoteConfig;
use crate::error::ArtifactError;
use crate::store::LocalArtifacts;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use reelmill_model::Digest;
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What is known of an object without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Its length.
    pub bytes: u64,
    /// When it was stored, by the store's clock.
    pub stored: SystemTime,
}

/// A store that other machines see too.
#[async_trait]
pub trait Remote: fmt::Debug + Send + Sync {
    /// Its address, for people.
    fn name(&self) -> &str;

    /// Whether an object is there.
    async fn look(&self, digest: &Digest) -> Result<Option<Held>, ArtifactError>;

    /// Stores a file under its digest; it is durable when this returns. What was cut short goes on.
    async fn write(&self, digest: &Digest, file: &Path, bytes: u64) -> Result<(), ArtifactError>;

    /// Reads bytes of an object that is there.
    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, ArtifactError>;

    /// All objects, page by page.
    fn list(&self) -> BoxStream<'_, Result<(Digest, Held), ArtifactError>>;

    /// Removes objects. One that is not there is no error.
    async fn remove(&self, digests: Vec<Digest>) -> Result<(), ArtifactError>;

    /// Why a store that says it lacks an object may really lack everything. Costs a question.
    async fn explain_missing(&self, digest: &Digest) -> ArtifactError;

    /// Gives up uploads that were begun here, cut short, and not gone on with for that long.
    async fn give_up_uploads(&self, grace: Duration) -> Result<(), ArtifactError>;
}

/// The store at an address.
pub fn open(config: &RemoteConfig, local: &LocalArtifacts) -> Result<Arc<dyn Remote>, ArtifactError> {
    let bad = |why: &str| ArtifactError::BadRemote { url: config.url.clone(), why: why.to_owned() };
    match config.url.split_once("://") {
        Some(("s3", rest)) => Ok(Arc::new(bucket::Bucket::open(config, rest, local)?)),
        Some(("file", path)) if path.starts_with('/') => {
            Ok(Arc::new(folder::Folder::open(&config.url, Path::new(path))?))
        }
        Some(("file", _)) => Err(bad("the path of the folder is not absolute")),
        Some((scheme, _)) => Err(bad(&format!("`{scheme}` is not known"))),
        None => Err(bad("it has no `://`")),
    }
}
