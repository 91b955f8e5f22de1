//! Slots: how much may run at once on this machine. A slot is one task from the queue; an attempt takes as much CPU and
//! memory of the room as it is reckoned with. Room and slots may change while attempts run: what has become too much is
//! not taken away, it only is not given again.

use reelmill_lifecycle::slots::{Room, Share, may_enter};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

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

/// The slots of one worker. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    gpus: u32,
    state: Mutex<State>,
    /// Somebody left, or there is more room.
    changed: Notify,
}

#[derive(Debug)]
struct State {
    room: Room,
    used: Share,
    running: u32,
    /// Who waits, in the order in which they came.
    line: VecDeque<(u64, Share)>,
    next: u64,
}

/// Held while an attempt runs.
#[derive(Debug)]
pub struct Occupied {
    slots: Slots,
    share: Share,
}

/// A place in the line; given up when dropped.
struct Waiting<'a> {
    slots: &'a Slots,
    number: u64,
}

impl Slots {
    /// Slots of a capacity, a core each.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        let slots = capacity.slots.max(1);
        let memory_mib = capacity.memory_mib.max(1);
        let room = Room { slots, cpu_milli: slots.saturating_mul(1_000), memory_mib };
        let state = State { room, used: Share::default(), running: 0, line: VecDeque::new(), next: 0 };
        Self(Arc::new(Inner { gpus: capacity.gpus, state: Mutex::new(state), changed: Notify::new() }))
    }

    /// What there is.
    #[must_use]
    pub fn capacity(&self) -> Capacity {
        let Room { slots, memory_mib, .. } = self.state().room;
        Capacity { slots, memory_mib, gpus: self.0.gpus }
    }

    /// All of it, as attempts share it.
    #[must_use]
    pub fn room(&self) -> Share {
        self.whole(&self.state())
    }

    /// Attempts that run, and what they take together.
    #[must_use]
    pub fn running(&self) -> (u32, Share) {
        let state = self.state();
        (state.running, state.used)
    }

    /// From now on this may run at once.
    pub fn resize(&self, room: Room) {
        self.state().room = room;
        self.0.changed.notify_waiters();
    }

    /// Waits until there is room, in the order of the line ([`may_enter`]).
    pub async fn occupy(&self, share: Share) -> Occupied {
        let waiting = self.line_up(share);
        loop {
            // Whatever changes from here on is noticed.
            let mut changed = std::pin::pin!(self.0.changed.notified());
            changed.as_mut().enable();
            if let Some(occupied) = waiting.enter() {
                return occupied;
            }
            changed.await;
        }
    }

    fn line_up(&self, share: Share) -> Waiting<'_> {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.line.push_back((number, share));
        Waiting { slots: self, number }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn whole(&self, state: &State) -> Share {
        Share { cpu_milli: state.room.cpu_milli, memory_mib: state.room.memory_mib, gpus: self.0.gpus }
    }
}

impl Waiting<'_> {
    fn enter(&self) -> Option<Occupied> {
        let mut state = self.slots.state();
        let at = state.line.iter().position(|(number, _)| *number == self.number)?;
        let (own, room) = (state.line[at].1, self.slots.whole(&state));
        let ahead = state.line.iter().take(at).map(|(_, share)| *share);
        if !may_enter(room, state.used, ahead, own) {
            return None;
        }
        let share = own.min(room);
        state.line.remove(at);
        state.used = state.used.plus(share);
        state.running += 1;
        Some(Occupied { slots: self.slots.clone(), share })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.slots.state();
        let Some(at) = state.line.iter().position(|(number, _)| *number == self.number) else { return };
        // It did not enter: those behind it may be next.
        state.line.remove(at);
        drop(state);
        self.slots.0.changed.notify_waiters();
    }
}

impl Drop for Occupied {
    fn drop(&mut self) {
        let mut state = self.slots.state();
        state.used = state.used.less(self.share);
        state.running -= 1;
        drop(state);
        self.slots.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    fn share(cpu_milli: u32, memory_mib: u32) -> Share {
        Share { cpu_milli, memory_mib, gpus: 0 }
    }

    fn slots(slots: u32, memory_mib: u32) -> Slots {
        Slots::new(Capacity { slots, memory_mib, gpus: 1 })
    }

    #[tokio::test]
    async fn what_is_occupied_comes_back() {
        let slots = slots(3, 1000);
        let two = slots.occupy(share(2_000, 1)).await;
        assert!(slots.occupy(share(2_000, 1)).now_or_never().is_none());
        assert_eq!(slots.running(), (1, share(2_000, 1)));
        let one = slots.occupy(share(1_000, 1)).now_or_never().expect("who gave up waiting holds nobody up");
        drop(two);
        assert!(slots.occupy(share(2_000, 1)).now_or_never().is_some());
        drop(one);
        assert_eq!(slots.running(), (0, Share::default()));
    }

    #[tokio::test]
    async fn whoever_waits_is_let_in_by_an_end_and_by_more_room() {
        let slots = slots(1, 1000);
        let first = slots.occupy(share(1_000, 100)).await;
        let (second, third) = (slots.occupy(share(1_000, 800)), slots.occupy(share(1_000, 200)));
        let (mut second, mut third) = (Box::pin(second), Box::pin(third));
        assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
        drop(first);
        assert!((&mut third).now_or_never().is_none(), "it stands behind the second");
        let _second = second.now_or_never().expect("its turn has come");
        slots.resize(Room { slots: 2, cpu_milli: 2_000, memory_mib: 1_000 });
        assert!(third.now_or_never().is_some());
    }

    #[tokio::test]
    async fn room_that_shrinks_takes_nothing_away_and_lets_nobody_in() {
        let slots = slots(2, 1000);
        let (first, second) = (slots.occupy(share(1_000, 400)).await, slots.occupy(share(1_000, 400)).await);
        slots.resize(Room { slots: 1, cpu_milli: 1_000, memory_mib: 300 });
        assert_eq!((slots.running(), slots.capacity().slots), ((2, share(2_000, 800)), 1));
        let mut third = Box::pin(slots.occupy(share(1_000, 400)));
        assert!((&mut third).now_or_never().is_none());
        drop(first);
        assert!((&mut third).now_or_never().is_none());
        drop(second);
        assert!(third.now_or_never().is_some(), "what is larger than the room enters alone");
    }
}
