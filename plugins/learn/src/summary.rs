//! Numbers, summed up so that summaries of parts give that of the whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many numbers there were, their mean, and the sum of the squares of their distances from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// How many.
    pub n: u64,
    /// Their mean.
    #[serde(default)]
    pub mean: f64,
    /// Sum of squared distances from the mean.
    #[serde(default)]
    pub off2: f64,
}

impl Summary {
    /// From sums, as databases make them. What is no number counts as nothing.
    #[must_use]
    pub fn of_sums(n: u64, sum: f64, sum_of_squares: f64) -> Self {
        if n == 0 || !sum.is_finite() || !sum_of_squares.is_finite() {
            return Self::default();
        }
        let mean = sum / n as f64;
        Self { n, mean, off2: (sum_of_squares - sum * mean).max(0.0) }
    }

    /// Of these numbers.
    #[must_use]
    pub fn of(numbers: &[f64]) -> Self {
        numbers.iter().fold(Self::default(), |sum, &number| sum.and(Self { n: 1, mean: number, off2: 0.0 }))
    }

    /// Both together, as parallel sums of squares are put together (Chan, Golub and others 1979).
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self.n == 0 || other.n == 0 {
            return if self.n == 0 { other } else { self };
        }
        let n = self.n.saturating_add(other.n);
        let apart = other.mean - self.mean;
        let share = other.n as f64 / n as f64;
        let off2 = self.off2 + other.off2 + apart * apart * self.n as f64 * share;
        Self { n, mean: self.mean + apart * share, off2 }
    }

    /// Of the same numbers, each times another.
    #[must_use]
    pub(crate) fn times(self, factor: f64) -> Self {
        Self { n: self.n, mean: self.mean * factor, off2: self.off2 * factor * factor }
    }

    /// Whether it can be reckoned with.
    pub(crate) fn is_sound(&self) -> bool {
        self.n > 0 && self.mean.is_finite() && self.off2.is_finite() && self.off2 >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_parts_give_that_of_the_whole_in_any_order() {
        let numbers = [3.0, -1.0, 4.0, 1.5, 9.0, 2.0];
        let whole = Summary::of(&numbers);
        assert!((whole.mean - 18.5 / 6.0).abs() < 1e-12);
        let off2: f64 = numbers.iter().map(|number| (number - whole.mean).powi(2)).sum();
        assert!((whole.off2 - off2).abs() < 1e-9);
        for cut in 0..=numbers.len() {
            let (left, right) = numbers.split_at(cut);
            for both in [Summary::of(left).and(Summary::of(right)), Summary::of(right).and(Summary::of(left))]
            {
                assert!((both.mean - whole.mean).abs() < 1e-12 && (both.off2 - whole.off2).abs() < 1e-9);
            }
        }
        let (sum, squares) = (numbers.iter().sum(), numbers.iter().map(|number| number * number).sum());
        let of_sums = Summary::of_sums(6, sum, squares);
        assert!((of_sums.mean - whole.mean).abs() < 1e-12 && (of_sums.off2 - whole.off2).abs() < 1e-9);
        assert_eq!(Summary::of_sums(2, f64::NAN, 1.0), Summary::default());
    }
}
