//! Limits, whoever comes and goes: places over the rows of a ledger, starts over a clock that only goes forwards.

use proptest::prelude::*;
use reelmill_graph::OnLimit;
use reelmill_lifecycle::limits::{
    Book, Ledger, PlaceAnswer, Standing, StartAnswer, ask_place, ask_start, serve,
};
use reelmill_lifecycle::rate::Rate;
use reelmill_lifecycle::{PlaceAsk, StartAsk};
use reelmill_model::limits::PLACE_KEPT_MS;
use reelmill_model::{LimitKind, RunId, TaskNo, TaskRef, Token};
use std::collections::BTreeSet;

const KEY: &str = "tasks:gpu";
const NOW: u64 = 1_700_000_000_000;

#[derive(Clone, Debug)]
enum Move {
    Ask(u8),
    Leave(u8),
    Pass(u16),
}

fn task(no: u8) -> TaskRef {
    TaskRef { run: RunId::from_parts(NOW, u128::from(no % 4)), task: TaskNo(u32::from(no)) }
}

fn place(limit: u32, on_limit: OnLimit, who: TaskRef) -> PlaceAsk {
    let (key, owner) = ("gpu".to_owned(), who.run.to_string());
    PlaceAsk { kind: LimitKind::Tasks, key, limit, on_limit, owner }
}

/// The ledger cannot fail.
fn sure<T>(result: Result<T, std::convert::Infallible>) -> T {
    result.unwrap_or_else(|never| match never {})
}

fn standing(book: &Ledger, wanted: impl Fn(Standing) -> bool) -> BTreeSet<TaskRef> {
    book.rows().filter(|row| wanted(row.standing)).map(|row| row.who).collect()
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0_u8..30).prop_map(Move::Ask),
        3 => (0_u8..30).prop_map(Move::Leave),
        1 => (0_u16..20_000).prop_map(Move::Pass),
    ];
    proptest::collection::vec(one, 0..200)
}

fn policies() -> impl Strategy<Value = OnLimit> {
    prop_oneof![
        Just(OnLimit::Queue),
        Just(OnLimit::RoundRobin),
        Just(OnLimit::Reject),
        Just(OnLimit::CancelOldest)
    ]
}

