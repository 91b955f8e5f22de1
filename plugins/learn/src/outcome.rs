//! What came of doing a thing in one way.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What came of it once. A stage puts these out under a property marked `x-outcomes`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// What it was done to: a path from what matters most to what matters least.
    #[serde(default)]
    pub context: String,
    /// In which way.
    pub arm: String,
    /// How much work it was, in units of the stage's choice (megapixels, seconds of sound); durations and sizes are learned
    /// for each.
    #[serde(default = "one")]
    pub units: f64,
    /// How long it took.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// How large the result is.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// How good the result is, for example its SSIM; more is better.
    #[serde(default)]
    pub score: Option<f64>,
    /// Peak memory.
    #[serde(default)]
    pub memory_bytes: Option<u64>,
    /// CPU time.
    #[serde(default)]
    pub cpu_seconds: Option<f64>,
}

fn one() -> f64 {
    1.0
}

/// The numbers that are learned of an outcome. Those it does not tell, or that mean nothing, are missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measures {
    /// Logarithm of seconds for each unit.
    pub seconds: Option<f64>,
    /// Logarithm of bytes for each unit.
    pub bytes: Option<f64>,
    /// The score.
    pub score: Option<f64>,
    /// Logarithm of the bytes of memory.
    pub memory: Option<f64>,
    /// Logarithm of CPU seconds for each second.
    pub cpu: Option<f64>,
}

impl Outcome {
    /// What is learned of it.
    #[must_use]
    pub fn measures(&self) -> Measures {
        let units = Some(self.units).filter(|units| units.is_finite() && *units > 0.0);
        let each = |amount: Option<f64>| log(amount? / units?);
        Measures {
            seconds: each(self.seconds),
            bytes: each(self.bytes.map(|bytes| bytes as f64)),
            score: self.score.filter(|score| score.is_finite()),
            memory: self.memory_bytes.and_then(|bytes| log(bytes as f64)),
            cpu: self.cpu_seconds.zip(self.seconds).and_then(|(cpu, seconds)| log(cpu / seconds)),
        }
    }
}

/// The logarithm of what has one.
fn log(amount: f64) -> Option<f64> {
    (amount.is_finite() && amount > 0.0).then(|| amount.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_nothing_is_not_learned() {
        let outcome = Outcome { units: 2.0, seconds: Some(4.0), bytes: Some(0), ..Outcome::default() };
        let measures = outcome.measures();
        assert_eq!((measures.seconds, measures.bytes, measures.cpu), (Some(2.0_f64.ln()), None, None));
        for units in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Outcome { units, ..outcome.clone() }.measures().seconds, None);
        }
    }
}
