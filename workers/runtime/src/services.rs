//! Services: repair that goes on beside the work, one function each. They use the same doors as normal work:
//! an expired lease is settled with an outcome like any other.

use reelmill_model::limits;
use reelmill_ports::{Limits, TaskQueue};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Readies delayed tasks when their time has come: wakes for the next one that is due, and at least this often.
const PROMOTE_EVERY: Duration = Duration::from_secs(1);

/// Time between two looks at limits: how long a place stays empty whose holder was killed.
const MEND_EVERY: Duration = Duration::from_secs(1);

/// Gives the places of those that are gone to those who wait.
pub async fn mend_limits(store: Arc<dyn Limits>, end: CancellationToken) {
    loop {
        if let Err(error) = store.mend_limits(limits::STEP_BATCH_MAX).await {
            tracing::warn!(%error, "limits could not be looked through");
        }
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(MEND_EVERY) => {}
        }
    }
}

/// Settles leases that ran out, a third of a lease at a time.
pub async fn expire_leases(queue: Arc<dyn TaskQueue>, lease: Duration, end: CancellationToken) {
    loop {
        match queue.expire_leases(limits::STEP_BATCH_MAX).await {
            Ok(0) => {}
            Ok(count) => tracing::warn!(count, "leases ran out; their tasks are tried again"),
            Err(error) => tracing::warn!(%error, "leases could not be looked through"),
        }
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(lease / 3) => {}
        }
    }
}

/// Readies delayed tasks and fails those that waited longer than their `timeout.queue`.
pub async fn promote_delayed(queue: Arc<dyn TaskQueue>, end: CancellationToken) {
    loop {
        let next = match queue.promote_delayed(limits::STEP_BATCH_MAX).await {
            Ok((_, next)) => next.unwrap_or(PROMOTE_EVERY).clamp(Duration::from_millis(1), PROMOTE_EVERY),
            Err(error) => {
                tracing::warn!(%error, "delayed tasks could not be looked through");
                PROMOTE_EVERY
            }
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(next) => {}
        }
    }
}
