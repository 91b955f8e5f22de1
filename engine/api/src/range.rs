//! `Range` (RFC 9110, section 14): which bytes of a file somebody wants. Pure.

use std::ops::Range;

/// What is answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The whole file: no range was asked for, or one that need not be understood.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Bytes that the file does not have.
    Beyond,
}

/// Reads a header for a file of so many bytes. Several ranges at once are answered with the whole file, which is allowed.
pub fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(range) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let Some((first, last)) = range.split_once('-').filter(|_| !range.contains(',')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            None => Wanted::Whole,
            Some(0) => Wanted::Beyond,
            Some(_) if length == 0 => Wanted::Beyond,
            Some(count) => Wanted::Part(length.saturating_sub(count)..length),
        },
        (first, last) => {
            let end =
                if last.is_empty() { Some(length) } else { number(last).map(|last| last.saturating_add(1)) };
            match (number(first), end) {
                (Some(first), Some(end)) if first < end || last.is_empty() => {
                    if first >= length {
                        Wanted::Beyond
                    } else {
                        Wanted::Part(first..end.min(length))
                    }
                }
                _ => Wanted::Whole,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        for (header, wants) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=2-5", Wanted::Part(2..6)),
            ("bytes=2-", Wanted::Part(2..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=9-100", Wanted::Part(9..10)),
            ("bytes=0-18446744073709551615", Wanted::Part(0..10)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=10-12", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=5-2", Wanted::Whole),
            ("bytes=0-1,4-5", Wanted::Whole),
            ("bytes=x-", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 10), wants, "{header}");
        }
        assert_eq!(wanted(None, 10), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Beyond);
        assert_eq!(wanted(Some("bytes=-1"), 0), Wanted::Beyond);
    }
}
