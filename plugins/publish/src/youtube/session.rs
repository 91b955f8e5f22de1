//! What an answer within an upload session means. Pure.

/// What follows an answer to a part, or to the question how far the upload is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// All is there; the body is the video's resource.
    Done,
    /// Go on with this byte.
    From(u64),
    /// The session is no more: begin another.
    Gone,
    /// The service stumbled: ask how far it is.
    Ask,
    /// It refuses; its words say why.
    Refused,
}

/// What follows a status with its `Range`, of an upload of so many bytes.
pub fn next(status: u16, range: Option<&str>, size: u64) -> Next {
    match status {
        200 | 201 => Next::Done,
        // Nothing arrived yet, if there is no range.
        308 => match range.map(received) {
            None => Next::From(0),
            Some(Some(received)) if received < size => Next::From(received),
            // Everything arrived, or what nobody sent: only the service knows what it means by that. Beginning anew
            // could make two videos of one.
            Some(_) => Next::Ask,
        },
        404 | 410 => Next::Gone,
        408 | 500..=599 => Next::Ask,
        _ => Next::Refused,
    }
}

/// Bytes that arrived: `bytes=0-524287` are 524,288.
fn received(range: &str) -> Option<u64> {
    let last: u64 = range.trim().strip_prefix("bytes=0-")?.parse().ok()?;
    last.checked_add(1)
}

/// The next part: its bytes, both ends included, for `Content-Range`. All but the last are a multiple of 256 KiB,
/// which the protocol asks for.
pub fn part(from: u64, size: u64, part_bytes: u64) -> (u64, String) {
    let length = part_bytes.min(size - from);
    (length, format!("bytes {from}-{}/{size}", from + length - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_a_meaning() {
        for (status, range, expected) in [
            (200, None, Next::Done),
            (201, None, Next::Done),
            (308, None, Next::From(0)),
            (308, Some("bytes=0-41"), Next::From(42)),
            (308, Some("bytes=0-99"), Next::Ask),
            (308, Some("bytes=5-41"), Next::Ask),
            (308, Some("bytes=0-18446744073709551615"), Next::Ask),
            (404, None, Next::Gone),
            (410, None, Next::Gone),
            (500, None, Next::Ask),
            (503, Some("bytes=0-41"), Next::Ask),
            (400, None, Next::Refused),
            (401, None, Next::Refused),
            (403, None, Next::Refused),
            (429, None, Next::Refused),
        ] {
            assert_eq!(next(status, range, 100), expected, "{status} {range:?}");
        }
    }

    #[test]
    fn parts_meet_and_end_with_the_file() {
        assert_eq!(part(0, 100, 40), (40, "bytes 0-39/100".into()));
        assert_eq!(part(80, 100, 40), (20, "bytes 80-99/100".into()));
        assert_eq!(part(0, 1, 40), (1, "bytes 0-0/1".into()));
    }
}
