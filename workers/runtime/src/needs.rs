//! What an attempt needs: what its pipeline asks for, what its stage says, and what attempts of it were seen to use.

use reelmill_graph::{Escalate, Settings};
use reelmill_lifecycle::slots::{Ask, Share};
use reelmill_model::Needs;

/// Memory an attempt is reckoned with when its stage does not say, in MiB.
const MEMORY_DEFAULT_MIB: u64 = 256;

/// What an attempt needs: what the pipeline asks for or its stage says, and more after attempts that failed for want of
/// it. `said_mib` says what such an attempt may use when nothing is asked; nothing grows beyond what the worker has.
pub(crate) fn grown(
    settings: &Settings,
    escalated: u32,
    needs: &Needs,
    said_mib: impl Fn(&Needs) -> u64,
    worker_mib: u32,
) -> Needs {
    let (asked, escalate) = (&settings.requires, settings.retry.escalate);
    let cpus = if asked.cpus > 0 { asked.cpus } else { needs.cpus.max(1) };
    let cores = u64::from(cpus).saturating_mul(Escalate::times(escalate.cpu, escalated));
    let asked_mib = asked.memory_bytes.div_ceil(1 << 20);
    let memory_mib = if asked_mib > 0 { asked_mib } else { needs.memory_mib };
    let needs = Needs { cpus: u32::try_from(cores).unwrap_or(u32::MAX), memory_mib, ..needs.clone() };
    let times = Escalate::times(escalate.memory, escalated);
    if times == 1 {
        return needs;
    }
    let said_mib = said_mib(&needs);
    Needs { memory_mib: said_mib.saturating_mul(times).min(u64::from(worker_mib).max(said_mib)), ..needs }
}

/// What is reckoned with before anything was learned, of an attempt with these needs. What somebody asked for, or what it
/// has more of than before, it gets in any case.
pub(crate) fn ask(settings: &Settings, escalated: u32, needs: &Needs) -> Ask {
    let (asked, escalate) = (&settings.requires, settings.retry.escalate);
    let memory_mib = if needs.memory_mib == 0 { MEMORY_DEFAULT_MIB } else { needs.memory_mib };
    let declared = Share {
        cpu_milli: needs.cpus.max(1).saturating_mul(1_000),
        memory_mib: u32::try_from(memory_mib).unwrap_or(u32::MAX),
        gpus: asked.gpus,
    };
    let more = |factor| Escalate::times(factor, escalated) > 1;
    let floor = Share {
        cpu_milli: if asked.cpus > 0 || more(escalate.cpu) { declared.cpu_milli } else { 0 },
        memory_mib: if asked.memory_bytes > 0 || more(escalate.memory) { declared.memory_mib } else { 0 },
        gpus: asked.gpus,
    };
    Ask { floor, declared }
}
