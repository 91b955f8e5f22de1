//! The twin under test. A crash leaves it as it is, for it is only memory.

use reelmill_ports::conformance::{self, ManualClock, Store};
use reelmill_store_memory::MemoryStore;
use std::sync::Arc;

/// A twin and its clock.
pub struct Bed {
    store: MemoryStore,
    clock: ManualClock,
}

impl Default for Bed {
    fn default() -> Self {
        let clock = ManualClock::default();
        Self { store: MemoryStore::new(Arc::new(clock.clone()), 1), clock }
    }
}

impl conformance::Bed for Bed {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
