//! What the scheduler asks of whoever runs it.

use async_trait::async_trait;
use reelmill_model::RunId;
use reelmill_ports::{Clock, StoreError};
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A run that a trigger starts.
#[derive(Clone, PartialEq, Debug)]
pub struct Launch {
    /// Its id: the same for the same firing. The submission must be idempotent on it.
    pub run: RunId,
    /// The tenant.
    pub namespace: String,
    /// The pipeline's name.
    pub pipeline: String,
    /// The trigger's name.
    pub trigger: String,
    /// The moment of the firing, in milliseconds since the epoch.
    pub at_ms: u64,
    /// Inputs as they would be given by hand.
    pub inputs: Map<String, Value>,
}

/// A run that was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Launched {
    /// Its id: another one than was asked for where the pipeline's `unique` says that that is the same.
    pub run: RunId,
    /// Whether it is new.
    pub new: bool,
}

/// A run that was not started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct LaunchError {
    /// Whether it can be started later. Otherwise the firing comes to nothing.
    pub retry: bool,
    /// Why.
    pub message: String,
}

/// Whoever starts runs.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts a run, and answers when it is durable.
    async fn launch(&self, launch: Launch) -> Result<Launched, LaunchError>;

    /// Whether a run has not ended. One that is not known has.
    async fn is_running(&self, run: RunId) -> Result<bool, StoreError>;

    /// Asks for a run to be cancelled.
    async fn cancel(&self, run: RunId, reason: &str) -> Result<(), StoreError>;
}

/// A clock that can be waited for.
#[async_trait]
pub trait Timer: Clock {
    /// Returns at this time, or earlier.
    async fn sleep_until(&self, at_ms: u64);
}

/// The time of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemTimer;

impl Clock for SystemTimer {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[async_trait]
impl Timer for SystemTimer {
    async fn sleep_until(&self, at_ms: u64) {
        tokio::time::sleep(Duration::from_millis(at_ms.saturating_sub(self.now_ms()))).await;
    }
}
