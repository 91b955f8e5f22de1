//! Services: repair that goes on beside the work, one function each. They use the same doors as normal work:
//! an expired lease is settled with an outcome like any other.

use reelmill_model::limits;
use reelmill_ports::{Limits, StoreError, TaskQueue};
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
    look_for_expired(|at_most| queue.expire_leases(at_most), lease / 3, &end).await;
}

/// While the store is away nobody can extend a lease. So it is found to be back by a look that takes none, and until the
/// next one whoever lives has extended what is still held. A worker that has just started cannot know, and begins in the
/// same way.
async fn look_for_expired<F>(look: impl Fn(usize) -> F, pause: Duration, end: &CancellationToken)
where
    F: Future<Output = Result<usize, StoreError>>,
{
    let mut at_most = 0;
    loop {
        match look(at_most).await {
            Ok(count) => {
                if count > 0 {
                    tracing::warn!(count, "leases ran out; their tasks are tried again");
                }
                at_most = limits::STEP_BATCH_MAX;
            }
            Err(error) => {
                tracing::warn!(%error, "leases could not be looked through");
                at_most = 0;
            }
        }
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test]
    async fn leases_are_left_alone_until_those_who_live_could_extend_them() {
        let gone = || Err(StoreError::Unavailable { message: "gone".into(), source: None });
        let answers = Mutex::new(vec![Ok(0), gone(), gone(), Ok(3), Ok(0)]);
        let (asked, end) = (Mutex::new(Vec::new()), CancellationToken::new());
        let look = async |at_most| {
            asked.lock().expect("one asks").push(at_most);
            answers.lock().expect("one asks").pop().unwrap_or_else(|| {
                end.cancel();
                Ok(0)
            })
        };
        look_for_expired(look, Duration::from_millis(1), &end).await;
        let all = limits::STEP_BATCH_MAX;
        assert_eq!(asked.into_inner().expect("nobody asks"), [0, all, all, 0, 0, all]);
    }
}
