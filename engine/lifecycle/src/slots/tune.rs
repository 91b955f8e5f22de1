//! How many slots a worker has, and how much of its machine their attempts may use together.
//!
//! Two things are decided apart. The *room* is what attempts may use: the cores that others leave, and the memory that is
//! free but for a reserve. Nobody enters a room that has no place ([`super::room`]), so memory is never promised twice,
//! whatever the slots are. The *slots* say how many tasks are taken from the queue at once: as many as fill the room, when
//! they are like those that came last.
//!
//! Both are damped, so that a load that goes up and down a little moves nothing: small use by others is passed over, room
//! that becomes free is believed when there is an eighth more of it, and slots change only after the same was wished for
//! several looks in a row, and only when a tenth is not what it is about. They at most double from look to look.

use super::room::Share;
use reelmill_model::limits::{SLOTS_PER_CPU_MAX, WORKER_SLOTS_MAX};
use std::fmt;

/// What others use is taken off in steps of so much CPU: half a core.
const OTHERS_STEP_MILLI: u32 = 500;
/// So much less than a step has to be used before it is given back.
const OTHERS_SLACK_MILLI: u32 = 150;
/// A new look at what others use weighs one part in so many.
const OTHERS_WEIGHT: u32 = 4;
/// Looks in a row after which there are more slots, and after which there are fewer.
const GROW_AFTER: u32 = 2;
const SHRINK_AFTER: u32 = 3;
/// Memory that has to become free before it is believed, in MiB; an eighth of what there was, if that is more.
const MEMORY_STEP_MIB: u32 = 64;
/// Memory that is left to the system and its page cache: a tenth, in these bounds, in MiB.
const RESERVE_MIB: (u32, u32) = (256, 4_096);

/// A worker's machine, at one look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// CPU that the worker may use, in thousandths of a core.
    pub cpu_milli: u32,
    /// What other programs make unusable of it, in thousandths of a core.
    pub others_milli: u32,
    /// Memory that is free or that its attempts have now, in MiB.
    pub memory_mib: u32,
}

/// What slots and room stay within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Slots at most.
    pub slots_max: u32,
    /// Memory that attempts may use together at most, in MiB.
    pub memory_mib: u32,
    /// Memory that is left to the system, in MiB.
    pub reserve_mib: u32,
}

impl Bounds {
    /// On a machine of so much; `given_mib` is what somebody lets attempts use together.
    #[must_use]
    pub fn of(cpu_milli: u32, memory_mib: u32, given_mib: Option<u32>) -> Self {
        let cores = cpu_milli.div_ceil(1_000).max(1);
        let reserve = (memory_mib / 10).clamp(RESERVE_MIB.0, RESERVE_MIB.1).min(memory_mib / 2);
        Self {
            slots_max: cores.saturating_mul(SLOTS_PER_CPU_MAX).min(WORKER_SLOTS_MAX),
            memory_mib: given_mib.unwrap_or(u32::MAX).min(memory_mib).max(1),
            reserve_mib: reserve,
        }
    }
}

/// What may run at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Tasks that are taken from the queue at once; at least one.
    pub slots: u32,
    /// CPU that attempts may use together, in thousandths of a core.
    pub cpu_milli: u32,
    /// Memory that attempts may use together, in MiB.
    pub memory_mib: u32,
}

/// What keeps slots from being more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scarce {
    /// The cores.
    Cpu,
    /// The memory.
    Memory,
    /// The most there may be.
    Maximum,
}

/// Why there are as many slots as there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Because {
    /// What is scarce; none before any attempt came.
    pub scarce: Option<(Scarce, Share)>,
    /// The room.
    pub room: Room,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = |milli: u32| f64::from(milli) / 1_000.0;
        let Room { cpu_milli, memory_mib, .. } = self.room;
        match self.scarce {
            Some((Scarce::Cpu, typical)) => {
                write!(
                    f,
                    "attempts take {:.2} of {:.1} cores each",
                    cores(typical.cpu_milli),
                    cores(cpu_milli)
                )
            }
            Some((Scarce::Memory, typical)) => {
                write!(f, "attempts take {} of {memory_mib} MiB of memory each", typical.memory_mib)
            }
            Some((Scarce::Maximum, typical)) => write!(
                f,
                "the most there may be; attempts take {:.2} cores and {} MiB each",
                cores(typical.cpu_milli),
                typical.memory_mib
            ),
            None => write!(f, "{:.1} cores and {memory_mib} MiB for attempts", cores(cpu_milli)),
        }
    }
}

/// Slots have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// How many there were.
    pub from: u32,
    /// How many there are.
    pub to: u32,
    /// Why.
    pub because: Because,
}

/// What was wished for in the looks before this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trend {
    Steady,
    /// More, so many looks in a row, and how many at least.
    Up(u32, u32),
    /// Fewer, so many looks in a row, and how many at most.
    Down(u32, u32),
}

