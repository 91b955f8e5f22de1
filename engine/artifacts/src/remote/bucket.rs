//! A bucket of S3, or of a server that speaks its protocol.

use super::fault::{Address, is_stale};
use super::journal::Header;
use super::upload::{self, Upload};
use super::{Held, Remote};
use crate::block::block;
use crate::claim::Claim;
use crate::config::RemoteConfig;
use crate::error::ArtifactError;
use crate::store::{LocalArtifacts, digest_of};
use crate::transfers;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::multipart::MultipartStore as _;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectMeta, ObjectStore, ObjectStoreExt as _, RetryConfig,
};
use reelmill_model::{Digest, limits};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Time for one request and its answer; a part over a slow line needs most of it.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(2);
/// Time to a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time in which a request may be begun again.
const RETRY_TIMEOUT: Duration = Duration::from_mins(3);

#[derive(Debug)]
pub struct Bucket {
    pub(super) s3: AmazonS3,
    pub(super) address: Address,
    /// Parts that may lie in memory.
    pub(super) parts: Semaphore,
    prefix: Key,
    transfers: PathBuf,
    /// What uploads to this store, and to no other, are called among the transfers.
    way: String,
}

impl Bucket {
    /// The bucket and the prefix in `rest` of an address.
    pub fn open(config: &RemoteConfig, rest: &str, local: &LocalArtifacts) -> Result<Self, ArtifactError> {
        let bad = |why: String| ArtifactError::BadRemote { url: config.url.clone(), why };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(bad("it names no bucket".to_owned()));
        }
        // The TLS below was built without a default; only the first one set counts.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = builder(config).with_bucket_name(bucket);
        let value = |key| builder.get_config_value(&key);
        let endpoint = value(AmazonS3ConfigKey::S3Endpoint).or_else(|| value(AmazonS3ConfigKey::Endpoint));
        let address = Address {
            remote: config.url.clone(),
            has_keys: value(AmazonS3ConfigKey::AccessKeyId).is_some(),
            endpoint: endpoint.unwrap_or_else(|| "the S3 of AWS".to_owned()),
        };
        Ok(Self {
            s3: builder.build().map_err(|error| bad(error.to_string()))?,
            address,
            parts: Semaphore::new(limits::ARTIFACT_PARTS_IN_MEMORY_MAX),
            prefix: Key::parse(prefix.trim_matches('/')).map_err(|error| bad(error.to_string()))?,
            transfers: local.transfers(),
            way: format!("{}.up", &blake3::hash(config.url.as_bytes()).to_hex()[..8]),
        })
    }

    pub(super) fn key(&self, digest: &Digest) -> Key {
        let hex = digest.hex();
        self.objects().join(&hex[..2]).join(hex)
    }

    fn objects(&self) -> Key {
        self.prefix.clone().join("objects")
    }

    /// Gives up an upload, so that its parts do not stay.
    pub(super) async fn give_up(&self, digest: &Digest, upload: &String) -> Result<(), ArtifactError> {
        match self.s3.abort_multipart(&self.key(digest), upload).await {
            Ok(()) => Ok(()),
            // It was finished or given up before.
            Err(error) if is_stale(&error) => Ok(()),
            Err(error) => Err(self.fault("give up an upload")(error)),
        }
    }

    pub(super) fn fault(&self, doing: &'static str) -> impl FnOnce(Error) -> ArtifactError {
        let address = self.address.clone();
        move |error| address.fault(doing, error)
    }
}

fn builder(config: &RemoteConfig) -> AmazonS3Builder {
    let retry = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: config.retry.first,
            max_backoff: config.retry.longest,
            base: 2.,
        },
        max_retries: config.retry.times,
        retry_timeout: RETRY_TIMEOUT,
    };
    let client = ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_connect_timeout(CONNECT_TIMEOUT);
    let mut builder = AmazonS3Builder::new().with_client_options(client).with_retry(retry);
    for (name, value) in &config.variables {
        // Names that mean nothing to S3, such as AWS_PROFILE, are those of other tools.
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            // Whoever names a server without TLS wants to speak to it.
            let is_plain = matches!(key, AmazonS3ConfigKey::Endpoint | AmazonS3ConfigKey::S3Endpoint)
                && value.starts_with("http://");
            builder = builder.with_config(key, value);
            if is_plain {
                builder = builder.with_allow_http(true);
            }
        }
    }
    builder
}

fn held(meta: &ObjectMeta) -> Held {
    Held { bytes: meta.size, stored: meta.last_modified.into() }
}

#[async_trait]
impl Remote for Bucket {
    fn name(&self) -> &str {
        &self.address.remote
    }

    async fn look(&self, digest: &Digest) -> Result<Option<Held>, ArtifactError> {
        match self.s3.head(&self.key(digest)).await {
            Ok(meta) => Ok(Some(held(&meta))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.fault("look for an artifact")(error)),
        }
    }

    async fn write(&self, digest: &Digest, file: &Path, bytes: u64) -> Result<(), ArtifactError> {
        if bytes > limits::ARTIFACT_PART_BYTES {
            let progress = transfers::file(&self.transfers, digest, &self.way);
            let claim = block(move || Claim::wait(&progress)).await?;
            return Upload { bucket: self, digest, file, bytes }.run(claim).await;
        }
        let _permit = self.parts.acquire().await;
        let content = upload::read(file.to_owned(), 0..bytes).await?;
        self.s3.put(&self.key(digest), content.into()).await.map_err(self.fault("store an artifact"))?;
        Ok(())
    }

    async fn read(&self, digest: &Digest, range: Range<u64>) -> Result<Bytes, ArtifactError> {
        let _permit = self.parts.acquire().await;
        self.s3.get_range(&self.key(digest), range).await.map_err(self.fault("read an artifact"))
    }

    fn list(&self) -> BoxStream<'_, Result<(Digest, Held), ArtifactError>> {
        let found = self.s3.list(Some(&self.objects()));
        found
            .map_err(|error| self.fault("list the artifacts")(error))
            .try_filter_map(|meta| async move {
                // What has another name was put there by somebody else.
                let digest = meta.location.filename().and_then(digest_of);
                Ok(digest.map(|digest| (digest, held(&meta))))
            })
            .boxed()
    }

    async fn remove(&self, digests: Vec<Digest>) -> Result<(), ArtifactError> {
        let keys: Vec<_> = digests.iter().map(|digest| Ok(self.key(digest))).collect();
        let removed = self.s3.delete_stream(stream::iter(keys).boxed());
        removed.try_for_each(|_| async { Ok(()) }).await.map_err(self.fault("remove artifacts"))
    }

    /// HEAD has no body and so does not say whether the object or its bucket is missing; a listing does.
    async fn explain_missing(&self, digest: &Digest) -> ArtifactError {
        match self.s3.list(Some(&self.key(digest))).next().await {
            Some(Err(error)) => self.fault("list the artifacts")(error),
            Some(Ok(_)) | None => ArtifactError::Missing(*digest),
        }
    }

    async fn give_up_uploads(&self, grace: Duration) -> Result<(), ArtifactError> {
        let (folder, way) = (self.transfers.clone(), self.way.clone());
        let abandoned = block(move || transfers::abandoned(&folder, &way, grace)).await?;
        for (digest, mut claim) in abandoned {
            if let Some(header) = Header::read(&mut claim.file) {
                self.give_up(&digest, &header.upload).await?;
            }
            claim.remove()?;
        }
        Ok(())
    }
}
