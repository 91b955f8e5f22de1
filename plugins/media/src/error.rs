//! What can go wrong with media, in words for the person who gave the file.

use std::path::{Path, PathBuf};

/// The result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Whom an error concerns; callers turn it into a failure class.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The given file or settings cannot be worked with.
    Input,
    /// The disk or the memory is full, for now.
    Resource,
    /// libav on this machine lacks something.
    Setup,
    /// This code broke its own rules.
    Internal,
    /// The caller asked to stop.
    Cancelled,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be opened or decoded.
    #[error("{} cannot be read: {reason}{}", path.display(), tail(log))]
    Input {
        /// The file.
        path: PathBuf,
        /// Why, in a few words.
        reason: String,
        /// What libav logged meanwhile.
        log: Vec<String>,
    },
    /// A filter graph could not be built or failed while it ran.
    #[error("the filter graph failed: {reason}{}; graph: {spec}", tail(log))]
    Graph {
        /// The graph's text.
        spec: String,
        /// Why, in a few words.
        reason: String,
        /// What libav logged meanwhile.
        log: Vec<String>,
    },
    /// An encoder could not be opened or failed.
    #[error("encoder {encoder}: {reason}{}", tail(log))]
    Encoder {
        /// Its name in libav.
        encoder: String,
        /// Why, in a few words.
        reason: String,
        /// What libav logged meanwhile.
        log: Vec<String>,
    },
    /// libav on this machine has no such part.
    #[error("libav on this machine has no {what}; install Debian's libavcodec-extra or choose another")]
    Missing {
        /// What is not there.
        what: String,
    },
    /// A frame differs from what the next part expects.
    #[error("{place} expects {wanted}, but a frame has {got}")]
    Mismatch {
        /// Who was to take the frame.
        place: String,
        /// What it takes.
        wanted: String,
        /// What came.
        got: String,
    },
    /// A file could not be written.
    #[error("{} cannot be written: {reason}{}", path.display(), tail(log))]
    Output {
        /// The file.
        path: PathBuf,
        /// Why, in a few words.
        reason: String,
        /// What libav logged meanwhile.
        log: Vec<String>,
    },
    /// A setting is out of its range.
    #[error("{0}")]
    Setting(String),
    /// The caller asked to stop; partial files are gone.
    #[error("the work was cancelled")]
    Cancelled,
}

fn tail(log: &[String]) -> String {
    if log.is_empty() { String::new() } else { format!(" ({})", log.join("; ")) }
}

impl Error {
    /// Whom it concerns.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Input { .. } | Self::Setting(_) => ErrorKind::Input,
            Self::Output { .. } => ErrorKind::Resource,
            Self::Missing { .. } => ErrorKind::Setup,
            Self::Graph { .. } | Self::Encoder { .. } | Self::Mismatch { .. } => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "callers hand in libav's errors and texts alike")]
impl Error {
    pub(crate) fn input(path: &Path, reason: impl ToString) -> Self {
        Self::Input { path: path.to_owned(), reason: reason.to_string(), log: crate::log::take() }
    }

    pub(crate) fn output(path: &Path, reason: impl ToString) -> Self {
        Self::Output { path: path.to_owned(), reason: reason.to_string(), log: crate::log::take() }
    }

    pub(crate) fn graph(spec: &str, reason: impl ToString) -> Self {
        Self::Graph { spec: spec.to_owned(), reason: reason.to_string(), log: crate::log::take() }
    }

    pub(crate) fn encoder(name: &str, reason: impl ToString) -> Self {
        Self::Encoder { encoder: name.to_owned(), reason: reason.to_string(), log: crate::log::take() }
    }

    pub(crate) fn mismatch(place: &str, wanted: impl ToString, got: impl ToString) -> Self {
        Self::Mismatch { place: place.to_owned(), wanted: wanted.to_string(), got: got.to_string() }
    }
}
