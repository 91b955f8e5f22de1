//! What may go wrong.

use std::error::Error;

/// The memory did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// It was asked for something that it does not do: what is wrong, and what would be right.
    #[error("{0}")]
    Refused(String),
    /// It cannot be reached, or does not answer, for now.
    #[error("the memory is away: {message}")]
    Away {
        /// Where it is, and why.
        message: String,
        /// The cause, where there is one.
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// What is there cannot be read, or was made by a newer program.
    #[error("{0}")]
    Corrupt(String),
}