proptest! {
    #[test]
    fn never_more_have_a_place_than_there_are_and_nobody_is_lost(
        limit in 1_u32..5, on_limit in policies(), moves in moves(),
    ) {
        let (mut book, mut now) = (Ledger::default(), NOW);
        let mut known: BTreeSet<TaskRef> = BTreeSet::new();
        for step in moves {
            match step {
                Move::Ask(no) => {
                    let (who, had) = (task(no), standing(&book, Standing::takes_place));
                    match sure(ask_place(&mut book, now, who, Token(1), &place(limit, on_limit, who))) {
                        PlaceAnswer::Seated(instead) => {
                            prop_assert_eq!(instead.is_empty(), had.contains(&who) || had.len() < limit as usize);
                            let left = standing(&book, Standing::takes_place);
                            known.retain(|one| !had.contains(one) || left.contains(one));
                            known.insert(who);
                        }
                        PlaceAnswer::Waits => {
                            known.insert(who);
                        }
                        PlaceAnswer::Full => prop_assert!(!known.contains(&who)),
                    }
                }
                Move::Leave(no) => {
                    sure(book.remove(KEY, task(no)));
                    known.remove(&task(no));
                    sure(serve(&mut book, KEY, now));
                }
                Move::Pass(ms) => {
                    now += u64::from(ms);
                    for row in sure(book.overdue(now, 100)) {
                        sure(book.remove(KEY, row.who));
                        known.remove(&row.who);
                        sure(serve(&mut book, KEY, now));
                    }
                }
            }
            let seated = standing(&book, Standing::takes_place);
            let waiting = standing(&book, |standing| standing == Standing::Waits);
            prop_assert!(seated.len() <= limit as usize);
            prop_assert!(seated.len() == limit as usize || waiting.is_empty(), "no place is free while one waits");
            prop_assert!(seated.is_disjoint(&waiting));
            prop_assert_eq!(&(&seated | &waiting), &known);
        }
    }

    #[test]
    fn everyone_who_waits_is_served_in_the_end(limit in 1_u32..4, fair: bool, count in 1_u8..40) {
        let on_limit = if fair { OnLimit::RoundRobin } else { OnLimit::Queue };
        let mut book = Ledger::default();
        for no in 0..count {
            sure(ask_place(&mut book, NOW, task(no), Token(1), &place(limit, on_limit, task(no))));
        }
        let mut order: Vec<TaskRef> = (0..count.min(u8::try_from(limit).unwrap_or(u8::MAX))).map(task).collect();
        let mut next = 0;
        while let Some(oldest) = order.get(next).copied() {
            sure(book.remove(KEY, oldest));
            order.extend(sure(serve(&mut book, KEY, NOW)));
            next += 1;
        }
        prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), usize::from(count));
        let came: Vec<u32> = order.iter().map(|who| who.task.0).collect();
        prop_assert!(fair || came.is_sorted(), "who came first goes first: {came:?}");
    }

    #[test]
    fn starts_keep_to_the_rate_however_late_those_come_back_that_were_told_to_wait(
        limit in 1_u32..10, per_ms in 100_u64..3_000, burst in 1_u32..10,
        comes in proptest::collection::vec((0_u64..300, 0_u8..20), 1..200),
    ) {
        let rate = Rate::new(limit, per_ms, burst);
        let ask = StartAsk { key: "tts".into(), rate, limit: (limit, per_ms) };
        let (mut book, mut now, mut starts) = (Ledger::default(), NOW, Vec::new());
        for (pause, no) in comes {
            now += pause;
            match sure(ask_start(&mut book, now, task(no), &ask)) {
                StartAnswer::Now => starts.push(now),
                StartAnswer::At(at) => prop_assert!(at > now),
            }
        }
        for (at, from) in starts.iter().enumerate() {
            for (count, to) in (1_u64..).zip(&starts[at..]) {
                // Half an interval of lateness is passed over.
                let interval_us = rate.interval_us();
                let most = u64::from(burst) + ((to - from) * 1_000 + interval_us / 2) / interval_us;
                prop_assert!(count <= most, "{count} starts in {} ms", to - from);
            }
        }
    }

    #[test]
    fn who_comes_back_when_promised_or_a_little_later_starts(
        limit in 1_u32..10, per_ms in 100_u64..3_000, late in proptest::collection::vec(0_u64..1_000, 1..60),
    ) {
        let rate = Rate::new(limit, per_ms, 1);
        let ask = StartAsk { key: "tts".into(), rate, limit: (limit, per_ms) };
        let mut book = Ledger::default();
        let mut promised = Vec::new();
        for no in (0_u8..).take(late.len()) {
            match sure(ask_start(&mut book, NOW, task(no), &ask)) {
                StartAnswer::Now => prop_assert_eq!(no, 0),
                StartAnswer::At(at) => promised.push((at, no)),
            }
        }
        prop_assert!(promised.is_sorted(), "in the order in which they came");
        for ((at, no), late) in promised.into_iter().zip(late) {
            // Up to a quarter of an interval, and what rounding to milliseconds adds.
            let at = at + late * rate.interval_us() / 4_000_000;
            prop_assert_eq!(sure(ask_start(&mut book, at, task(no), &ask)), StartAnswer::Now);
        }
        prop_assert_eq!(book.rows().count(), 0);
    }
}

#[test]
fn owners_take_turns() {
    let run = |no: u128| RunId::from_parts(NOW, no);
    let who = |owner, no| TaskRef { run: run(owner), task: TaskNo(no) };
    let mut book = Ledger::default();
    for (owner, no) in [(0, 0), (0, 1), (0, 2), (0, 3), (1, 4), (2, 5), (2, 6)] {
        let ask = place(1, OnLimit::RoundRobin, who(owner, no));
        sure(ask_place(&mut book, NOW, who(owner, no), Token(1), &ask));
    }
    let (mut order, mut last) = (Vec::new(), who(0, 0));
    loop {
        sure(book.remove(KEY, last));
        let Some(next) = sure(serve(&mut book, KEY, NOW)).pop() else { break };
        order.push(next.task.0);
        last = next;
    }
    assert_eq!(order, [4, 5, 1, 6, 2, 3]);
}

#[test]
fn a_place_is_kept_for_a_time() {
    let mut book = Ledger::default();
    for no in 0..2 {
        sure(ask_place(&mut book, NOW, task(no), Token(1), &place(1, OnLimit::Queue, task(no))));
    }
    sure(book.remove(KEY, task(0)));
    assert_eq!(sure(serve(&mut book, KEY, NOW)), [task(1)]);
    assert_eq!(sure(book.overdue(NOW + PLACE_KEPT_MS - 1, 10)), []);
    assert_eq!(sure(book.overdue(NOW + PLACE_KEPT_MS, 10)).len(), 1);
}