/// Decides, look by look.
#[derive(Clone, Debug)]
pub struct Tuner {
    bounds: Bounds,
    room: Room,
    scarce: Option<(Scarce, Share)>,
    /// What others use, in the mean of the last looks, and what of it is taken off.
    others_milli: (u32, u32),
    trend: Trend,
}

impl Tuner {
    /// Begins with so many slots.
    #[must_use]
    pub fn new(bounds: Bounds, slots: u32, sight: Sight) -> Self {
        let slots = slots.clamp(1, bounds.slots_max.max(1));
        let room = Room { slots, cpu_milli: sight.cpu_milli.max(1), memory_mib: free_mib(bounds, sight) };
        Self { bounds, room, scarce: None, others_milli: (0, 0), trend: Trend::Steady }
    }

    /// What may run at once now.
    #[must_use]
    pub fn room(&self) -> Room {
        self.room
    }

    /// Slots at most.
    #[must_use]
    pub fn slots_max(&self) -> u32 {
        self.bounds.slots_max.max(1)
    }

    /// Why it is as much as it is.
    #[must_use]
    pub fn because(&self) -> Because {
        Because { scarce: self.scarce, room: self.room }
    }

    /// Takes one look at the machine, and at what an attempt takes in the mean; none while nothing came. Says when slots
    /// have changed.
    pub fn step(&mut self, sight: Sight, typical: Option<Share>) -> Option<Change> {
        self.room.cpu_milli = self.cpu_left(sight);
        self.room.memory_mib = self.memory_left(sight);
        let typical = typical?;
        let from = self.room.slots;
        let (fit, scarce) = self.fit(typical);
        self.scarce = Some((scarce, typical));
        // Not so many that attempts which take a tenth less would be too many.
        let at_most = self.fit(Share {
            cpu_milli: typical.cpu_milli - typical.cpu_milli / 10,
            memory_mib: typical.memory_mib - typical.memory_mib / 10,
            gpus: 0,
        });
        self.trend = match self.trend {
            Trend::Up(looks, least) if fit > from => Trend::Up(looks + 1, least.min(fit)),
            Trend::Down(looks, most) if at_most.0 < from => Trend::Down(looks + 1, most.max(fit)),
            _ if fit > from => Trend::Up(1, fit),
            _ if at_most.0 < from => Trend::Down(1, fit),
            _ => Trend::Steady,
        };
        self.room.slots = match self.trend {
            Trend::Up(looks, least) if looks >= GROW_AFTER => least.min(from.saturating_mul(2)),
            Trend::Down(looks, most) if looks >= SHRINK_AFTER => most,
            _ => return None,
        };
        self.trend = Trend::Steady;
        Some(Change { from, to: self.room.slots, because: self.because() })
    }

    /// The CPU that others leave; never less than a core, or than there is.
    fn cpu_left(&mut self, sight: Sight) -> u32 {
        let (mean, taken_off) = &mut self.others_milli;
        let sum = u64::from(*mean) * u64::from(OTHERS_WEIGHT - 1) + u64::from(sight.others_milli);
        *mean = u32::try_from(sum / u64::from(OTHERS_WEIGHT)).unwrap_or(u32::MAX);
        let steps = |milli: u32| milli / OTHERS_STEP_MILLI * OTHERS_STEP_MILLI;
        // What is between the two stays as it is.
        *taken_off = (*taken_off).clamp(steps(*mean), steps(mean.saturating_add(OTHERS_SLACK_MILLI)));
        let cpu = sight.cpu_milli.max(1);
        cpu.saturating_sub(*taken_off).max(cpu.min(1_000))
    }

    fn memory_left(&self, sight: Sight) -> u32 {
        let (before, now) = (self.room.memory_mib, free_mib(self.bounds, sight));
        let much = now >= before.saturating_add(MEMORY_STEP_MIB.max(before / 8));
        if now < before || much { now } else { before }
    }

    /// How many such attempts the room has place for, and what ends first.
    fn fit(&self, typical: Share) -> (u32, Scarce) {
        let cpu = (self.room.cpu_milli / typical.cpu_milli.max(1), Scarce::Cpu);
        let memory = (self.room.memory_mib / typical.memory_mib.max(1), Scarce::Memory);
        let (fit, scarce) = [(self.slots_max(), Scarce::Maximum), cpu, memory]
            .into_iter()
            .min_by_key(|(fit, _)| *fit)
            .unwrap_or(cpu);
        (fit.max(1), scarce)
    }
}

/// Memory that attempts may use together, in MiB: what they have and what is free, less the reserve. Where there is
/// none, one attempt at a time still enters.
fn free_mib(bounds: Bounds, sight: Sight) -> u32 {
    sight.memory_mib.saturating_sub(bounds.reserve_mib).min(bounds.memory_mib).max(1)
}
