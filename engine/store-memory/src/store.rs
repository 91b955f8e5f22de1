//! The store: the state behind a lock, the clock, and whom to wake.

use crate::limits::Limits;
use crate::state::{Rows, State};
use reelmill_lifecycle::{Changes, Dice, Transaction};
use reelmill_ports::{Clock, NewRun, StoreError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// The store in memory. Clones share everything, as processes share a database.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    pub(crate) ready: Arc<Notify>,
    pub(crate) last_cursor: Arc<watch::Sender<u64>>,
    seed: u64,
}

impl MemoryStore {
    /// An empty store. The seed decides the jitter of delays.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        let last_cursor = Arc::new(watch::channel(0).0);
        Self { state: Arc::default(), clock, ready: Arc::default(), last_cursor, seed }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held has failed a test already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Lets a closure decide, and applies what it decided unless it failed.
    pub(crate) fn transact<T>(
        &self,
        fresh: Option<NewRun>,
        decide: impl FnOnce(&mut Transaction<Rows<'_>>, &mut Limits) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut state = self.state();
        let now_ms = self.now_ms();
        let dice = Dice::new(self.seed ^ state.next_cursor);
        let mut tx = Transaction::new(Rows(&state), now_ms, dice);
        let mut limits = Limits(state.ledger.clone());
        let decided = decide(&mut tx, &mut limits)?;
        tx.settle_limits(&mut limits)?;
        let changes = tx.take_changes();
        state.ledger = limits.0;
        self.apply(&mut state, changes, fresh, now_ms);
        Ok(decided)
    }

    fn apply(&self, state: &mut State, changes: Vec<Changes>, mut fresh: Option<NewRun>, now_ms: u64) {
        let mut readied = false;
        for change in changes {
            let new = fresh.take_if(|new| new.id == change.run.1.id);
            readied |= state.apply(change, new, now_ms);
        }
        if readied {
            self.ready.notify_waiters();
        }
        self.tell(state);
    }

    /// Tells those who wait for events how far the log is.
    pub(crate) fn tell(&self, state: &State) {
        let cursor = state.next_cursor;
        self.last_cursor.send_if_modified(|seen| std::mem::replace(seen, cursor) != cursor);
    }
}
