//! Slots of a worker, whatever its machine and its stages: what is decided stays within what there is, fills it, and settles.

use proptest::prelude::*;
use reelmill_lifecycle::slots::learned::{CPU_MILLI_MAX, CPU_MILLI_MIN, MEMORY_MIB_MAX, MEMORY_MIB_MIN};
use reelmill_lifecycle::slots::{
    Ask, Bounds, Learned, Mix, Room, Share, Sight, Stages, Tuner, Used, beside_others, may_enter,
};
use reelmill_model::limits::{LEARNED_ATTEMPTS_MIN, LEARNED_STAGES_MAX, WORKER_SLOTS_MAX};

fn share(cpu_milli: u32, memory_mib: u32) -> Share {
    Share { cpu_milli, memory_mib, gpus: 0 }
}

fn used(cpu_milli: u32, memory_mib: u32) -> Used {
    Used { cpu_milli, memory_mib, share_milli: 1_000 }
}

fn any_share() -> impl Strategy<Value = Share> {
    (0_u32..20_000, 0_u32..100_000, 0_u32..3).prop_map(|(cpu_milli, memory_mib, gpus)| Share {
        cpu_milli,
        memory_mib,
        gpus,
    })
}

fn any_used() -> impl Strategy<Value = Used> {
    (any::<u32>(), any::<u32>(), 0_u32..2_000).prop_map(|(cpu_milli, memory_mib, share_milli)| Used {
        cpu_milli,
        memory_mib,
        share_milli,
    })
}

fn any_sight() -> impl Strategy<Value = Sight> {
    (0_u32..300_000, 0_u32..400_000, 0_u32..2_000_000)
        .prop_map(|(cpu_milli, others_milli, memory_mib)| Sight { cpu_milli, others_milli, memory_mib })
}

fn any_bounds() -> impl Strategy<Value = Bounds> {
    (0_u32..300_000, 0_u32..2_000_000, proptest::option::of(0_u32..2_000_000))
        .prop_map(|(cpu_milli, memory_mib, given)| Bounds::of(cpu_milli, memory_mib, given))
}

/// Looks after which whatever goes on has been noticed.
const LONG: usize = 40;

