//! What attempts of each stage were seen to use, and what the next one is reckoned with.
//!
//! CPU may be short for a moment, and every attempt is only slower then; memory may not. So CPU is a mean with a margin of
//! two mean deviations, which some nine of ten attempts stay below, and memory is the largest peak, which is forgotten slowly,
//! with a margin of a quarter.
//!
//! What the pipeline asks for (`runs_on`) is a floor: whoever writes it may know of the one film that needs it. What the
//! manifest says is only the start: it was written for the largest input on a machine that nobody knows, and most stages
//! say nothing. Until enough attempts were seen, they may raise it and not lower it.

use super::room::{Share, beside_others};
use reelmill_model::limits::{LEARNED_ATTEMPTS_MIN, LEARNED_STAGES_MAX, SLOTS_PER_CPU_MAX};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// CPU that an attempt is reckoned with at least, in thousandths of a core.
pub const CPU_MILLI_MIN: u32 = 1_000 / SLOTS_PER_CPU_MAX;
/// CPU that an attempt is reckoned with at most, in thousandths of a core: a thousand cores.
pub const CPU_MILLI_MAX: u32 = 1 << 20;
/// Memory that an attempt is reckoned with at least, in MiB: its process alone takes some.
pub const MEMORY_MIB_MIN: u32 = 32;
/// Memory that an attempt is reckoned with at most, in MiB: a pebibyte.
pub const MEMORY_MIB_MAX: u32 = 1 << 30;

/// Of the CPU that it wanted an attempt is taken to have had a tenth at least: what is counted in a crowd is rough.
const SHARE_MILLI_MIN: u32 = 100;
/// An observation weighs one part in so many once there are as many.
const CPU_WEIGHT: u32 = 8;
/// The largest peak comes down by one part in so many of what it is too high, with every attempt.
const MEMORY_WEIGHT: u32 = 16;
/// Attempts that [`Mix`] remembers.
const MIX_ATTEMPTS: usize = 64;

/// What one attempt used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// CPU time over time, in thousandths of a core.
    pub cpu_milli: u32,
    /// Its peak, in MiB.
    pub memory_mib: u32,
    /// How much of the CPU that it wanted it could have while it ran, in thousandths: all of it, unless CPU was short.
    pub share_milli: u32,
}

impl Used {
    /// The CPU that it would have used had there been enough, in thousandths of a core: up to one core, and more only if it
    /// had more. Without this too many slots would make attempts slow, slow attempts would look as if they needed little, and
    /// more slots would follow. One core bounds what is made of a rough count of threads, and is enough: stages that are
    /// reckoned with a core each get no more slots than there are cores.
    fn wanted_milli(self) -> u32 {
        let share = self.share_milli.clamp(SHARE_MILLI_MIN, 1_000);
        let whole = u64::from(self.cpu_milli) * 1_000 / u64::from(share);
        let up_to_one = u32::try_from(whole.min(1_000)).unwrap_or(1_000);
        self.cpu_milli.max(up_to_one).min(CPU_MILLI_MAX)
    }
}

/// What is known of the attempts of a stage.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learned {
    /// The stage: `plugin.stage`.
    pub stage: String,
    /// Attempts that were seen.
    pub attempts: u32,
    /// Mean of the CPU that they wanted, in thousandths of a core; later ones weigh more.
    pub cpu_mean_milli: u32,
    /// Mean distance from it.
    pub cpu_spread_milli: u32,
    /// Largest peak, in MiB; it is forgotten slowly.
    pub memory_peak_mib: u32,
}

impl Learned {
    /// CPU that an attempt is reckoned with, in thousandths of a core.
    #[must_use]
    pub fn cpu_milli(&self) -> u32 {
        let margin = self.cpu_spread_milli.saturating_mul(2);
        self.cpu_mean_milli.saturating_add(margin).clamp(CPU_MILLI_MIN, CPU_MILLI_MAX)
    }

    /// Memory that an attempt is reckoned with, in MiB.
    #[must_use]
    pub fn memory_mib(&self) -> u32 {
        let margin = self.memory_peak_mib / 4;
        self.memory_peak_mib.saturating_add(margin).clamp(MEMORY_MIB_MIN, MEMORY_MIB_MAX)
    }

    fn note(&mut self, used: Used) {
        self.attempts = self.attempts.saturating_add(1);
        let peak = used.memory_mib.min(MEMORY_MIB_MAX);
        let too_high = self.memory_peak_mib.saturating_sub(peak);
        self.memory_peak_mib = peak.max(self.memory_peak_mib - too_high / MEMORY_WEIGHT);
        let (cpu, weight) = (used.wanted_milli(), self.attempts.min(CPU_WEIGHT));
        if weight > 1 {
            let distance = cpu.abs_diff(self.cpu_mean_milli);
            self.cpu_spread_milli = towards(self.cpu_spread_milli, distance, weight);
        }
        self.cpu_mean_milli = towards(self.cpu_mean_milli, cpu, weight);
    }

