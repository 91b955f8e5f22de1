//! Delays, whatever the policy.

use proptest::prelude::*;
use reelmill_graph::{Backoff, Escalate, Jitter, Retry};
use reelmill_lifecycle::Dice;
use reelmill_lifecycle::policy::delay_ms;
use reelmill_model::{Failure, FailureClass};

fn policies() -> impl Strategy<Value = Retry> {
    let backoff = prop_oneof![Just(Backoff::Constant), Just(Backoff::Linear), Just(Backoff::Exponential)];
    let jitter = prop_oneof![Just(Jitter::None), Just(Jitter::Equal), Just(Jitter::Full)];
    (backoff, jitter, any::<u64>(), any::<u64>()).prop_map(|(backoff, jitter, initial_ms, max_ms)| Retry {
        max_attempts: 9,
        backoff,
        initial_ms,
        max_ms,
        jitter,
        on: Vec::new(),
        escalate: Escalate::default(),
    })
}

proptest! {
    #[test]
    fn a_delay_keeps_to_its_bounds(
        retry in policies(),
        attempts in 0_u32..200,
        seed: u64,
        after in proptest::option::of(any::<u64>()),
    ) {
        let mut failure = Failure::new(FailureClass::Transient, "it broke");
        failure.retry_after_ms = after;
        let delay = delay_ms(&retry, attempts, &failure, &mut Dice::new(seed));
        let most = retry.max_ms.max(retry.initial_ms);
        prop_assert!(delay <= most.max(after.unwrap_or(0)));
        prop_assert!(delay >= after.unwrap_or(0));
        prop_assert_eq!(delay, delay_ms(&retry, attempts, &failure, &mut Dice::new(seed)));
    }

    #[test]
    fn without_jitter_delays_never_shrink(initial_ms in 0_u64..100_000, attempts in 1_u32..100) {
        for backoff in [Backoff::Constant, Backoff::Linear, Backoff::Exponential] {
            let retry = Retry {
                max_attempts: 9, backoff, initial_ms, max_ms: 1_000_000, jitter: Jitter::None, on: Vec::new(), escalate: Escalate::default(),
            };
            let failure = Failure::new(FailureClass::Transient, "it broke");
            let delay = |attempts| delay_ms(&retry, attempts, &failure, &mut Dice::new(0));
            prop_assert!(delay(attempts) <= delay(attempts + 1));
        }
    }
}

#[test]
fn dice_reach_both_ends() {
    let mut dice = Dice::new(3);
    let rolls: Vec<u64> = (0..200).map(|_| dice.up_to(3)).collect();
    assert!((0..=3).all(|face| rolls.contains(&face)) && rolls.iter().all(|roll| *roll <= 3));
}
