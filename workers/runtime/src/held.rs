//! The leases this worker holds: what the pump adds and takes away, and what the heartbeat extends and stops.
//! Never talks to the queue itself.

use reelmill_model::{IdMap, TaskRef, Token};
use reelmill_ports::Beat;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Why an attempt is to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Its task is no longer wanted: settle as cancelled.
    Cancelled,
    /// The lease is lost: whatever it says will be refused.
    Lost,
    /// The worker goes away: give the task back.
    Drained,
}

/// The order to stop, given to an attempt at its start. The first reason given stays.
#[derive(Clone, Debug, Default)]
pub struct StopOrder {
    token: CancellationToken,
    reason: Arc<AtomicU8>,
}

impl StopOrder {
    /// Gives the order.
    pub fn give(&self, stop: Stop) {
        let code = match stop {
            Stop::Cancelled => 1,
            Stop::Lost => 2,
            Stop::Drained => 3,
        };
        // An order that was given already stands; the attempt may have acted on it.
        let _ = self.reason.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire);
        self.token.cancel();
    }

    /// The order, if it was given.
    #[must_use]
    pub fn reason(&self) -> Option<Stop> {
        match self.reason.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Stop::Cancelled),
            2 => Some(Stop::Lost),
            _ => Some(Stop::Drained),
        }
    }

    /// The token that is cancelled with the order.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

#[derive(Clone, Debug)]
struct Hold {
    token: Token,
    stop: StopOrder,
}

/// All leases of this worker.
#[derive(Clone, Debug, Default)]
pub struct Held(Arc<Mutex<IdMap<TaskRef, Hold>>>);

impl Held {
    fn with<T>(&self, work: impl FnOnce(&mut IdMap<TaskRef, Hold>) -> T) -> T {
        // A panic while the lock was held leaves a map that is still whole: every change is one call.
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Notes a new lease; gives the order by which its attempt can be stopped.
    #[must_use]
    pub fn add(&self, task: TaskRef, token: Token) -> StopOrder {
        let stop = StopOrder::default();
        self.with(|held| held.insert(task, Hold { token, stop: stop.clone() }));
        stop
    }

    /// Forgets a lease that was settled, unless it was leased again under another token meanwhile; says whether it was
    /// there.
    pub fn remove(&self, task: TaskRef, token: Token) -> bool {
        self.with(|held| {
            let mine = held.get(&task).is_some_and(|hold| hold.token == token);
            mine && held.remove(&task).is_some()
        })
    }

    /// What the next heartbeat extends.
    #[must_use]
    pub fn beats(&self) -> Vec<Beat> {
        self.with(|held| held.iter().map(|(task, hold)| Beat { task: *task, token: hold.token }).collect())
    }

    /// Stops the attempt of one task, if it is held.
    pub fn stop(&self, task: TaskRef, why: Stop) {
        if let Some(hold) = self.with(|held| held.get(&task).cloned()) {
            hold.stop.give(why);
        }
    }

    /// Stops every attempt.
    pub fn stop_all(&self, why: Stop) {
        let all: Vec<Hold> = self.with(|held| held.values().cloned().collect());
        for hold in all {
            hold.stop.give(why);
        }
    }

    /// How many leases are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.with(|held| held.len())
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_model::{RunId, TaskNo};

    fn task(no: u32) -> TaskRef {
        TaskRef { run: RunId::from_parts(1, 1), task: TaskNo(no) }
    }

    #[test]
    fn a_late_settle_does_not_forget_the_next_lease() {
        let held = Held::default();
        let _ = held.add(task(1), Token(1));
        let _ = held.add(task(1), Token(2));
        assert!(!held.remove(task(1), Token(1)));
        assert_eq!(held.beats(), vec![Beat { task: task(1), token: Token(2) }]);
    }

    #[test]
    fn the_first_reason_to_stop_stays() {
        let held = Held::default();
        let order = held.add(task(1), Token(1));
        assert_eq!(order.reason(), None);
        held.stop(task(1), Stop::Lost);
        held.stop_all(Stop::Drained);
        assert_eq!(order.reason(), Some(Stop::Lost));
        assert!(order.token().is_cancelled());
    }
}
