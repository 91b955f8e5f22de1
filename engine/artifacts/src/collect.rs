//! How much is stored, and removing what nobody refers to.

use crate::error::ArtifactError;
use crate::store::LocalArtifacts;
use reelmill_model::Digest;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// How much is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Artifacts.
    pub count: u64,
    /// Their lengths together.
    pub bytes: u64,
}

impl LocalArtifacts {
    /// How much is stored.
    pub fn usage(&self) -> Result<Usage, ArtifactError> {
        let mut usage = Usage::default();
        self.each(|_, _, facts| {
            usage.count += 1;
            usage.bytes += facts.len();
            Ok(())
        })?;
        Ok(usage)
    }

    /// Removes artifacts that `keep` does not want and that are older than `grace`: a younger one may have been
    /// stored by an attempt that has not settled yet. Says what was removed.
    pub fn collect(&self, keep: impl Fn(&Digest) -> bool, grace: Duration) -> Result<Usage, ArtifactError> {
        let now = SystemTime::now();
        let mut removed = Usage::default();
        self.each(|digest, _, facts| {
            let age = facts.modified().ok().and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
            if age >= grace && !keep(&digest) && self.remove(&digest)? {
                removed.count += 1;
                removed.bytes += facts.len();
            }
            Ok(())
        })?;
        Ok(removed)
    }

    /// Visits every artifact. One that goes away meanwhile is passed over.
    fn each(
        &self,
        mut visit: impl FnMut(Digest, &Path, &fs::Metadata) -> Result<(), ArtifactError>,
    ) -> Result<(), ArtifactError> {
        let objects = self.root().join("objects");
        let folders = fs::read_dir(&objects).map_err(ArtifactError::io("read", &objects))?;
        for folder in folders.flatten() {
            let Ok(files) = fs::read_dir(folder.path()) else { continue };
            for file in files.flatten() {
                let digest = format!("blake3:{}", file.file_name().to_string_lossy()).parse();
                if let (Ok(digest), Ok(facts)) = (digest, file.metadata()) {
                    visit(digest, &file.path(), &facts)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_unwanted_and_old_is_removed() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = LocalArtifacts::open(dir.path()).expect("a store");
        let kept = store.put_bytes(b"kept", "a", "text/plain").expect("stored").digest;
        let unwanted = store.put_bytes(b"unwanted", "b", "text/plain").expect("stored").digest;
        assert_eq!(store.usage().expect("counted"), Usage { count: 2, bytes: 12 });
        let hour = Duration::from_hours(1);
        assert_eq!(store.collect(|_| false, hour).expect("collected"), Usage::default(), "all are young");
        let removed = store.collect(|digest| *digest == kept, Duration::ZERO).expect("collected");
        assert_eq!(removed, Usage { count: 1, bytes: 8 });
        assert!(store.path(&kept).is_some() && store.path(&unwanted).is_none());
    }
}
