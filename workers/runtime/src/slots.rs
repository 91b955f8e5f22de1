//! Slots: how much may run at once on this machine. A slot is one core's worth of work; an attempt takes as
//! many as its stage says it keeps busy, and its share of memory.

use reelmill_model::Needs;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Memory an attempt is reckoned with when its stage does not say, in MiB.
const MEMORY_DEFAULT_MIB: u64 = 256;

/// What may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Slots; at least one.
    pub slots: u32,
    /// Memory that attempts may use together, in MiB.
    pub memory_mib: u32,
    /// GPUs; each is used by one attempt at a time.
    pub gpus: u32,
}

/// The slots of one worker.
#[derive(Clone, Debug)]
pub struct Slots {
    capacity: Capacity,
    cores: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    gpus: Arc<Semaphore>,
}

/// Held while an attempt runs.
#[derive(Debug)]
pub struct Occupied {
    _cores: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
    _gpus: OwnedSemaphorePermit,
}

/// How many slots and how much memory an attempt takes: what it asks for, but never more than there is, so that
/// a stage larger than the machine runs alone instead of never.
#[must_use]
pub fn share(needs: &Needs, capacity: Capacity) -> (u32, u32) {
    let memory = if needs.memory_mib == 0 { MEMORY_DEFAULT_MIB } else { needs.memory_mib };
    let memory = u32::try_from(memory).unwrap_or(u32::MAX);
    (needs.cpus.clamp(1, capacity.slots), memory.min(capacity.memory_mib))
}

impl Slots {
    /// Slots of a capacity.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        let capacity = Capacity {
            slots: capacity.slots.max(1),
            memory_mib: capacity.memory_mib.clamp(1, 1 << 28),
            ..capacity
        };
        Self {
            capacity,
            cores: Arc::new(Semaphore::new(capacity.slots as usize)),
            memory: Arc::new(Semaphore::new(capacity.memory_mib as usize)),
            gpus: Arc::new(Semaphore::new(capacity.gpus as usize)),
        }
    }

    /// What there is.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Slots that nothing occupies now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.cores.available_permits()
    }

    /// Waits until there is room, first come first served.
    pub async fn occupy(&self, needs: &Needs, gpus: u32) -> Occupied {
        let (cores, memory) = share(needs, self.capacity);
        // The semaphores are never closed.
        let take = async |semaphore: &Arc<Semaphore>, count| {
            Arc::clone(semaphore).acquire_many_owned(count).await.expect("slots are never closed")
        };
        Occupied {
            _cores: take(&self.cores, cores).await,
            _memory: take(&self.memory, memory).await,
            _gpus: take(&self.gpus, gpus.min(self.capacity.gpus)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_never_asks_for_more_than_there_is() {
        let capacity = Capacity { slots: 2, memory_mib: 1024, gpus: 0 };
        let needs = |cpus, memory_mib| Needs { cpus, memory_mib, ..Needs::default() };
        assert_eq!(share(&needs(0, 0), capacity), (1, 256));
        assert_eq!(share(&needs(8, 4096), capacity), (2, 1024));
    }

    #[tokio::test]
    async fn what_is_occupied_comes_back() {
        let slots = Slots::new(Capacity { slots: 3, memory_mib: 1000, gpus: 1 });
        let two = slots.occupy(&Needs { cpus: 2, ..Needs::default() }, 9).await;
        assert_eq!(slots.free(), 1);
        drop(two);
        assert_eq!(slots.free(), 3);
    }
}
