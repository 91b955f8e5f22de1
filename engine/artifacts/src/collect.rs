//! Removing what nobody names any more.

use crate::error::ArtifactError;
use crate::store::LocalArtifacts;
use reelmill_model::Digest;
use std::time::{Duration, SystemTime};

/// What a clean-up removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
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
            // A time in the future is a clock that was set back: not old.
            let old = now.duration_since(stored).is_ok_and(|age| age >= older_than);
            if old && !keep(&digest) && self.remove(&digest)? {
                collected.objects += 1;
                collected.bytes += meta.len();
            }
            Ok(())
        })?;
        Ok(collected)
    }
}
