//! History as it is handed to whoever chooses.

use crate::outcome::Outcome;
use crate::summary::Summary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is remembered of one kind of outcomes. A stage gets it under a property marked `x-advice`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Advice {
    /// Arm by arm, each context apart.
    #[serde(default)]
    pub arms: Vec<ArmHistory>,
}

/// What came of one arm in one context.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArmHistory {
    /// The context.
    pub context: String,
    /// The arm.
    pub arm: String,
    /// Whether it was seen on this machine; otherwise on others.
    #[serde(default)]
    pub here: bool,
    /// Logarithms of seconds for each unit.
    #[serde(default)]
    pub seconds: Summary,
    /// Logarithms of bytes for each unit.
    #[serde(default)]
    pub bytes: Summary,
    /// Scores.
    #[serde(default)]
    pub score: Summary,
    /// Logarithms of bytes of memory.
    #[serde(default)]
    pub memory: Summary,
    /// Logarithms of CPU seconds for each second.
    #[serde(default)]
    pub cpu: Summary,
}

/// One of the numbers of a history.
pub(crate) type Measure = fn(&ArmHistory) -> &Summary;

/// Levels a context is looked at on, from all contexts to itself.
const LEVELS_MAX: usize = 8;

impl Advice {
    /// Learns from an outcome on this machine.
    pub fn add(&mut self, outcome: &Outcome) {
        let same = |one: &ArmHistory| one.here && one.context == outcome.context && one.arm == outcome.arm;
        let at = self.arms.iter().position(same).unwrap_or_else(|| {
            let (context, arm) = (outcome.context.clone(), outcome.arm.clone());
            self.arms.push(ArmHistory { context, arm, here: true, ..ArmHistory::default() });
            self.arms.len() - 1
        });
        let (history, measures) = (&mut self.arms[at], outcome.measures());
        for (known, number) in [
            (&mut history.seconds, measures.seconds),
            (&mut history.bytes, measures.bytes),
            (&mut history.score, measures.score),
            (&mut history.memory, measures.memory),
            (&mut history.cpu, measures.cpu),
        ] {
            *known = number.into_iter().fold(*known, |known, number| known.and(Summary::of(&[number])));
        }
    }

    /// What is known of an arm for a context, from what is farthest from it to what is nearest: other contexts before its
    /// own, and at each level other machines before this one. Nothing is counted twice.
    pub(crate) fn ladder(&self, context: &str, arm: Option<&str>, measure: Measure) -> Vec<Summary> {
        let own: Vec<&str> = parts(context).take(LEVELS_MAX).collect();
        let mut steps = vec![Summary::default(); 2 * (own.len() + 1)];
        for history in self.arms.iter().filter(|history| arm.is_none_or(|arm| arm == history.arm)) {
            let shared = own.iter().zip(parts(&history.context)).take_while(|(own, its)| *own == its).count();
            let summary = measure(history);
            if summary.is_sound() {
                let step = &mut steps[2 * shared + usize::from(history.here)];
                *step = step.and(*summary);
            }
        }
        steps
    }
}

/// The parts of a context.
fn parts(context: &str) -> impl Iterator<Item = &str> {
    context.split('/').filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_comes_last_and_nothing_counts_twice() {
        let history = |context: &str, arm: &str, here, n| ArmHistory {
            context: context.into(),
            arm: arm.into(),
            here,
            seconds: Summary { n, mean: 1.0, off2: 0.0 },
            ..ArmHistory::default()
        };
        let arms = vec![
            history("h264/slides", "fast", true, 1),
            history("h264/slides/720", "fast", true, 2),
            history("h264/motion", "fast", false, 4),
            history("av1", "fast", true, 8),
            history("h264/slides", "slow", true, 16),
        ];
        let advice = Advice { arms };
        let counts = |context, arm| -> Vec<u64> {
            let ladder = advice.ladder(context, arm, |history| &history.seconds);
            ladder.iter().map(|step| step.n).collect()
        };
        assert_eq!(counts("h264/slides", Some("fast")), [0, 8, 4, 0, 0, 3]);
        assert_eq!(counts("", Some("fast")), [4, 11]);
        assert_eq!(counts("h264/slides", None), [0, 8, 4, 0, 0, 19]);
    }
}
