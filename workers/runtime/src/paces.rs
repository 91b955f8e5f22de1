//! How long tasks of each lane take on this worker. It is announced, so that somebody can tell how long what is ready will
//! take (`reelmill_control::LaneLoad`).

use reelmill_model::Outcome;
use reelmill_model::limits::{PACE_TASKS_MAX, PACES_MAX};
use reelmill_ports::Pace;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Means of the lanes that were worked on last, latest first. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Paces(Arc<Mutex<Vec<Mean>>>);

#[derive(Debug)]
struct Mean {
    lane: String,
    tasks: u32,
    of: Duration,
}

/// Whether an outcome tells how long a task takes: what was stopped, or has to wait, says nothing of that.
pub(crate) fn tells(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Cancelled | Outcome::Parked | Outcome::Released | Outcome::LeaseExpired)
}

impl Paces {
    /// Notes how long a task of a lane took.
    pub(crate) fn note(&self, lane: &str, took: Duration) {
        let mut means = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = means.iter().position(|mean| mean.lane == lane).map(|at| means.remove(at));
        let mut mean = known.unwrap_or_else(|| Mean { lane: lane.to_owned(), tasks: 0, of: Duration::ZERO });
        mean.tasks = (mean.tasks + 1).min(PACE_TASKS_MAX);
        mean.of = mean.of.saturating_mul(mean.tasks - 1).saturating_add(took) / mean.tasks;
        means.insert(0, mean);
        means.truncate(PACES_MAX);
    }

    /// As it is announced.
    pub(crate) fn now(&self) -> Vec<Pace> {
        let means = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = |mean: &Mean| Pace {
            lane: mean.lane.clone(),
            tasks: mean.tasks,
            mean_us: u64::try_from(mean.of.as_micros()).unwrap_or(u64::MAX),
        };
        means.iter().map(pace).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_follows_what_changes_and_lanes_long_unseen_are_forgotten() {
        let paces = Paces::default();
        for ms in [10, 20, 60] {
            paces.note("a", Duration::from_millis(ms));
        }
        assert_eq!(paces.now(), [Pace { lane: "a".into(), tasks: 3, mean_us: 30_000 }]);
        for _ in 0..1_000 {
            paces.note("a", Duration::from_secs(1));
        }
        let mean = paces.now()[0].clone();
        assert!(mean.tasks == PACE_TASKS_MAX && mean.mean_us > 990_000, "{mean:?}");
        for no in 0..PACES_MAX {
            paces.note(&format!("b{no}"), Duration::ZERO);
        }
        let now = paces.now();
        assert!(now.len() == PACES_MAX && now.iter().all(|pace| pace.lane != "a"), "{now:?}");
    }
}