proptest! {
    #[test]
    fn an_attempt_is_reckoned_within_bounds_and_gets_what_was_asked_for(
        seen in proptest::collection::vec(any_used(), 0..40), floor in any_share(), more in any_share(),
    ) {
        let ask = Ask { floor, declared: floor.plus(more) };
        let mut stages = Stages::default();
        for one in &seen {
            stages.note("a.b", *one);
        }
        let reckoned = stages.reckon("a.b", &ask);
        prop_assert_eq!(reckoned.max(floor), reckoned, "it gets less than was asked for");
        prop_assert!(reckoned.cpu_milli <= CPU_MILLI_MAX.max(ask.declared.cpu_milli));
        prop_assert!(reckoned.memory_mib <= MEMORY_MIB_MAX.max(ask.declared.memory_mib));
        prop_assert_eq!(reckoned.gpus, ask.declared.gpus);
        if (seen.len() as u64) < u64::from(LEARNED_ATTEMPTS_MIN) {
            prop_assert_eq!(reckoned.max(ask.declared), reckoned, "too few were seen to reckon with less");
        } else {
            prop_assert!(reckoned.memory_mib >= MEMORY_MIB_MIN.max(floor.memory_mib));
        }
    }

    #[test]
    fn what_stays_the_same_is_learned_and_a_margin_is_left(cpu in 0_u32..16_000, memory in 0_u32..64_000) {
        let mut learned = Stages::default();
        for _ in 0..100 {
            learned.note("a.b", used(cpu, memory));
        }
        let reckoned = learned.reckon("a.b", &Ask { floor: Share::default(), declared: share(999_999, 999_999) });
        prop_assert_eq!(reckoned.cpu_milli, cpu.max(CPU_MILLI_MIN));
        prop_assert_eq!(reckoned.memory_mib, (memory + memory / 4).max(MEMORY_MIB_MIN));
    }

    #[test]
    fn memory_is_reckoned_with_no_less_than_the_last_attempts_had(peaks in proptest::collection::vec(0_u32..10_000, 3..50)) {
        let mut stages = Stages::default();
        for peak in &peaks {
            stages.note("a.b", used(0, *peak));
        }
        let reckoned = stages.reckon("a.b", &Ask::default());
        let last = peaks[peaks.len().saturating_sub(4)..].iter().max().expect("there are some");
        prop_assert!(reckoned.memory_mib >= *last, "{} of {peaks:?}", reckoned.memory_mib);
    }

    #[test]
    fn a_crowd_makes_no_stage_look_smaller(
        wanted in 100_u32..8_000, shares in proptest::collection::vec(100_u32..1_000, 3..50),
    ) {
        let mut stages = Stages::default();
        for share_milli in shares {
            let cpu_milli = wanted * share_milli / 1_000;
            stages.note("a.b", Used { cpu_milli, memory_mib: 100, share_milli });
        }
        let reckoned = stages.reckon("a.b", &Ask::default()).cpu_milli;
        let least = wanted.min(1_000);
        // Thousandths that are cut off weigh up to ten times as much.
        prop_assert!(reckoned + 10 >= least, "{reckoned} of {wanted}");
        prop_assert!(wanted > 1_000 || reckoned < wanted + 30, "{reckoned} of {wanted}");
    }

    #[test]
    fn slots_and_room_stay_within_what_there_is(
        bounds in any_bounds(), start in any::<u32>(),
        looks in proptest::collection::vec((any_sight(), proptest::option::of(any_share())), 1..60),
    ) {
        let mut tuner = Tuner::new(bounds, start, looks[0].0);
        for (sight, typical) in looks {
            let before = tuner.room().slots;
            let change = tuner.step(sight, typical);
            let Room { slots, cpu_milli, memory_mib } = tuner.room();
            prop_assert!((1..=bounds.slots_max.min(WORKER_SLOTS_MAX)).contains(&slots), "{slots} slots");
            prop_assert!(cpu_milli <= sight.cpu_milli.max(1));
            let free = sight.memory_mib.saturating_sub(bounds.reserve_mib).min(bounds.memory_mib);
            prop_assert!(memory_mib <= free.max(1), "{memory_mib} MiB are promised of {free}");
            prop_assert_eq!(change.map_or(before, |change| change.to), slots);
            if let Some(change) = change {
                prop_assert_eq!(change.from, before);
                prop_assert!(change.to != change.from && change.to <= before.saturating_mul(2));
            }
        }
    }

    #[test]
    fn a_load_that_stays_the_same_fills_the_room_and_moves_nothing_more(
        cpus in 1_u32..64, others in 0_u32..64_000, memory in 500_u32..200_000,
        typical in (CPU_MILLI_MIN..8_000, MEMORY_MIB_MIN..8_000), start in 1_u32..300,
    ) {
        let sight = Sight { cpu_milli: cpus * 1_000, others_milli: others.min(cpus * 1_000), memory_mib: memory };
        let bounds = Bounds::of(sight.cpu_milli, memory, None);
        let typical = share(typical.0, typical.1);
        let mut tuner = Tuner::new(bounds, start, sight);
        for _ in 0..LONG {
            tuner.step(sight, Some(typical));
        }
        let Room { slots, cpu_milli, memory_mib } = tuner.room();
        let all = cpu_milli + others.min(cpus * 1_000);
        // One core stays with the worker, and half of one is passed over.
        prop_assert!(all <= cpus * 1_000 + 1_000, "others keep what they use");
        let fit = |slots: u32, less: u32| {
            let of = |each: u32| u64::from(slots) * u64::from(each - each / 10 * less);
            of(typical.cpu_milli) <= u64::from(cpu_milli) && of(typical.memory_mib) <= u64::from(memory_mib)
        };
        prop_assert!(slots == 1 || fit(slots, 1), "{slots} are too many for {:?}", tuner.room());
        prop_assert!(slots == tuner.slots_max() || !fit(slots + 1, 0), "{slots} are too few for {:?}", tuner.room());
        for _ in 0..LONG {
            prop_assert_eq!(tuner.step(sight, Some(typical)), None);
        }
    }

    #[test]
    fn a_load_that_trembles_makes_no_swings(
        cpus in 2_u32..32, others in 0_u32..30, each in 100_u32..4_000,
        noise in proptest::collection::vec((0_u32..70, 0_u32..60, 0_u32..5), LONG * 3),
    ) {
        let bounds = Bounds::of(cpus * 1_000, 64_000, None);
        let look = |(load, memory, size): (u32, u32, u32)| {
            let sight = Sight {
                cpu_milli: cpus * 1_000,
                others_milli: (others * 500 + 200 + load).min(cpus * 1_000),
                memory_mib: 32_000 + memory,
            };
            (sight, share(each + each * size / 100, 100))
        };
        let mut tuner = Tuner::new(bounds, 1, look(noise[0]).0);
        let (first, then) = noise.split_at(LONG * 2);
        for one in first {
            let (sight, typical) = look(*one);
            tuner.step(sight, Some(typical));
        }
        let settled = tuner.room();
        let mut changes = Vec::new();
        for one in then {
            let (sight, typical) = look(*one);
            changes.extend(tuner.step(sight, Some(typical)));
        }
        // What was too many by less than a tenth may go late, when the larger ones come three times in a row.
        prop_assert!(changes.len() <= 2, "{changes:?}");
        prop_assert!(settled.slots.abs_diff(tuner.room().slots) <= settled.slots.div_ceil(10), "{changes:?}");
        prop_assert_eq!(tuner.room().cpu_milli, settled.cpu_milli);
    }

    #[test]
    fn whoever_enters_fits_unless_alone_and_whoever_waits_gets_in(
        room in any_share(), wants in proptest::collection::vec((any_share(), 1_u32..6), 1..40),
    ) {
        let room = room.max(share(1, 1));
        let mut line: Vec<(usize, Share)> = wants.iter().map(|(want, _)| *want).enumerate().collect();
        let mut inside: Vec<(u32, Share)> = Vec::new();
        let mut rounds = 0;
        while !line.is_empty() {
            rounds += 1;
            prop_assert!(rounds <= 6 * wants.len(), "somebody waits for ever: {line:?}");
            let mut at = 0;
            while let Some((number, want)) = line.get(at).copied() {
                let used = inside.iter().fold(Share::default(), |sum, (_, share)| sum.plus(*share));
                if may_enter(room, used, line[..at].iter().map(|(_, ahead)| *ahead), want) {
                    inside.push((wants[number].1, want.min(room)));
                    line.remove(at);
                } else {
                    at += 1;
                }
                let used = inside.iter().fold(Share::default(), |sum, (_, share)| sum.plus(*share));
                prop_assert!(used.fits(room), "{used:?} of {room:?}");
            }
            for (left, _) in &mut inside {
                *left -= 1;
            }
            inside.retain(|(left, _)| *left > 0);
        }
    }
}

