//! What a suite needs of a store's tests: opening it, opening it again, and owning its clock.

use crate::Clock;
pub use crate::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A store under test.
pub trait Bed {
    /// The store. A second call opens what the first has left, as after a crash.
    fn open(&self) -> Arc<dyn Store>;
    /// The clock it goes by.
    fn clock(&self) -> &ManualClock;
}

/// A clock that stands still unless it is told to move.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl Default for ManualClock {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1_700_000_000_000)))
    }
}

impl ManualClock {
    /// Moves it, forwards or backwards.
    pub fn shift(&self, by_ms: i64) {
        let now = self.0.load(Ordering::SeqCst);
        self.0.store(now.saturating_add_signed(by_ms), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}
