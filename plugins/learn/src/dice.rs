//! Numbers drawn from a seed.

/// Draws numbers; the same seed draws the same ones. `SplitMix64` (Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Between 0 and 1, without either.
    pub(crate) fn uniform(&mut self) -> f64 {
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// From the standard normal distribution (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// From a gamma distribution with this shape, at least 1, and scale 1 (Marsaglia and Tsang 2000).
    pub(crate) fn gamma(&mut self, shape: f64) -> f64 {
        let d = shape.max(1.0) - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }
}

#[cfg(test)]
impl Dice {
    /// One of the first numbers.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Summary;

    #[test]
    fn what_is_drawn_has_the_mean_and_spread_of_its_distribution() {
        let mut dice = Dice::new(7);
        let mut drawn = |draw: fn(&mut Dice) -> f64| {
            let numbers: Vec<f64> = (0..20_000).map(|_| draw(&mut dice)).collect();
            let sum = Summary::of(&numbers);
            (sum.mean, sum.off2 / sum.n as f64)
        };
        for ((mean, variance), expected) in [
            (drawn(Dice::uniform), (0.5, 1.0 / 12.0)),
            (drawn(Dice::normal), (0.0, 1.0)),
            (drawn(|dice| dice.gamma(1.0)), (1.0, 1.0)),
            (drawn(|dice| dice.gamma(6.5)), (6.5, 6.5)),
        ] {
            assert!((mean - expected.0).abs() < 0.05 * (1.0 + expected.0), "{mean} is not {}", expected.0);
            assert!(
                (variance - expected.1).abs() < 0.06 * expected.1.max(0.1),
                "{variance} is not {}",
                expected.1
            );
        }
    }
}
