//! How a shared store is reached.

use reelmill_model::limits;
use std::time::Duration;

/// A shared store, and how this machine uses it.
#[derive(Clone)]
pub struct RemoteConfig {
    /// `s3://BUCKET/PREFIX` or `file:///FOLDER`.
    pub url: String,
    /// Variables that say how S3 is reached: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_REGION`, `AWS_ENDPOINT_URL` and the others of its tools. Whoever puts the program together passes the
    /// environment; this crate does not read it.
    pub variables: Vec<(String, String)>,
    /// Bytes of artifacts that stay on this machine; those used longest ago go, if the shared store has them.
    pub cache_bytes: u64,
    /// When a request is tried again.
    pub retry: Retry,
}

/// When a request that found no answer, or an answer of 5xx, is tried again: after a time that doubles, drawn at
/// random below its bound.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Tries after the first.
    pub times: usize,
    /// The first time.
    pub first: Duration,
    /// The longest time.
    pub longest: Duration,
}

impl RemoteConfig {
    /// The store at an address with the defaults.
    #[must_use]
    pub fn new(url: impl Into<String>, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            url: url.into(),
            variables: variables.into_iter().filter(|(name, _)| name.starts_with("AWS_")).collect(),
            cache_bytes: limits::ARTIFACT_CACHE_BYTES_DEFAULT,
            retry: Retry { times: 8, first: Duration::from_millis(100), longest: Duration::from_secs(10) },
        }
    }
}

// By hand, because the variables hold a secret.
impl std::fmt::Debug for RemoteConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.variables.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("RemoteConfig")
            .field("url", &self.url)
            .field("variables", &names)
            .field("cache_bytes", &self.cache_bytes)
            .field("retry", &self.retry)
            .finish()
    }
}
