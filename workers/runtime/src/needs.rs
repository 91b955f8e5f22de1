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
/// has more of than before, it gets in any case; and what it says of its memory, where it starts programs: only the peak of
/// its own process is seen.
pub(crate) fn ask(settings: &Settings, escalated: u32, needs: &Needs) -> Ask {
    let (asked, escalate) = (&settings.requires, settings.retry.escalate);
    let memory_mib = if needs.memory_mib == 0 { MEMORY_DEFAULT_MIB } else { needs.memory_mib };
    let declared = Share {
        cpu_milli: needs.cpus.max(1).saturating_mul(1_000),
        memory_mib: u32::try_from(memory_mib).unwrap_or(u32::MAX),
        gpus: asked.gpus,
    };
    let more = |factor| Escalate::times(factor, escalated) > 1;
    let (cpu, memory) =
        (asked.cpus > 0 || more(escalate.cpu), asked.memory_bytes > 0 || more(escalate.memory));
    let floor = Share {
        cpu_milli: if cpu { declared.cpu_milli } else { 0 },
        memory_mib: if memory || needs.exec { declared.memory_mib } else { 0 },
        gpus: asked.gpus,
    };
    Ask { floor, declared }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_graph::sketch::Sketch;
    use reelmill_graph::{Graph, Settings};

    fn settings(set: impl FnOnce(&mut Settings)) -> Settings {
        let mut sketch = Sketch::default();
        let node = sketch.work(Graph::MAIN, "clip");
        let mut settings = sketch.at(node).settings.clone();
        set(&mut settings);
        settings
    }

    /// Floor and declaration, in cores and MiB.
    fn asked(settings: &Settings, escalated: u32, needs: &Needs) -> [(u32, u32); 2] {
        let needs = grown(settings, escalated, needs, |needs| needs.memory_mib.max(4_096), 10_000);
        let ask = ask(settings, escalated, &needs);
        [ask.floor, ask.declared].map(|share| (share.cpu_milli / 1_000, share.memory_mib))
    }

    #[test]
    fn what_a_manifest_says_is_a_start_and_what_is_asked_for_a_floor() {
        let plain = settings(|_| {});
        let says = |cpus, memory_mib| Needs { cpus, memory_mib, ..Needs::default() };
        assert_eq!(asked(&plain, 0, &says(0, 0)), [(0, 0), (1, 256)]);
        assert_eq!(asked(&plain, 0, &says(3, 700)), [(0, 0), (3, 700)]);
        let asks = settings(|settings| {
            settings.requires.cpus = 2;
            settings.requires.memory_bytes = 512 << 20;
            settings.requires.gpus = 1;
        });
        assert_eq!(asked(&asks, 0, &says(3, 700)), [(2, 512), (2, 512)]);
        assert_eq!(ask(&asks, 0, &says(2, 512)).floor.gpus, 1);
    }

    #[test]
    fn what_an_attempt_has_more_of_than_before_it_keeps() {
        let grows = settings(|settings| {
            settings.retry.escalate.memory = Some(2);
            settings.retry.escalate.cpu = Some(3);
        });
        let says = Needs { cpus: 1, memory_mib: 3_000, ..Needs::default() };
        assert_eq!(asked(&grows, 0, &says), [(0, 0), (1, 3_000)]);
        assert_eq!(asked(&grows, 1, &says), [(3, 8_192), (3, 8_192)]);
        assert_eq!(asked(&grows, 2, &says), [(9, 10_000), (9, 10_000)], "not beyond what the worker has");
    }

    #[test]
    fn memory_of_a_stage_that_starts_programs_is_what_it_says() {
        let says = Needs { exec: true, memory_mib: 900, ..Needs::default() };
        assert_eq!(asked(&settings(|_| {}), 0, &says), [(0, 900), (1, 900)]);
    }
}
