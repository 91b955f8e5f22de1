//! What can go wrong inside, and what the caller is told.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use reelmill_lifecycle::Damage;
use reelmill_model::RunId;
use reelmill_ports::StoreError;

/// Something went wrong; nothing of the present step was written, or its answer was lost.
#[derive(Debug)]
pub enum Trouble {
    /// Redis said so, or cannot be reached.
    Redis(RedisError),
    /// What lies there cannot be understood.
    Damage(Damage),
    /// A remembered run turned out to have changed: look again.
    Stale(RunId),
    /// The request itself is refused.
    Refused(StoreError),
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl From<Damage> for Trouble {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

impl Trouble {
    /// Whether the connection is of no more use.
    pub fn ends_connection(&self) -> bool {
        matches!(self, Self::Redis(error) if breaks(error))
    }

    /// The error for the caller, with the remedy.
    pub fn into_store_error(self, server: &str) -> StoreError {
        let error = match self {
            Self::Damage(damage) => return StoreError::Corrupt(format!("{server}: {damage}")),
            Self::Refused(error) => return error,
            Self::Stale(run) => {
                let message = format!("run {run} changes faster than it can be read");
                return StoreError::Unavailable { message, source: None };
            }
            Self::Redis(error) if error.kind() == ErrorKind::InvalidClientConfig => {
                return StoreError::Refused(format!("Redis at {server}: {error}"));
            }
            Self::Redis(error) => error,
        };
        let message = format!("Redis at {server} {}", remedy(&error));
        StoreError::Unavailable { message, source: Some(Box::new(error)) }
    }
}

/// Whether after this error of Redis the connection is of no more use.
pub fn breaks(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_unrecoverable_error()
        || error.is_connection_dropped()
        || matches!(error.kind(), ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown))
}

fn remedy(error: &RedisError) -> String {
    if error.is_connection_refusal() {
        return "does not answer: is it running, and is the address right?".into();
    }
    if error.is_timeout() {
        return "took too long to answer".into();
    }
    let code = error.code().unwrap_or_default();
    match code {
        "OOM" => {
            "is full: raise `maxmemory`, or shorten how long ended runs are kept; nothing was lost".into()
        }
        "NOAUTH" | "WRONGPASS" => {
            "refuses the user or password: write them as redis://USER:PASSWORD@HOST:PORT".into()
        }
        "NOPERM" => {
            format!("does not allow what the store needs: {error}; `reelmill doctor` says what to allow")
        }
        "LOADING" => "is still loading its data".into(),
        "MISCONF" => format!("cannot write to its disk: {error}"),
        "READONLY" | "MASTERDOWN" => "is a replica or is failing over".into(),
        _ if error.is_io_error() || error.is_connection_dropped() => format!("is gone: {error}"),
        _ => format!("answers: {error}"),
    }
}
