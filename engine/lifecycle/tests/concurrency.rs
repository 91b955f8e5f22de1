//! Places, whoever comes and goes.

use proptest::prelude::*;
use reelmill_lifecycle::concurrency::{Answer, OnLimit, Places};
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Move {
    Ask(u8, u8),
    Leave(u8),
    Serve,
}

/// The one that has held its place longest.
fn oldest(places: &Places<u8>) -> Option<u8> {
    places.holders().next().copied()
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        3 => (0_u8..4, 0_u8..30).prop_map(|(owner, run)| Move::Ask(owner, run)),
        2 => (0_u8..30).prop_map(Move::Leave),
        1 => Just(Move::Serve),
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
    fn never_more_hold_a_place_than_there_are_and_nobody_is_lost(
        limit in 1_usize..5, on_limit in policies(), moves in moves(),
    ) {
        let mut places = Places::default();
        let mut known: BTreeSet<u8> = BTreeSet::new();
        for step in moves {
            match step {
                Move::Ask(owner, run) => match places.ask(limit, &owner.to_string(), run, on_limit) {
                    Answer::Held | Answer::Waits => { known.insert(run); }
                    Answer::Rejected => prop_assert!(!known.contains(&run)),
                    Answer::Instead(oldest) => {
                        prop_assert!(known.remove(&oldest));
                        known.insert(run);
                    }
                },
                Move::Leave(run) => {
                    places.leave(&run);
                    known.remove(&run);
                }
                Move::Serve => {
                    places.serve(limit, on_limit);
                    prop_assert!(places.holders().count() == limit || places.waiters().count() == 0);
                }
            }
            prop_assert!(places.holders().count() <= limit);
            let both: Vec<u8> = places.holders().chain(places.waiters()).copied().collect();
            prop_assert_eq!(both.len(), known.len(), "nobody twice");
            prop_assert_eq!(both.into_iter().collect::<BTreeSet<_>>(), known.clone());
        }
    }

    #[test]
    fn everyone_who_waits_is_served_in_the_end(limit in 1_usize..4, fair: bool, runs in 1_u8..40) {
        let on_limit = if fair { OnLimit::RoundRobin } else { OnLimit::Queue };
        let mut places = Places::default();
        for run in 0..runs {
            places.ask(limit, &(run % 3).to_string(), run, on_limit);
        }
        let mut order: Vec<u8> = places.holders().copied().collect();
        while let Some(oldest) = oldest(&places) {
            places.leave(&oldest);
            order.extend(places.serve(limit, on_limit));
        }
        prop_assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), usize::from(runs));
        if !fair {
            prop_assert!(order.is_sorted());
        }
    }
}

#[test]
fn owners_take_turns() {
    let mut places = Places::default();
    places.ask(1, "a", 0, OnLimit::RoundRobin);
    for (owner, run) in [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5), ("c", 6)] {
        assert_eq!(places.ask(1, owner, run, OnLimit::RoundRobin), Answer::Waits);
    }
    let mut order = Vec::new();
    while let Some(holder) = oldest(&places) {
        places.leave(&holder);
        order.extend(places.serve(1, OnLimit::RoundRobin));
    }
    assert_eq!(order, [4, 5, 1, 6, 2, 3]);
}
