//! Choices that a seed makes: the same seed, the same video. Pure.

/// Numbers that follow from a seed (`SplitMix64`, Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as this seed says.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `count`, which is 1 at least.
    pub fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count.max(1) as u64).unwrap_or(0)
    }

    /// The same things in another order.
    pub fn shuffled<T: Clone>(&mut self, things: &[T]) -> Vec<T> {
        let mut things = things.to_vec();
        for last in (1..things.len()).rev() {
            things.swap(last, self.below(last + 1));
        }
        things
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn everything_is_kept_and_the_seed_decides() {
        let things: Vec<u32> = (0..20).collect();
        let one = Dice::new(3).shuffled(&things);
        assert_eq!(one, Dice::new(3).shuffled(&things));
        assert_ne!(one, Dice::new(4).shuffled(&things));
        let mut sorted = one;
        sorted.sort_unstable();
        assert_eq!(sorted, things);
    }
}
