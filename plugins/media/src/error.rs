//! What can go wrong with media, in words for the person who gave the file.

use crate::codec::Tried;
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
    #[error("encoder {encoder}{}: {reason}{}", place(*frame), tail(log))]
    Encoder {
        /// Its name in libav.
        encoder: String,
        /// The frame it was given when it failed; nothing where it could not be opened.
        frame: Option<u64>,
        /// Why, in a few words.
        reason: String,
        /// What libav logged meanwhile.
        log: Vec<String>,
    },
    /// Every encoder of a chain failed.
    #[error("no encoder could make the video: {}", sentences(tried))]
    Encoders {
        /// How it went with each.
        tried: Vec<Tried>,
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

fn place(frame: Option<u64>) -> String {
    frame.map_or_else(String::new, |frame| format!(" at frame {frame}"))
}

fn sentences(tried: &[Tried]) -> String {
    if tried.is_empty() {
        return "none of those that were asked for makes this codec".to_owned();
    }
    tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Error {
    /// Whom it concerns.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Input { .. } | Self::Setting(_) => ErrorKind::Input,
            Self::Output { .. } => ErrorKind::Resource,
            Self::Missing { .. } | Self::Encoders { .. } => ErrorKind::Setup,
            Self::Graph { .. } | Self::Encoder { .. } | Self::Mismatch { .. } => ErrorKind::Internal,
            Self::Cancelled => ErrorKind::Cancelled,
        }
    }
}

impl Error {
    /// The same, of an encoder that had been given so many frames.
    pub(crate) fn at_frame(mut self, number: u64) -> Self {
        if let Self::Encoder { frame, .. } = &mut self {
            frame.get_or_insert(number);
        }
        self
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
        Self::encoder_at(name, None, reason)
    }

    pub(crate) fn encoder_at(name: &str, frame: Option<u64>, reason: impl ToString) -> Self {
        Self::Encoder { encoder: name.to_owned(), frame, reason: reason.to_string(), log: crate::log::take() }
    }

    pub(crate) fn mismatch(place: &str, wanted: impl ToString, got: impl ToString) -> Self {
        Self::Mismatch { place: place.to_owned(), wanted: wanted.to_string(), got: got.to_string() }
    }
}
