//! What a store can answer instead of a result.

/// A store could not do what was asked. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such run.
    #[error("there is no run {0}")]
    NoSuchRun(reelmill_model::RunId),
    /// No graph of that digest was put into the store.
    #[error("the store has no graph {0}")]
    NoSuchGraph(reelmill_model::Digest),
    /// The request breaks a limit or a rule; trying again will not help.
    #[error("{0}")]
    Refused(String),
    /// What the caller knew is not so any more; it may look again and decide anew.
    #[error("{0}")]
    Outdated(String),
    /// The store cannot be reached or written for now; trying again may help.
    #[error("the store is not available: {message}")]
    Unavailable {
        /// What it said.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// Only the archive can answer, and it cannot be reached for now; what has not left the store for it is not concerned.
    #[error("the archive does not answer: {message}; runs that have left the live store are read there")]
    ArchiveAway {
        /// Where it is, what it said, and what can be done.
        message: String,
        /// The cause.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// What the store holds contradicts itself, or was written by a newer version.
    #[error("the store is damaged or of another version: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same may succeed later, because who was asked cannot answer for now.
    #[must_use]
    pub const fn passes(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::ArchiveAway { .. })
    }
}

impl From<reelmill_lifecycle::Damage> for StoreError {
    fn from(damage: reelmill_lifecycle::Damage) -> Self {
        Self::Corrupt(damage.0)
    }
}

impl From<reelmill_lifecycle::registry::PutRefused> for StoreError {
    fn from(refused: reelmill_lifecycle::registry::PutRefused) -> Self {
        use reelmill_lifecycle::registry::PutRefused;
        match refused {
            PutRefused::Outdated { .. } => Self::Outdated(refused.to_string()),
            PutRefused::TooMany | PutRefused::TooLong(_) | PutRefused::About(_) => {
                Self::Refused(refused.to_string())
            }
        }
    }
}
