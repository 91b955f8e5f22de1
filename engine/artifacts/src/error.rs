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
    /// The address of the shared store cannot be used.
    #[error("`{url}` is no artifact store: {why}; write `s3://BUCKET/PREFIX` or `file:///FOLDER`")]
    BadRemote {
        /// The address.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// The bucket does not exist.
    #[error(
        "there is no bucket for {remote} at {endpoint}; make it, or correct the address of the artifacts"
    )]
    NoBucket {
        /// The address.
        remote: String,
        /// Where it was looked for.
        endpoint: String,
    },
    /// The shared store knows the credentials and refuses them, or does not know them.
    #[error(
        "{remote} refused the credentials; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may \
         read, write, list and delete there: {source}"
    )]
    Refused {
        /// The address.
        remote: String,
        /// What it said.
        source: object_store::Error,
    },
    /// There are no credentials, neither in the environment nor of the machine.
    #[error("there are no credentials for {remote}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]
    NoCredentials {
        /// The address.
        remote: String,
        /// What was tried last.
        source: object_store::Error,
    },
    /// The shared store does not answer.
    #[error("{remote} cannot be reached at {endpoint}; check AWS_ENDPOINT_URL and the network: {source}")]
    Unreachable {
        /// The address.
        remote: String,
        /// Where it was looked for.
        endpoint: String,
        /// What came instead of an answer.
        source: object_store::Error,
    },
    /// The shared store answered with an error.
    #[error("failed to {doing} in {remote}: {source}")]
    Remote {
        /// What was being done.
        doing: String,
        /// The address.
        remote: String,
        /// What it said.
        source: object_store::Error,
    },
    /// What came from the shared store is not what its name says, twice.
    #[error(
        "artifact {digest} is damaged in {remote}: its content has the hash {found}; delete the object there and \
         run the stage again"
    )]
    RemoteDamaged {
        /// Its name.
        digest: Digest,
        /// The hash of what came.
        found: Digest,
        /// The address.
        remote: String,
    },
}

impl ArtifactError {
    /// Whether it is about the shared store and not about this machine.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(
            self,
            Self::NoBucket { .. }
                | Self::Refused { .. }
                | Self::NoCredentials { .. }
                | Self::Unreachable { .. }
                | Self::Remote { .. }
                | Self::RemoteDamaged { .. }
        )
    }

    /// Says what was being done with which file.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { doing, path, source }
    }
}
