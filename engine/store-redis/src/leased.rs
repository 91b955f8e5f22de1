//! What was submitted as the runs whose tasks this process leased last: it came with the lease, and whoever works on
//! the task need not ask for it.

use reelmill_model::{IdMap, RunId};
use reelmill_ports::NewRun;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Runs remembered at once; beyond, all are forgotten and asked for.
const RUNS_MAX: usize = 8_192;

/// Runs by id. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct LeasedRuns(Arc<Mutex<IdMap<RunId, Arc<NewRun>>>>);

impl LeasedRuns {
    /// Remembers a run.
    pub fn keep(&self, new: &Arc<NewRun>) {
        let mut runs = self.lock();
        if runs.len() >= RUNS_MAX {
            runs.clear();
        }
        runs.insert(new.id, Arc::clone(new));
    }

    /// What was submitted as a run, if it is remembered.
    pub fn of(&self, run: RunId) -> Option<Arc<NewRun>> {
        self.lock().get(&run).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, IdMap<RunId, Arc<NewRun>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
