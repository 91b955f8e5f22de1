//! How the program ends. Every error maps to one exit code here; scripts may rely on them.

use reelmill_artifacts::ArtifactError;
use reelmill_control::ControlError;
use reelmill_embedded::OpenError;
use reelmill_embedded::memory::MemoryError;
use reelmill_ports::StoreError;
use std::process::ExitCode;

/// What the shell sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for was done.
    Ok,
    /// A run failed or was cancelled, or a check did not pass.
    Failed,
    /// The command line is wrong.
    Usage,
    /// A store cannot be reached or written for now (`EX_TEMPFAIL`).
    Temporary,
    /// The pipeline or its inputs are invalid (`EX_CONFIG`).
    Invalid,
    /// Interrupted from the keyboard; what was started can be gone on with.
    Interrupted,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Temporary => 75,
            Self::Invalid => 78,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A command could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line asks for something that cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// The pipeline or its inputs are invalid in a way that has no place in the file.
    #[error("{0}")]
    Invalid(String),
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A use case refused or failed.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The engine could not be put together.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What is remembered could not be read or written.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// Anything else: a file that cannot be read, a folder that cannot be written.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl CliError {
    /// How the program ends because of it.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_)
            | Self::Control(
                ControlError::NoSuchStage { .. }
                | ControlError::NoSuchPipeline { .. }
                | ControlError::NoSuchTrigger { .. },
            )
            | Self::Memory(MemoryError::Refused(_))
            | Self::Open(
                OpenError::Artifacts(ArtifactError::BadRemote { .. })
                | OpenError::Memory(MemoryError::Refused(_)),
            ) => Exit::Usage,
            Self::Invalid(_)
            | Self::Control(
                ControlError::Inputs(_)
                | ControlError::Rows(_)
                | ControlError::Key(_)
                | ControlError::Invalid { .. },
            ) => Exit::Invalid,
            Self::Store(error)
            | Self::Control(ControlError::Store(error))
            | Self::Open(OpenError::Store(error)) => of_store(error),
            Self::Memory(MemoryError::Away { .. })
            | Self::Control(ControlError::Artifacts(ArtifactError::Unreachable { .. })) => Exit::Temporary,
            Self::Control(_) | Self::Memory(_) | Self::Open(_) | Self::Other(_) => Exit::Failed,
        }
    }

    /// The error and its causes, outermost first, on one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            if !text.ends_with(&cause_text) {
                text = format!("{text}: {cause_text}");
            }
            source = cause.source();
        }
        text
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Unavailable { .. } | StoreError::ArchiveAway { .. } => Exit::Temporary,
        StoreError::NoSuchRun(_) => Exit::Usage,
        StoreError::NoSuchGraph(_)
        | StoreError::Refused(_)
        | StoreError::Outdated(_)
        | StoreError::Corrupt(_) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context as _;

    #[test]
    fn the_error_decides_the_exit_code() {
        let unavailable = StoreError::Unavailable { message: "locked".to_owned(), source: None };
        for (error, code) in [
            (CliError::Usage("x".to_owned()), 2),
            (CliError::Invalid("x".to_owned()), 78),
            (CliError::Store(unavailable), 75),
            (CliError::Store(StoreError::Refused("x".to_owned())), 1),
            (CliError::Other(anyhow::anyhow!("x")), 1),
        ] {
            assert_eq!(error.exit().code(), code, "{error:?}");
        }
    }

    #[test]
    fn causes_are_told_once() {
        let cause: Result<(), _> = Err(std::io::Error::other("disk full"));
        let error = CliError::from(cause.context("cannot write out/demo").expect_err("it is an error"));
        assert_eq!(error.chain(), "cannot write out/demo: disk full");
    }
}