/// A worker on a machine, in a model of both: attempts of a stage each want so much CPU, and get a fair share when all
/// together want more than there is.
struct Model {
    cpu_milli: u32,
    others_milli: u32,
    memory_mib: u32,
    stages: Vec<(&'static str, Share)>,
    learned: Stages,
    mix: Mix,
    tuner: Tuner,
    /// Attempts that came, and those of them that wait for room, with what they are reckoned with.
    came: usize,
    line: Vec<(&'static str, Share, Share)>,
}

impl Model {
    fn new(cpu_milli: u32, others_milli: u32, memory_mib: u32, stages: Vec<(&'static str, Share)>) -> Self {
        let sight = Sight { cpu_milli, others_milli: 0, memory_mib };
        let tuner = Tuner::new(Bounds::of(cpu_milli, memory_mib, None), cpu_milli / 1_000, sight);
        Self {
            cpu_milli,
            others_milli,
            memory_mib,
            stages,
            learned: Stages::default(),
            mix: Mix::default(),
            tuner,
            came: 0,
            line: Vec::new(),
        }
    }

    fn ask() -> Ask {
        Ask { floor: Share::default(), declared: share(1_000, 256) }
    }

    /// The worker fills its slots with its stages in turn, those that have room run, and they all end; says what they really
    /// wanted together.
    fn round(&mut self) -> Share {
        let room = self.tuner.room();
        let whole = share(room.cpu_milli, room.memory_mib);
        while self.line.len() < room.slots as usize {
            let (name, wants) = self.stages[self.came % self.stages.len()];
            self.came += 1;
            self.mix.came(name, Self::ask());
            let reckoned = self.learned.reckon(name, &Self::ask());
            self.line.push((name, wants, beside_others(whole, reckoned, Self::ask().floor)));
        }
        let (mut used, mut running, mut waiting) = (Share::default(), Vec::new(), Vec::new());
        for (name, wants, reckoned) in self.line.drain(..) {
            if may_enter(whole, used, waiting.iter().map(|(_, _, ahead)| *ahead), reckoned) {
                used = used.plus(reckoned.min(whole));
                running.push((name, wants));
            } else {
                waiting.push((name, wants, reckoned));
            }
        }
        self.line = waiting;
        let wanted = running.iter().fold(Share::default(), |sum, (_, wants)| sum.plus(*wants));
        let share_milli = self.cpu_milli * 1_000 / (wanted.cpu_milli + self.others_milli).max(1);
        let share_milli = share_milli.min(1_000);
        for (name, wants) in running {
            let cpu_milli = wants.cpu_milli * share_milli / 1_000;
            self.learned.note(name, Used { cpu_milli, memory_mib: wants.memory_mib, share_milli });
        }
        let sight =
            Sight { cpu_milli: self.cpu_milli, others_milli: self.others_milli, memory_mib: self.memory_mib };
        self.tuner.step(sight, self.mix.typical(&self.learned, whole));
        wanted
    }
}

proptest! {
    #[test]
    fn a_worker_that_learns_settles_and_neither_overfills_nor_idles(
        cpus in 1_u32..16, others in 0_u32..3, memory in 2_000_u32..64_000,
        burns in 300_u32..3_000, waits in 5_u32..100, peaks in (20_u32..500, 20_u32..1_500),
    ) {
        let others = others.min(cpus - 1) * 1_000;
        let stages = vec![("a.burn", share(burns, peaks.0)), ("a.wait", share(waits, peaks.1))];
        let mut model = Model::new(cpus * 1_000, others, memory, stages);
        for _ in 0..LONG * 4 {
            model.round();
        }
        let settled = model.tuner.room();
        for _ in 0..LONG {
            let wanted = model.round();
            prop_assert_eq!(model.tuner.room(), settled, "it swings");
            prop_assert!(wanted.memory_mib <= memory, "{} MiB are used of {memory}", wanted.memory_mib);
            // The largest may be too many, and of what burns several cores there is one a core until it was seen alone.
            let free = cpus * 1_000 - others;
            let most = (free + free / 10 + 1_000) * burns.max(1_000) / 1_000;
            prop_assert!(wanted.cpu_milli <= most, "{} of {free}", wanted.cpu_milli);
        }
        let whole = share(settled.cpu_milli, settled.memory_mib);
        let typical = model.mix.typical(&model.learned, whole).expect("attempts came");
        // The mix of what comes varies by a tenth at most.
        let one_more = |each: u32| (settled.slots + 1) * (each + each / 10);
        prop_assert!(
            settled.slots == model.tuner.slots_max()
                || one_more(typical.cpu_milli) > settled.cpu_milli
                || one_more(typical.memory_mib) > settled.memory_mib,
            "{settled:?} has room for another one of {typical:?}"
        );
    }
}

#[test]
fn stages_that_wait_get_more_slots_than_there_are_cores_and_stages_that_burn_do_not() {
    let slots = |wants: Share| {
        let mut model = Model::new(2_000, 0, 8_000, vec![("a.b", wants)]);
        for _ in 0..LONG {
            model.round();
        }
        model.tuner.room().slots
    };
    assert_eq!(slots(share(20, 40)), 32);
    assert_eq!(slots(share(1_000, 40)), 2);
    assert_eq!(slots(share(2_000, 40)), 2, "a core each, as long as nothing else is seen");
    assert_eq!(
        slots(share(20, 1_000)),
        5,
        "memory for attempts is 7200 MiB, and a quarter more is reckoned with"
    );
}

#[test]
fn a_worker_whose_cores_are_taken_by_others_does_not_run_away() {
    // The attempts get a fraction of what they want from the first look on.
    let mut model = Model::new(2_000, 8_000, 8_000, vec![("a.burn", share(1_000, 40))]);
    for _ in 0..LONG {
        model.round();
    }
    assert_eq!(model.tuner.room().slots, 1);
}

#[test]
fn more_slots_wait_for_two_looks_and_fewer_for_three() {
    let sight = Sight { cpu_milli: 4_000, others_milli: 0, memory_mib: 8_000 };
    let mut tuner = Tuner::new(Bounds::of(4_000, 8_000, None), 4, sight);
    let mut slots = |cpu_milli: u32| {
        tuner.step(sight, Some(share(cpu_milli, 100)));
        tuner.room().slots
    };
    assert_eq!([slots(500), slots(500)], [4, 8]);
    assert_eq!([slots(100), slots(500), slots(100), slots(500)], [8; 4], "once is not enough");
    assert_eq!([slots(1_000), slots(1_000), slots(1_000)], [8, 8, 4]);
    assert_eq!([slots(62), slots(62), slots(62), slots(62)], [4, 8, 8, 16], "they double at most");
}

#[test]
fn the_stages_that_were_not_seen_for_longest_are_forgotten() {
    let mut stages = Stages::default();
    for no in 0..=LEARNED_STAGES_MAX {
        stages.note(&format!("a.s{no}"), used(100, 100));
    }
    assert_eq!(stages.all().len(), LEARNED_STAGES_MAX);
    assert!(stages.all().iter().all(|learned| learned.stage != "a.s0"));
}

#[test]
fn what_is_read_from_a_file_is_believed_within_bounds_only() {
    let wild = Learned {
        stage: "a.b".into(),
        attempts: u32::MAX,
        cpu_mean_milli: u32::MAX,
        cpu_spread_milli: u32::MAX,
        memory_peak_mib: u32::MAX,
    };
    let mut stages = Stages::new(vec![wild; LEARNED_STAGES_MAX + 1]);
    stages.note("a.b", used(1, 1));
    assert!(stages.all().len() <= LEARNED_STAGES_MAX);
    let reckoned = stages.reckon("a.b", &Ask::default());
    assert!(reckoned.cpu_milli <= CPU_MILLI_MAX && reckoned.memory_mib <= MEMORY_MIB_MAX);
}

#[test]
fn why_there_are_as_many_slots_is_said() {
    let sight = Sight { cpu_milli: 2_000, others_milli: 0, memory_mib: 4_096 };
    let why = |typical: Share| {
        let mut tuner = Tuner::new(Bounds::of(2_000, 4_096, None), 2, sight);
        tuner.step(sight, Some(typical));
        tuner.because().to_string()
    };
    assert_eq!(why(share(250, 40)), "attempts take 0.25 of 2.0 cores each");
    assert_eq!(why(share(100, 1_000)), "attempts take 1000 of 3687 MiB of memory each");
    assert_eq!(why(share(62, 40)), "the most there may be; attempts take 0.06 cores and 40 MiB each");
    let tuner = Tuner::new(Bounds::of(2_000, 4_096, None), 2, sight);
    assert_eq!(tuner.because().to_string(), "2.0 cores and 3687 MiB for attempts");
}

#[test]
fn two_that_could_use_all_cores_run_at_once_unless_somebody_asked_for_all() {
    let cores = |room: u32, reckoned: u32, floor: u32| {
        let (room, reckoned) = (share(room * 1_000, 8_000), share(reckoned * 1_000, 3_000));
        let entered = beside_others(room, reckoned, share(floor * 1_000, 0));
        assert_eq!(entered.memory_mib, 3_000, "memory is as it was");
        entered.cpu_milli
    };
    assert_eq!(cores(2, 2, 0), 1_000);
    assert_eq!(cores(3, 2, 0), 1_500);
    assert_eq!(cores(8, 2, 0), 2_000, "there is room for the next one");
    assert_eq!(cores(1, 2, 0), 1_000, "half a core would let two in where there is one");
    assert_eq!(cores(2, 2, 2), 2_000, "asked for");
}
