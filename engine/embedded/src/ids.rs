//! Ids that nobody else has.

use reelmill_model::RunId;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// An id that no other run has: the time and 80 random bits. The keys of the standard library's hash maps come from
/// the system's source of randomness, and are all that is needed here.
#[must_use]
pub fn new_run_id(now_ms: u64) -> RunId {
    let random = || u128::from(RandomState::new().build_hasher().finish());
    RunId::from_parts(now_ms, (random() << 64 | random()) & ((1 << 80) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn run_ids_differ_within_a_millisecond() {
        let ids: BTreeSet<RunId> = (0..1_000).map(|_| new_run_id(1_700_000_000_000)).collect();
        assert_eq!(ids.len(), 1_000);
    }
}
