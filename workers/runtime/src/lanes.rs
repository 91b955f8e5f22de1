//! Lanes of tasks with needs (`runs_on`) that the worker serves beside those of its queues. Which there are is found out
//! while it works: a pipeline that is submitted later may need what no other needed before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The lanes. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Lanes(Arc<Mutex<Vec<String>>>);

impl Lanes {
    /// These lanes, to begin with.
    #[must_use]
    pub fn new(lanes: Vec<String>) -> Self {
        Self(Arc::new(Mutex::new(lanes)))
    }

    /// The lanes as they are now.
    #[must_use]
    pub fn now(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// Adds those that are new. None is taken away: an empty lane costs nothing.
    pub fn add(&self, found: impl IntoIterator<Item = String>) {
        let mut lanes = self.lock();
        for lane in found {
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