    /// From its own file or another version's: within what is believed.
    fn checked(self) -> Self {
        Self {
            cpu_mean_milli: self.cpu_mean_milli.min(CPU_MILLI_MAX),
            cpu_spread_milli: self.cpu_spread_milli.min(CPU_MILLI_MAX),
            memory_peak_mib: self.memory_peak_mib.min(MEMORY_MIB_MAX),
            ..self
        }
    }
}

/// A mean after one more value that weighs one part in `weight`, rounded to the nearest.
fn towards(mean: u32, value: u32, weight: u32) -> u32 {
    let (mean, value, weight) = (u64::from(mean), u64::from(value), u64::from(weight));
    let sum = mean * (weight - 1) + value + weight / 2;
    u32::try_from(sum / weight).unwrap_or(u32::MAX)
}

/// What an attempt says of its needs before anything was learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// What its pipeline asks for, or what it is given more of after a failure: it gets that at least.
    pub floor: Share,
    /// What its stage says, or what is reckoned with when it says nothing.
    pub declared: Share,
}

impl Ask {
    fn reckoned(&self, learned: Option<&Learned>) -> Share {
        let Some(learned) = learned else { return self.declared.max(self.floor) };
        let pick = |declared: u32, seen: u32| {
            if learned.attempts >= LEARNED_ATTEMPTS_MIN { seen } else { declared.max(seen) }
        };
        let seen = Share {
            cpu_milli: pick(self.declared.cpu_milli, learned.cpu_milli()),
            memory_mib: pick(self.declared.memory_mib, learned.memory_mib()),
            // How busy it keeps a GPU is not seen: it has it to itself.
            gpus: self.declared.gpus,
        };
        seen.max(self.floor)
    }
}

/// The stages that attempts were seen of, latest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stages(Vec<Learned>);

impl Stages {
    /// What was known before, as far as it can be believed.
    #[must_use]
    pub fn new(known: impl IntoIterator<Item = Learned>) -> Self {
        Self(known.into_iter().take(LEARNED_STAGES_MAX).map(Learned::checked).collect())
    }

    /// Notes what an attempt used. The stage that was not seen for longest is forgotten when there are too many.
    pub fn note(&mut self, stage: &str, used: Used) {
        let known = self.0.iter().position(|learned| learned.stage == stage).map(|at| self.0.remove(at));
        let mut learned = known.unwrap_or_else(|| Learned { stage: stage.to_owned(), ..Learned::default() });
        learned.note(used);
        self.0.insert(0, learned);
        self.0.truncate(LEARNED_STAGES_MAX);
    }

    /// All of them, latest first.
    #[must_use]
    pub fn all(&self) -> &[Learned] {
        &self.0
    }

    /// What the next attempt of a stage is reckoned with.
    #[must_use]
    pub fn reckon(&self, stage: &str, ask: &Ask) -> Share {
        ask.reckoned(self.0.iter().find(|learned| learned.stage == stage))
    }
}

/// The attempts that came last: what comes next will be like them.
#[derive(Clone, Debug, Default)]
pub struct Mix(VecDeque<(String, Ask)>);

impl Mix {
    /// Notes that an attempt came.
    pub fn came(&mut self, stage: &str, ask: Ask) {
        if self.0.len() >= MIX_ATTEMPTS {
            self.0.pop_back();
        }
        self.0.push_front((stage.to_owned(), ask));
    }

    /// What one of them takes of a room in the mean, by what is known now; none when none came.
    #[must_use]
    pub fn typical(&self, stages: &Stages, room: Share) -> Option<Share> {
        let count = u64::try_from(self.0.len()).ok().filter(|count| *count > 0)?;
        let share = |stage: &str, ask: &Ask| beside_others(room, stages.reckon(stage, ask), ask.floor);
        let shares = self.0.iter().map(|(stage, ask)| share(stage, ask).min(room));
        let (cpu, memory) = shares.fold((0_u64, 0_u64), |(cpu, memory), share| {
            (cpu + u64::from(share.cpu_milli), memory + u64::from(share.memory_mib))
        });
        let mean = |sum: u64| u32::try_from(sum.div_ceil(count)).unwrap_or(u32::MAX).max(1);
        Some(Share { cpu_milli: mean(cpu), memory_mib: mean(memory), gpus: 0 })
    }
}
