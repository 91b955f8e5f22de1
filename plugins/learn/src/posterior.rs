//! What is believed of the mean of a number: a normal distribution whose mean and variance are both unknown, with its
//! conjugate prior, normal–inverse-gamma. The formulas are those of K. Murphy, "Conjugate Bayesian analysis of the Gaussian
//! distribution" (2007), section 3; that Thompson sampling with such a prior learns at the best possible rate is shown by
//! Honda and Takemura, "Optimality of Thompson sampling for Gaussian bandits depends on priors" (2014), for priors that
//! know little of the variance.

use crate::dice::Dice;
use crate::summary::Summary;

/// For how many observations counts what is known of other contexts and machines, at most.
const CARRIED_MAX: f64 = 3.0;

/// A belief.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Posterior {
    mu: f64,
    kappa: f64,
    alpha: f64,
    beta: f64,
}

impl Posterior {
    /// Before anything is known: near this mean, give or take a factor of e, as if a quarter of an observation said so.
    pub(crate) const fn vague(mean: f64) -> Self {
        Self { mu: mean, kappa: 0.25, alpha: 1.0, beta: 0.25 }
    }

    /// What is believed at the end of a ladder.
    pub(crate) fn climb(ladder: &[Summary], mean: f64) -> Self {
        ladder.iter().fold(Self::vague(mean), |belief, step| belief.faded().seeing(step))
    }

    /// After these numbers.
    pub(crate) fn seeing(self, numbers: &Summary) -> Self {
        let n = numbers.n as f64;
        let kappa = self.kappa + n;
        let apart = numbers.mean - self.mu;
        Self {
            mu: (self.kappa * self.mu + n * numbers.mean) / kappa,
            kappa,
            alpha: self.alpha + n / 2.0,
            beta: self.beta + numbers.off2 / 2.0 + self.kappa * n * apart * apart / (2.0 * kappa),
        }
    }

    /// Taken over to something that is only like it: as sure as after a few observations.
    fn faded(self) -> Self {
        let share = (CARRIED_MAX / self.kappa).min(1.0);
        let alpha = 1.0 + (self.alpha - 1.0) * share;
        Self { kappa: self.kappa * share, alpha, beta: self.beta * alpha / self.alpha, ..self }
    }

    /// The mean that is expected.
    pub(crate) const fn mean(&self) -> f64 {
        self.mu
    }

    /// A mean, drawn from what is believed of it: Student's t.
    pub(crate) fn draw(&self, dice: &mut Dice) -> f64 {
        let precision = dice.gamma(self.alpha) / self.beta.max(1e-12);
        self.mu + dice.normal() / (precision * self.kappa).sqrt()
    }

    /// The next number will be below this with the probability that `z` has in the normal distribution.
    pub(crate) fn next_below(&self, z: f64) -> f64 {
        let freedom = 2.0 * self.alpha;
        // Student's t by the expansion of Cornish and Fisher (Abramowitz and Stegun 26.7.5).
        let t = z
            + (z.powi(3) + z) / (4.0 * freedom)
            + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * freedom * freedom);
        let scale = (self.beta * (self.kappa + 1.0) / (self.alpha * self.kappa)).sqrt();
        self.mu + t * scale
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeing_numbers_one_by_one_and_all_at_once_is_the_same() {
        let numbers = [1.0, 2.5, -0.5, 4.0];
        let at_once = Posterior::vague(0.7).seeing(&Summary::of(&numbers));
        let one_by_one = numbers
            .iter()
            .fold(Posterior::vague(0.7), |belief, &number| belief.seeing(&Summary::of(&[number])));
        for (left, right) in [
            (at_once.mu, one_by_one.mu),
            (at_once.kappa, one_by_one.kappa),
            (at_once.alpha, one_by_one.alpha),
            (at_once.beta, one_by_one.beta),
        ] {
            assert!((left - right).abs() < 1e-12, "{at_once:?} {one_by_one:?}");
        }
    }

    #[test]
    fn what_is_far_counts_little_once_something_near_is_known() {
        let far = Summary { n: 1_000, mean: 5.0, off2: 10.0 };
        let near = |n| Summary { n, mean: 1.0, off2: 0.0 };
        let mean = |n| Posterior::climb(&[far, near(n)], 0.0).mean();
        let sure = |ladder: &[Summary]| Posterior::climb(ladder, 0.0).kappa;
        assert!(sure(&[far]) > 1_000.0 && sure(&[far, near(0)]) < 3.01);
        assert!((mean(0) - 5.0).abs() < 0.01 && mean(1) < 4.1 && mean(30) < 1.4, "{} {}", mean(1), mean(30));
    }

    #[test]
    fn draws_lie_where_it_is_believed_and_get_closer_with_what_is_seen() {
        let spread = |n| {
            let belief = Posterior::vague(0.0).seeing(&Summary { n, mean: 2.0, off2: n as f64 * 0.04 });
            let mut dice = Dice::new(3);
            let means: Vec<f64> = (0..4_000).map(|_| belief.draw(&mut dice)).collect();
            let drawn = Summary::of(&means);
            assert!((drawn.mean - belief.mean()).abs() < 0.05, "{drawn:?}");
            (drawn.off2 / drawn.n as f64).sqrt()
        };
        assert!(spread(100) < 0.03 && spread(100) < spread(10) / 2.0);
    }
}
