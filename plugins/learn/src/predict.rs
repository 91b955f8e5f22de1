//! What to expect of the next time.

use crate::KNOWN_MIN;
use crate::advice::{Advice, Measure};
use crate::posterior::Posterior;
use crate::summary::Summary;
use serde::Serialize;

/// Quantiles of the normal distribution.
const P90: f64 = 1.281_552;
const P95: f64 = 1.644_854;

/// What to expect.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Outcomes that say so.
    pub known: u64,
    /// Half of the times it takes less.
    pub seconds_p50: f64,
    /// Nine times in ten it takes less.
    pub seconds_p90: f64,
    /// Nineteen times in twenty it takes less memory; none where memory is not known.
    pub memory_p95_bytes: Option<f64>,
    /// Cores that it keeps busy in the middle; none where that is not known.
    pub cores_p50: Option<f64>,
}

/// What to expect of doing so much in some way, or in any; none while too little is known. What shares nothing with the
/// context says nothing here: where an arm has to be chosen it is better than nothing, but nobody has to foretell.
#[must_use]
pub fn predict(advice: &Advice, context: &str, arm: Option<&str>, units: f64) -> Option<Prediction> {
    let belief = |measure: Measure| {
        let ladder = advice.ladder(context, arm, measure);
        let ladder = if ladder.len() > 2 { &ladder[2..] } else { &ladder[..] };
        let all = ladder.iter().fold(Summary::default(), |sum, step| sum.and(*step));
        (all.n >= KNOWN_MIN).then(|| (all.n, Posterior::climb(ladder, all.mean)))
    };
    let (known, seconds) = belief(|history| &history.seconds)?;
    Some(Prediction {
        known,
        seconds_p50: seconds.mean().exp() * units,
        seconds_p90: seconds.next_below(P90).exp() * units,
        memory_p95_bytes: belief(|history| &history.memory).map(|(_, memory)| memory.next_below(P95).exp()),
        cores_p50: belief(|history| &history.cpu).map(|(_, cpu)| cpu.mean().exp()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advice::ArmHistory;
    use crate::dice::Dice;

    fn seen(numbers: &[f64]) -> Advice {
        let seconds = Summary::of(numbers);
        let history =
            ArmHistory { arm: "a".into(), here: true, seconds, memory: seconds, ..ArmHistory::default() };
        Advice { arms: vec![history] }
    }

    #[test]
    fn what_is_predicted_holds_as_often_as_is_said() {
        let mut dice = Dice::new(5);
        let mut numbers: Vec<f64> = (0..2_400).map(|_| 1.0 + 0.4 * dice.normal()).collect();
        let next = numbers.split_off(400);
        let predicted = predict(&seen(&numbers), "", Some("a"), 2.0).unwrap();
        let below = |limit: f64| {
            next.iter().filter(|number| number.exp() <= limit).count() as f64 / next.len() as f64
        };
        for (limit, share) in [
            (predicted.seconds_p50 / 2.0, 0.5),
            (predicted.seconds_p90 / 2.0, 0.9),
            (predicted.memory_p95_bytes.unwrap(), 0.95),
        ] {
            assert!((below(limit) - share).abs() < 0.04, "{} is not {share}", below(limit));
        }
        assert_eq!((predicted.known, predicted.cores_p50), (400, None));
    }

    #[test]
    fn little_is_predicted_widely_and_next_to_nothing_not_at_all() {
        assert_eq!(predict(&seen(&[1.0, 1.0]), "", Some("a"), 1.0), None);
        assert_eq!(predict(&seen(&[1.0; 9]), "", Some("b"), 1.0), None, "another arm");
        assert_eq!(predict(&seen(&[1.0; 9]), "else", Some("a"), 1.0), None, "another context");
        let width = |numbers: &[f64]| {
            let predicted = predict(&seen(numbers), "", None, 1.0).unwrap();
            predicted.seconds_p90 / predicted.seconds_p50
        };
        assert!(width(&[1.0; 3]) > width(&[1.0; 30]), "{} {}", width(&[1.0; 3]), width(&[1.0; 30]));
    }
}
