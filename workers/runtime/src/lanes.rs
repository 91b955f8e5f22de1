//! Lanes of tasks with needs (`runs_on`) that the worker serves beside those of its queues. Which there are is found out
//! while it works: a pipeline that is submitted later may need what no other needed before. And lanes that it leaves to
//! others for a while.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a lane rests in which there was a task that this worker cannot do and others can.
const REST: Duration = Duration::from_secs(10);

/// The lanes. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Lanes(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    lanes: Vec<String>,
    resting: HashMap<String, Instant>,
}

impl Lanes {
    /// The lanes as they are now, without those that rest.
    #[must_use]
    pub fn now(&self) -> Vec<String> {
        let lanes = self.lock().lanes.clone();
        self.awake(&lanes)
    }

    /// Lets others have the tasks of a lane for a while.
    pub fn rest(&self, lane: &str) {
        self.lock().resting.insert(lane.to_owned(), Instant::now() + REST);
    }

    /// Those of some lanes that do not rest.
    #[must_use]
    pub fn awake(&self, lanes: &[String]) -> Vec<String> {
        let mut state = self.lock();
        let now = Instant::now();
        state.resting.retain(|_, until| *until > now);
        lanes.iter().filter(|lane| !state.resting.contains_key(*lane)).cloned().collect()
    }

    /// Adds those that are new. None is taken away: an empty lane costs nothing.
    pub fn add(&self, found: impl IntoIterator<Item = String>) {
        let mut state = self.lock();
        for lane in found {
            if !state.lanes.contains(&lane) {
                state.lanes.push(lane);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
