//! What an envelope becomes: a request to whoever submits runs, and that one's answer.

use crate::envelope::Envelope;
use crate::parse::Problem;
use async_trait::async_trait;
use reelmill_model::RunId;
use std::fmt;

/// A submission, ready to be made.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// The id of its run: the same for every envelope with this namespace and id. The submission must be idempotent
    /// on it, as `TaskQueue::submit` is.
    pub run: RunId,
    /// When the envelope was first seen, in milliseconds since the epoch.
    pub at_ms: u64,
    /// What is asked for.
    pub envelope: Envelope,
}

/// A submission that was made. The run is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Submitted {
    /// Its run.
    pub run: RunId,
    /// Whether the run is new; otherwise it was there already.
    pub new: bool,
}

/// A submission that was not made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct SubmitError {
    /// Whether the same submission can succeed later: the store is not there for now. Otherwise the envelope is bad.
    pub retry: bool,
    /// What is wrong, with pointers into the envelope where it is the envelope: `/inputs/topic`.
    pub problems: Vec<Problem>,
}

impl SubmitError {
    /// It can succeed later.
    #[must_use]
    pub fn later(message: impl Into<String>) -> Self {
        Self { retry: true, problems: vec![Problem::whole(message)] }
    }

    /// It can never succeed.
    #[must_use]
    pub fn never(problems: Vec<Problem>) -> Self {
        Self { retry: false, problems }
    }
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Vec<String> = self.problems.iter().map(ToString::to_string).collect();
        f.write_str(&text.join("; "))
    }
}

/// Whoever submits runs. Called for several requests at once.
#[async_trait]
pub trait Submitter: Send + Sync {
    /// Submits a run, and answers when it is durable.
    async fn submit(&self, request: Request) -> Result<Submitted, SubmitError>;
}

/// The id of the run of an envelope: its time is when the id was first seen, so that runs still sort by their age,
/// and its random part is drawn from namespace and id.
#[must_use]
pub fn run_id(namespace: &str, id: &str, first_seen_ms: u64) -> RunId {
    /// A ULID has 48 bits for the time and 80 for the rest.
    const TIME_MS_MAX: u64 = (1 << 48) - 1;
    let mut random = [0; 16];
    random[..10].copy_from_slice(&fingerprint(namespace, id).as_bytes()[..10]);
    RunId::from_parts(first_seen_ms.min(TIME_MS_MAX), u128::from_le_bytes(random))
}

/// What namespace and id have in common with no other pair.
pub(crate) fn fingerprint(namespace: &str, id: &str) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("reelmill inbox id 1");
    hasher.update(namespace.as_bytes());
    // No namespace has this byte, so that no two pairs read the same.
    hasher.update(b"\0");
    hasher.update(id.as_bytes());
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_id_depends_on_namespace_id_and_first_sight_and_on_nothing_else() {
        let id = run_id("acme", "order-17", 1_700_000_000_000);
        assert_eq!(id, run_id("acme", "order-17", 1_700_000_000_000));
        assert_ne!(id, run_id("acme", "order-18", 1_700_000_000_000));
        assert_ne!(id, run_id("acm", "eorder-17", 1_700_000_000_000));
        assert_ne!(id, run_id("acme", "order-17", 1_700_000_000_001));
        assert_eq!(id.0.timestamp_ms(), 1_700_000_000_000);
        // Stored in users' systems: it must never change.
        assert_eq!(id.to_string(), "01HF7YAT00DAQD8XJWGQBXAZS3");
    }

    #[test]
    fn any_time_a_producer_makes_up_is_taken() {
        assert!(run_id("a", "b", u64::MAX) > run_id("a", "b", 0));
    }
}
