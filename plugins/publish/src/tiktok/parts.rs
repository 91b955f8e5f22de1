//! How a file is cut up: parts of 5 to 64 MB, one after the other, where the last takes what is left and may be
//! larger; a file below 5 MB is one part. Pure.

/// A part is at least this many bytes, unless it is the only one.
const PART_MIN: u64 = 5_000_000;

/// How a file is cut up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of a part.
    pub part: u64,
    /// How many there are.
    pub count: u64,
}

impl Parts {
    /// Cuts a file up.
    pub fn of(size: u64, wanted: u64) -> Self {
        let part = if size < PART_MIN.max(wanted) { size } else { wanted.max(PART_MIN) };
        Self { size, part, count: (size / part.max(1)).max(1) }
    }

    /// The bytes of a part, both ends included.
    pub fn range(&self, number: u64) -> (u64, u64) {
        let first = number * self.part;
        let last = if number + 1 == self.count { self.size } else { first + self.part };
        (first, last.saturating_sub(1))
    }

    /// The part to go on with when so many bytes arrived: part by part, because they must come whole.
    pub fn after(&self, arrived: u64) -> u64 {
        if arrived >= self.size { self.count } else { (arrived / self.part.max(1)).min(self.count - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_the_size_that_is_wanted_and_cover_the_file() {
        for (size, wanted, count) in [
            (50_000_123, 10_000_000, 5),
            (4_999_999, 10_000_000, 1),
            (10_000_000, 10_000_000, 1),
            (19_999_999, 10_000_000, 1),
            (64_000_001, 64_000_000, 1),
            (1, 5_000_000, 1),
        ] {
            let parts = Parts::of(size, wanted);
            assert_eq!(parts.count, count, "{size}");
            let mut next = 0;
            for number in 0..parts.count {
                let (first, last) = parts.range(number);
                assert_eq!(first, next);
                assert!(last - first < 128_000_000);
                next = last + 1;
            }
            assert_eq!(next, size);
        }
    }

    #[test]
    fn an_upload_goes_on_with_the_first_part_that_is_not_whole() {
        let parts = Parts::of(50_000_123, 10_000_000);
        for (arrived, next) in [(0, 0), (9_999_999, 0), (10_000_000, 1), (49_000_000, 4), (50_000_123, 5)] {
            assert_eq!(parts.after(arrived), next, "{arrived}");
        }
    }
}
