//! What can go wrong with files.

use reelmill_model::Digest;
use std::io;
use std::path::{Path, PathBuf};

/// An artifact could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The disk is full.
    #[error(
        "no space for {needed} bytes on the disk of {}; free some, or let `reelmill cache gc` do so",
        disk.display()
    )]
    DiskFull {
        /// Bytes of the file that did not fit.
        needed: u64,
        /// The folder of the store.
        disk: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("failed to {doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What was to be stored is not a file.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// There is no such object.
    #[error("there is no artifact {0}")]
    Missing(Digest),
    /// An object is not what its name says.
    #[error(
        "artifact {digest} is damaged: its content has the hash {found}; remove it with `reelmill cache gc` \
         and run the stage again"
    )]
    Damaged {
        /// Its name.
        digest: Digest,
        /// The hash of what is in it.
        found: Digest,
    },
}

impl ArtifactError {
    /// Says what was being done with which file.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}
