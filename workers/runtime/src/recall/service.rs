//! What goes on beside the work: outcomes are handed over, the worker says that it is there, and what is old is forgotten.

use super::{Inner, Recall};
use crate::report::now_ms;
use reelmill_memory::{Agent, MemoryError, Remembered, Session};
use reelmill_model::limits::{MEMORY_BATCH_MAX, MEMORY_KEPT_MS};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two times of handing over.
const FLUSH_EVERY: Duration = Duration::from_secs(1);
/// Time between two words of the worker, and how long one holds.
const BEAT_EVERY: Duration = Duration::from_secs(30);
const BEAT_HOLDS: Duration = Duration::from_secs(90);
/// Time between two cleanings; where there is more to clean, it goes on after a second.
const CLEAN_EVERY: Duration = Duration::from_hours(1);
/// How long the last words of a worker may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Recall {
    /// Goes on until `end`, and hands over what is left then.
    pub(crate) async fn serve(self, end: CancellationToken) {
        let Some(inner) = self.0.clone() else { return };
        let session = format!("{:013}-{}", now_ms(), inner.worker);
        tokio::join!(self.flush_until(&end), inner.clone().be_there(&session, &end), inner.clean_until(&end));
        let last = async {
            self.flush().await;
            // Whoever asks sees at once that it is gone; the memory would find out by itself.
            let _ = inner.memory.beat(&inner.word(&session, Duration::ZERO)).await;
            let _ = inner.memory.end(&session, now_ms()).await;
        };
        if tokio::time::timeout(LAST_WORDS, last).await.is_err() {
            tracing::warn!("the memory is away: the last outcomes are lost");
        }
    }

    async fn flush_until(&self, end: &CancellationToken) {
        while !pause(FLUSH_EVERY, end).await {
            tokio::select! {
                () = end.cancelled() => {}
                () = self.flush() => {}
            }
        }
    }

    /// Hands over what waits. What the memory does not take for now goes on waiting.
    pub(super) async fn flush(&self) {
        let Some(inner) = &self.0 else { return };
        loop {
            let batch: Vec<Remembered> =
                inner.state().waiting.iter().take(MEMORY_BATCH_MAX).cloned().collect();
            if batch.is_empty() {
                return;
            }
            match inner.memory.record(&batch).await {
                Ok(()) => {}
                Err(error @ (MemoryError::Away { .. } | MemoryError::Corrupt(_))) => {
                    tracing::debug!(%error, waiting = batch.len(), "outcomes wait to be remembered");
                    return;
                }
                Err(MemoryError::Refused(message)) if batch.len() == 1 => {
                    tracing::warn!(message, "an outcome is not remembered");
                }
                // One of them spoils the others: each for itself.
                Err(MemoryError::Refused(_)) => inner.record_each(&batch).await,
            }
            inner.state().waiting.drain(..batch.len());
        }
    }
}

impl Inner {
    async fn record_each(&self, batch: &[Remembered]) {
        for one in batch {
            if let Err(error) = self.memory.record(std::slice::from_ref(one)).await {
                tracing::warn!(%error, "an outcome is not remembered");
            }
        }
    }

    /// That the worker is there, for so long.
    fn word(&self, session: &str, holds: Duration) -> Agent {
        let beat_ms = now_ms();
        Agent {
            id: self.worker.clone(),
            role: "worker".to_owned(),
            data: json!({ "host": self.host, "session": session }),
            beat_ms,
            until_ms: beat_ms.saturating_add(u64::try_from(holds.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    async fn be_there(self: Arc<Self>, session: &str, end: &CancellationToken) {
        let began = Session {
            id: session.to_owned(),
            kind: "worker".to_owned(),
            data: json!({ "host": self.host, "worker": self.worker, "version": env!("CARGO_PKG_VERSION") }),
            began_ms: now_ms(),
            ended_ms: None,
        };
        let mut is_told = false;
        loop {
            let word = async {
                is_told = is_told || self.memory.begin(&began).await.is_ok();
                if let Err(error) = self.memory.beat(&self.word(session, BEAT_HOLDS)).await {
                    tracing::debug!(%error, "the memory does not know that this worker is there");
                }
            };
            tokio::select! {
                () = end.cancelled() => return,
                () = word => {}
            }
            if pause(BEAT_EVERY, end).await {
                return;
            }
        }
    }

    async fn clean_until(&self, end: &CancellationToken) {
        loop {
            let now_ms = now_ms();
            let cleaned = tokio::select! {
                () = end.cancelled() => return,
                cleaned = self.memory.clean(now_ms.saturating_sub(MEMORY_KEPT_MS), now_ms) => cleaned,
            };
            let more = match cleaned {
                Ok(cleaned) => cleaned.more,
                Err(error) => {
                    tracing::debug!(%error, "the memory could not be cleaned; tried again later");
                    false
                }
            };
            if pause(if more { Duration::from_secs(1) } else { CLEAN_EVERY }, end).await {
                return;
            }
        }
    }
}

/// Waits; says whether the end came meanwhile.
async fn pause(time: Duration, end: &CancellationToken) -> bool {
    tokio::select! {
        () = end.cancelled() => true,
        () = tokio::time::sleep(time) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_learn::Outcome;
    use reelmill_memory::{OutcomeQuery, open};

    #[tokio::test]
    async fn what_waits_at_the_end_is_handed_over_and_one_bad_outcome_spoils_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("memory.db");
        let recall = Recall::new(open(None, &file).unwrap(), "here", "w");
        for arm in ["fast", &"x".repeat(10_000), "slow"] {
            recall.note("encode", Outcome { arm: arm.to_owned(), ..Outcome::default() });
        }
        let end = CancellationToken::new();
        end.cancel();
        recall.serve(end).await;
        let memory = open(None, &file).unwrap();
        let kept = memory.outcomes(&OutcomeQuery::default()).await.unwrap();
        let arms: Vec<_> = kept.iter().map(|(_, one)| one.outcome.arm.as_str()).collect();
        assert_eq!(arms, ["slow", "fast"]);
        assert!(memory.agents(now_ms()).await.unwrap().is_empty(), "it is gone");
    }
}
