//! Rates, whatever the limit and whenever someone asks.

use proptest::prelude::*;
use reelmill_lifecycle::rate::{Admission, Arrival, Rate};

const MS: u64 = 1_000;

/// The moments at which starts were admitted, of those at which someone asked.
fn admitted(rate: Rate, asked: &[u64]) -> Vec<u64> {
    let mut kept = Arrival::default();
    let mut starts = Vec::new();
    for now in asked {
        if let Admission::Now(next) = rate.admit(kept, *now) {
            kept = next;
            starts.push(*now);
        }
    }
    starts
}

/// Moments in order, some of them the same.
fn moments() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(0_u64..3_000, 1..300).prop_map(|gaps| {
        let mut now = 1_700_000_000_000 * MS;
        let step = |gap: u64| {
            // Half of the questions come at once.
            now += if gap < 1_500 { 0 } else { gap * MS / 10 };
            now
        };
        gaps.into_iter().map(step).collect()
    })
}

proptest! {
    #[test]
    fn no_stretch_of_time_has_more_starts_than_the_rate_and_one_burst_allow(
        limit in 1_u32..20, per_ms in 1_u64..5_000, burst in 1_u32..30, asked in moments(),
    ) {
        let starts = admitted(Rate::new(limit, per_ms, burst), &asked);
        let per = per_ms * MS;
        for (at, from) in starts.iter().enumerate() {
            for (count, to) in (1_u64..).zip(&starts[at..]) {
                let most = u64::from(burst) + (to - from) * u64::from(limit) / per;
                prop_assert!(count <= most, "{count} starts in {} us", to - from);
            }
        }
    }

    #[test]
    fn whoever_comes_back_when_told_may_start_and_not_a_moment_before(
        limit in 1_u32..20, per_ms in 1_u64..5_000, asked in moments(),
    ) {
        let rate = Rate::new(limit, per_ms, limit);
        let mut kept = Arrival::default();
        for now in asked {
            match rate.admit(kept, now) {
                Admission::Now(next) => {
                    prop_assert!(next.0 > kept.0);
                    kept = next;
                }
                Admission::Later(at) => {
                    prop_assert!(at > now);
                    prop_assert_eq!(rate.admit(kept, at - 1), Admission::Later(at));
                    prop_assert!(matches!(rate.admit(kept, at), Admission::Now(_)));
                }
            }
        }
    }

    #[test]
    fn after_a_pause_a_whole_limit_may_start_at_once(limit in 1_u32..50, per_ms in 1_u64..5_000) {
        let now = 1_700_000_000_000 * MS;
        let rate = Rate::new(limit, per_ms, limit);
        let at_once = vec![now; limit as usize + 5];
        prop_assert_eq!(admitted(rate, &at_once).len(), limit as usize);
        // The time between two starts is rounded up.
        let later = now + per_ms * MS + u64::from(limit);
        let again = [at_once, vec![later; limit as usize]].concat();
        prop_assert_eq!(admitted(rate, &again).len(), 2 * limit as usize);
    }

    #[test]
    fn a_clock_that_goes_back_grants_nothing(limit in 1_u32..20, per_ms in 1_u64..5_000, back in 0_u64..100_000) {
        let now = 1_700_000_000_000 * MS;
        let rate = Rate::new(limit, per_ms, limit);
        let mut asked = vec![now; limit as usize];
        asked.extend(vec![now - back * MS; 10]);
        prop_assert_eq!(admitted(rate, &asked).len(), limit as usize);
    }
}
