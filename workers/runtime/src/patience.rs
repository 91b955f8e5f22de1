//! Waiting out a store that does not answer: that is nobody's failure, so it costs a task no attempt.

use crate::held::StopOrder;
use futures_util::future::BoxFuture;
use reelmill_context::ContextError;
use std::time::Duration;

/// First and largest pause between two questions.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Asks until the store answers, or until the attempt is to stop: then the last error is the answer.
pub async fn patiently<'a, T>(
    stop: &StopOrder,
    ask: impl Fn() -> BoxFuture<'a, Result<T, ContextError>>,
) -> Result<T, ContextError> {
    let (mut pause, longest) = PAUSES;
    loop {
        match ask().await {
            Err(ContextError::Store(error)) if error.passes() && stop.reason().is_none() => {
                tracing::warn!(%error, "an attempt waits for the store; asking again in {pause:?}");
            }
            answer => return answer,
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.token().cancelled() => {}
        }
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::held::Stop;
    use reelmill_ports::StoreError;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn gone() -> ContextError {
        ContextError::Store(StoreError::Unavailable { message: "gone".into(), source: None })
    }

    #[tokio::test]
    async fn a_store_that_comes_back_is_asked_again() {
        let asked = AtomicU32::new(0);
        let ask = || -> BoxFuture<'_, _> {
            let come_back = asked.fetch_add(1, Ordering::Relaxed) == 3;
            Box::pin(async move { if come_back { Ok(7) } else { Err(gone()) } })
        };
        assert_eq!(patiently(&StopOrder::default(), ask).await.ok(), Some(7));
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn an_attempt_that_is_to_stop_waits_no_longer() {
        let stop = StopOrder::default();
        let asked = AtomicU32::new(0);
        let ask = || -> BoxFuture<'_, Result<(), _>> {
            if asked.fetch_add(1, Ordering::Relaxed) == 2 {
                stop.give(Stop::Drained);
            }
            Box::pin(async { Err(gone()) })
        };
        assert!(patiently(&stop, ask).await.is_err());
    }
}
