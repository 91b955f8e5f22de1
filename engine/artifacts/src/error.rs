//! What can go wrong with a file.

use reelmill_model::Digest;
use std::io;
use std::path::{Path, PathBuf};

/// An artifact could not be stored, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The disk is full.
    #[error(
        "no room to store {} ({needed_bytes} bytes needed) on the disk of {}; free some, or run \
         `reelmill cache gc`",
        file.display(),
        root.display()
    )]
    DiskFull {
        /// What was to be stored.
        file: PathBuf,
        /// How much room it needs.
        needed_bytes: u64,
        /// The store's folder.
        root: PathBuf,
    },
    /// A file could not be read or written.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A stored file is not what its address says: the disk, or someone, changed it.
    #[error("{digest} is damaged: its content is {found}; it was removed and has to be made again")]
    Damaged {
        /// What it should be.
        digest: Digest,
        /// What it is.
        found: Digest,
    },
}

impl ArtifactError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
