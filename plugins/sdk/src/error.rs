//! Why a stage failed. The class decides whether another attempt follows, so choosing it is the one thing a
//! stage must get right.

use reelmill_model::{Failure, FailureClass};
use serde_json::Value;
use std::fmt;
use std::io::{Error as IoError, ErrorKind};
use std::time::Duration;

/// A failed attempt, as the stage says it.
#[derive(Debug)]
pub struct StageError(Box<Failure>);

macro_rules! classes {
    ($($(#[$doc:meta])* $name:ident => $class:ident),+ $(,)?) => {
        impl StageError {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(message: impl Into<String>) -> Self {
                Self(Box::new(Failure::new(FailureClass::$class, message)))
            })+
        }
    };
}

classes! {
    /// A passing fault: tried again.
    transient => Transient,
    /// Something the stage talks to failed: tried again.
    dependency => Dependency,
    /// Not enough memory, disk or quota for now: tried again.
    resource => Resource,
    /// The stage cannot work with this `with`: not tried again.
    invalid_input => InvalidInput,
    /// The machine or the plugin is set up wrongly (a missing library, a missing key): not tried again.
    invalid_config => InvalidConfig,
    /// It can never work: not tried again.
    permanent => Permanent,
    /// A bug in the stage: tried a limited number of times.
    internal => Internal,
}

impl StageError {
    /// The attempt was asked to stop; [`Cx::check`](crate::Cx::check) returns this.
    #[must_use]
    pub fn cancelled() -> Self {
        Self(Box::new(Failure::new(FailureClass::Cancelled, "stopped because the attempt was cancelled")))
    }

    /// Adds a short stable word by which pipelines and people recognise the failure (`no_such_voice`).
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.0.code = code.into();
        self
    }

    /// Adds more to read.
    #[must_use]
    pub fn detail(mut self, detail: Value) -> Self {
        self.0.detail = Some(detail);
        self
    }

    /// Asks for no other attempt before this time has passed (a provider's `Retry-After`).
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after_ms = Some(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX));
        self
    }

    /// Adds a cause below those already there.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.0.causes.push(cause.to_string());
        self
    }

    /// Puts what was being tried in front of the message: `read the font: no such file`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.0.message = format!("{doing}: {}", self.0.message);
        self
    }

    /// Its class.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        self.0.class
    }

    /// The failure itself.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0
    }
}

impl fmt::Display for StageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for StageError {}

impl From<IoError> for StageError {
    fn from(error: IoError) -> Self {
        let message = error.to_string();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::OutOfMemory => {
                Self::resource(message)
            }
            ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::ResourceBusy => {
                Self::transient(message)
            }
            ErrorKind::PermissionDenied => Self::permanent(format!(
                "{message} (the sandbox lets a stage read its inputs and what its manifest asks for, and write to \
                 its scratch folder)"
            )),
            ErrorKind::NotFound
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::InvalidInput => Self::permanent(message),
            _ => Self::dependency(message),
        }
    }
}

/// Says what was being tried when something failed.
pub trait Context<T> {
    /// `std::fs::read(&path).context("read the font")?`
    fn context(self, doing: impl fmt::Display) -> Result<T, StageError>;
}

impl<T, E: Into<StageError>> Context<T> for Result<T, E> {
    fn context(self, doing: impl fmt::Display) -> Result<T, StageError> {
        self.map_err(|error| error.into().context(doing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_stands_before_the_message_and_keeps_the_class() {
        let missing: Result<(), _> = Err(IoError::from(ErrorKind::NotFound));
        let error = missing.context("read the font").unwrap_err();
        assert_eq!(error.class(), FailureClass::Permanent);
        assert!(error.failure().message.starts_with("read the font: "), "{error}");
    }

    #[test]
    fn a_full_disk_is_worth_another_attempt_and_a_missing_file_is_not() {
        assert!(StageError::from(IoError::from(ErrorKind::StorageFull)).class().is_retryable());
        assert!(!StageError::from(IoError::from(ErrorKind::NotFound)).class().is_retryable());
    }

    #[test]
    fn everything_said_about_a_failure_reaches_the_json() {
        let error = StageError::dependency("the provider is busy")
            .code("busy")
            .retry_after(Duration::from_secs(2))
            .cause("HTTP 429")
            .detail(serde_json::json!({ "status": 429 }));
        assert_eq!(
            serde_json::to_value(error.failure()).unwrap(),
            serde_json::json!({
                "class": "dependency", "code": "busy", "message": "the provider is busy",
                "retry_after_ms": 2000, "detail": { "status": 429 }, "causes": ["HTTP 429"]
            })
        );
    }
}
