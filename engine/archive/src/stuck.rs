//! Runs that could not be archived though the archive answers: passed over, and tried again more and more seldom.

use reelmill_model::RunId;
use reelmill_model::limits::ARCHIVE_STUCK_MAX;
use std::collections::{HashMap, HashSet};

/// The pause before the first and the longest before later tries, in milliseconds.
const PAUSE_MS: (u64, u64) = (60_000, 3_600_000);

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Try {
    pause_ms: u64,
    again_ms: u64,
}

/// Those runs.
#[derive(Debug, Default)]
pub struct Stuck(HashMap<RunId, Try>);

impl Stuck {
    /// Whether a run is left alone for now.
    pub fn rests(&self, id: RunId, now_ms: u64) -> bool {
        self.0.get(&id).is_some_and(|one| now_ms < one.again_ms)
    }

    /// Notes that a run failed; says after how long it is tried again, or nothing when there are too many of them.
    pub fn add(&mut self, id: RunId, now_ms: u64) -> Option<u64> {
        if self.0.len() >= ARCHIVE_STUCK_MAX && !self.0.contains_key(&id) {
            return None;
        }
        let (first, longest) = PAUSE_MS;
        let pause_ms = self.0.get(&id).map_or(first, |one| (one.pause_ms * 2).min(longest));
        self.0.insert(id, Try { pause_ms, again_ms: now_ms + pause_ms });
        Some(pause_ms)
    }

    /// Whether a run has failed before.
    pub fn holds(&self, id: RunId) -> bool {
        self.0.contains_key(&id)
    }

    /// Forgets a run that was moved.
    pub fn remove(&mut self, id: RunId) {
        self.0.remove(&id);
    }

    /// Forgets all but these: the others are no ended runs any more.
    pub fn keep_only(&mut self, ended: &[RunId]) {
        if !self.0.is_empty() {
            let ended: HashSet<&RunId> = ended.iter().collect();
            self.0.retain(|id, _| ended.contains(id));
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_tried_again_after_pauses_that_grow_up_to_an_hour() {
        let (mut stuck, id) = (Stuck::default(), RunId::from_parts(1, 1));
        let mut now_ms = 0;
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(!stuck.rests(id, now_ms), "it is tried at {now_ms}");
            assert_eq!(stuck.add(id, now_ms), Some(minutes * 60_000));
            now_ms += minutes * 60_000;
            assert!(stuck.rests(id, now_ms - 1));
        }
        stuck.remove(id);
        assert_eq!((stuck.add(id, 0), stuck.len()), (Some(60_000), 1), "what succeeded begins anew");
        stuck.keep_only(&[RunId::from_parts(1, 2)]);
        assert_eq!(stuck.len(), 0);
    }
}
