//! Slots that follow the machine: looks at it every two seconds, lets [`Tuner`] decide, and applies what it says.

use crate::learning::Learning;
use crate::slots::Slots;
use reelmill_hardware::{Look, Sampler};
use reelmill_lifecycle::slots::{Bounds, Room, Share, Sight, Tuner};
use reelmill_ports::Adaptive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Looks after which what was learned is kept.
const KEEP_AFTER: u32 = 15;

/// Slots that follow the machine. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct Adapt(Arc<State>);

#[derive(Debug)]
struct State {
    /// Held while it reads files; nobody else asks for it.
    sampler: Mutex<Sampler>,
    /// Never held for longer than a decision takes: whoever announces the worker asks for it too.
    tuner: Mutex<Tuner>,
}

impl Adapt {
    /// Takes a first look, and begins with so many slots; `memory_mib` is what somebody lets attempts use together.
    #[must_use]
    pub fn new(slots: u32, total_mib: u32, memory_mib: Option<u32>) -> Self {
        let mut sampler = Sampler::default();
        let look = sampler.look();
        let bounds = Bounds::of(look.cpu_milli, total_mib, memory_mib);
        let tuner = Tuner::new(bounds, slots, sight(&look, Share::default()));
        Self(Arc::new(State { sampler: Mutex::new(sampler), tuner: Mutex::new(tuner) }))
    }

    /// Makes the slots what they are now.
    pub fn apply(&self, slots: &Slots) {
        slots.resize(self.tuner().room());
    }

    /// As it is announced.
    #[must_use]
    pub fn now(&self) -> Adaptive {
        let tuner = self.tuner();
        let (slots_max, because) = (tuner.slots_max(), tuner.because());
        Adaptive { slots_max, cpu_milli: because.room.cpu_milli, because: because.to_string() }
    }

    /// Looks again and again until `end`.
    pub(crate) async fn run(self, slots: Slots, learning: Learning, end: CancellationToken) {
        let mut ticks = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for no in 0_u32.. {
            let ended = tokio::select! {
                () = end.cancelled() => true,
                _ = ticks.tick() => false,
            };
            let (this, slots, learning) = (self.clone(), slots.clone(), learning.clone());
            // Both read and write files.
            let done = tokio::task::spawn_blocking(move || {
                if ended || no % KEEP_AFTER == KEEP_AFTER - 1 {
                    learning.keep();
                }
                if !ended {
                    this.look(&slots, &learning);
                }
            });
            if done.await.is_err() || ended {
                return;
            }
        }
    }

    fn look(&self, slots: &Slots, learning: &Learning) {
        let look = self.0.sampler.lock().unwrap_or_else(PoisonError::into_inner).look();
        let (running, used) = slots.running();
        learning.see_share(look.share_milli(running));
        let change = {
            let mut tuner = self.tuner();
            let Room { cpu_milli, memory_mib, .. } = tuner.room();
            let typical = learning.typical(Share { cpu_milli, memory_mib, gpus: 0 });
            tuner.step(sight(&look, used), typical)
        };
        self.apply(slots);
        if let Some(change) = change {
            tracing::info!(from = change.from, to = change.to, because = %change.because, "slots have changed");
        }
    }

    fn tuner(&self) -> MutexGuard<'_, Tuner> {
        self.0.tuner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The machine beside attempts that take so much. They have no more memory than that: what else there is below this process
/// belongs to processes that wait for the next attempt of their stage, and is not free.
fn sight(look: &Look, used: Share) -> Sight {
    let mib = |bytes: u64| u32::try_from(bytes >> 20).unwrap_or(u32::MAX);
    let own_mib = mib(look.memory_own_bytes).min(used.memory_mib);
    Sight {
        cpu_milli: look.cpu_milli,
        others_milli: look.others_milli(),
        memory_mib: mib(look.memory_available_bytes).saturating_add(own_mib),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_idle_processes_is_not_free() {
        let look =
            Look { memory_available_bytes: 1_000 << 20, memory_own_bytes: 500 << 20, ..Look::default() };
        let seen = |memory_mib| sight(&look, Share { memory_mib, ..Share::default() }).memory_mib;
        assert_eq!([seen(0), seen(300), seen(800)], [1_000, 1_300, 1_500]);
    }
}
