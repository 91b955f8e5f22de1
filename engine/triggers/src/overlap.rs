//! What becomes of firings while the run before has not ended, and what is remembered of a trigger.

use crate::firing::Firing;
use reelmill_model::RunId;
use reelmill_model::limits::FIRINGS_QUEUED_MAX;
use reelmill_spec::trigger::Overlap;
use serde::{Deserialize, Serialize};

/// What is remembered of a trigger between two looks. Small, and replaced as a whole.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mark {
    /// Up to when its times were looked at, in milliseconds since the epoch.
    pub looked_ms: u64,
    /// The run it started last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<RunId>,
    /// What came of its last firing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
    /// Whether it does not fire until it is resumed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Firings that wait for that run to end, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub queued: Vec<Firing>,
    /// Files that are still there and have fired, by fingerprint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fired: Vec<String>,
}

/// What came of a firing, for people.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Told {
    /// When it was, in milliseconds since the epoch.
    pub at_ms: u64,
    /// What came of it.
    pub came: Came,
    /// Its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Why it came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What a firing came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Came {
    /// A run was started.
    Started,
    /// It waits for the run before.
    Waits,
    /// Nothing, because the run before had not ended.
    Skipped,
    /// Nothing, because its run cannot be started.
    Failed,
}

impl Told {
    /// It started a run.
    #[must_use]
    pub const fn started(at_ms: u64, run: RunId) -> Self {
        Self { at_ms, came: Came::Started, run: Some(run), why: None }
    }

    /// It started none.
    #[must_use]
    pub const fn without_run(at_ms: u64, came: Came, why: Option<String>) -> Self {
        Self { at_ms, came, run: None, why }
    }
}

impl Mark {
    /// A mark as it is kept. What cannot be read is of no version this code knows: as if the trigger were new.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Option<Self> {
        serde_json::from_str(text?).ok()
    }

    /// How it is kept.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Notes what came of a firing.
    pub fn tell(&mut self, told: Told) {
        self.last = told.run.or(self.last);
        self.told = Some(told);
    }
}

/// What to do now.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decision {
    /// Whether the run before is cancelled first.
    pub cancel_last: bool,
    /// Runs to start, oldest first.
    pub start: Vec<Firing>,
    /// Firings that wait.
    pub queued: Vec<Firing>,
    /// Firings that come to nothing.
    pub skipped: Vec<Firing>,
}

/// Decides over new firings and those that wait. `last_runs` says whether the run started last has not ended yet;
/// a run that is started here has not ended either.
#[must_use]
pub fn decide(overlap: Overlap, queued: Vec<Firing>, new: Vec<Firing>, last_runs: bool) -> Decision {
    let mut all = queued;
    all.extend(new);
    let mut decision = Decision::default();
    if all.is_empty() {
        return decision;
    }
    match overlap {
        Overlap::Allow => decision.start = all,
        Overlap::Skip if last_runs => decision.skipped = all,
        Overlap::Skip => {
            decision.skipped = all.split_off(1);
            decision.start = all;
        }
        // All but the newest would be cancelled by the next at once.
        Overlap::CancelPrevious => {
            decision.start = all.split_off(all.len() - 1);
            decision.skipped = all;
            decision.cancel_last = last_runs;
        }
        Overlap::Queue => {
            if !last_runs {
                decision.start.push(all.remove(0));
            }
            decision.skipped = all.split_off(all.len().min(FIRINGS_QUEUED_MAX));
            decision.queued = all;
        }
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn firings(times: &[u64]) -> Vec<Firing> {
        times.iter().map(|at_ms| Firing { at_ms: *at_ms, file: None }).collect()
    }

    /// Policy, what waits, what is new, whether the last runs; then: cancelled, started, waiting, skipped.
    #[test]
    fn every_policy_with_and_without_a_run_before() {
        type Row<'a> = (Overlap, &'a [u64], bool, bool, &'a [u64], &'a [u64], &'a [u64]);
        let rows: [Row<'_>; 9] = [
            (Overlap::Skip, &[1], false, false, &[1], &[], &[]),
            (Overlap::Skip, &[1, 2], false, false, &[1], &[], &[2]),
            (Overlap::Skip, &[1, 2], true, false, &[], &[], &[1, 2]),
            (Overlap::Allow, &[1, 2], true, false, &[1, 2], &[], &[]),
            (Overlap::CancelPrevious, &[1, 2], true, true, &[2], &[], &[1]),
            (Overlap::CancelPrevious, &[1], false, false, &[1], &[], &[]),
            (Overlap::Queue, &[1, 2], false, false, &[1], &[2], &[]),
            (Overlap::Queue, &[1, 2], true, false, &[], &[1, 2], &[]),
            (Overlap::CancelPrevious, &[], true, false, &[], &[], &[]),
        ];
        for (overlap, new, last_runs, cancel_last, start, queued, skipped) in rows {
            let (start, queued, skipped) = (firings(start), firings(queued), firings(skipped));
            let expected = Decision { cancel_last, start, queued, skipped };
            let decided = decide(overlap, Vec::new(), firings(new), last_runs);
            assert_eq!(decided, expected, "{overlap:?} {new:?} {last_runs}");
        }
    }

    #[test]
    fn what_waits_goes_before_what_is_new_and_there_is_an_end_to_it() {
        let new: Vec<u64> = (2..100).collect();
        let decided = decide(Overlap::Queue, firings(&[1]), firings(&new), false);
        assert_eq!(decided.start, firings(&[1]));
        assert_eq!(decided.queued.len(), FIRINGS_QUEUED_MAX);
        assert_eq!(decided.queued[0].at_ms, 2);
        assert_eq!(decided.skipped.len(), 98 - FIRINGS_QUEUED_MAX);
    }

    proptest! {
        /// No firing is lost or doubled, and never do two run that must not.
        #[test]
        fn every_firing_goes_one_way(
            overlap in prop::sample::select(vec![
                Overlap::Skip, Overlap::Allow, Overlap::Queue, Overlap::CancelPrevious,
            ]),
            waiting in 0_u64..20, new in 0_u64..40, last_runs: bool,
        ) {
            let queued = firings(&(0..waiting).collect::<Vec<_>>());
            let fresh = firings(&(waiting..waiting + new).collect::<Vec<_>>());
            let decided = decide(overlap, queued, fresh, last_runs);
            let mut ways: Vec<u64> = [&decided.start, &decided.queued, &decided.skipped]
                .into_iter().flatten().map(|firing| firing.at_ms).collect();
            ways.sort_unstable();
            prop_assert_eq!(ways, (0..waiting + new).collect::<Vec<_>>());
            if overlap != Overlap::Allow {
                let running = usize::from(last_runs && !decided.cancel_last);
                prop_assert!(decided.start.len() + running <= 1);
            }
            prop_assert!(decided.queued.len() <= FIRINGS_QUEUED_MAX);
        }
    }
}
