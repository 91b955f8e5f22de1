//! From what an engine says about times to one span for every word.

/// When a token was heard, in milliseconds from the start of its piece, as an engine says it. Several marks may name
/// one token (a number is many words), and some tokens may have none.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Mark {
    /// Index of the token within the piece.
    pub token: usize,
    /// When it begins.
    pub start_ms: f64,
    /// When it ends, where the engine says so.
    pub end_ms: Option<f64>,
}

/// Spans for all tokens of a piece. `lengths` are their lengths in characters; a token without a mark shares the gap
/// it stands in by length. The spans are ordered, at least a millisecond long where there is room, and within
/// `0..=duration_ms`.
pub fn spans(marks: &[Mark], lengths: &[usize], duration_ms: f64) -> Vec<(f64, f64)> {
    let mut starts: Vec<Option<f64>> = vec![None; lengths.len()];
    let mut ends: Vec<Option<f64>> = vec![None; lengths.len()];
    let mut latest = 0.0_f64;
    for mark in marks.iter().filter(|mark| mark.token < lengths.len()) {
        // An engine that goes back in time is not believed.
        latest = latest.max(mark.start_ms.clamp(0.0, duration_ms));
        starts[mark.token].get_or_insert(latest);
        if let Some(end) = mark.end_ms {
            ends[mark.token] = Some(end.clamp(latest, duration_ms));
        }
    }
    let mut spans = Vec::with_capacity(lengths.len());
    let mut at = 0;
    while at < lengths.len() {
        // A marked token and the unmarked ones behind it share the time until the next marked one.
        let run = 1 + starts[at + 1..].iter().take_while(|start| start.is_none()).count();
        let next = starts.get(at + run).copied().flatten();
        let floor = spans.last().map_or(0.0, |span: &(f64, f64)| span.1);
        let start = starts[at].unwrap_or(floor).max(floor.min(duration_ms));
        let limit = next.unwrap_or(duration_ms).max(start);
        let own_end = ends[at].filter(|_| run == 1);
        let end = own_end.unwrap_or(limit).clamp(start, limit);
        share(&mut spans, start, end, &lengths[at..at + run]);
        at += run;
    }
    spans
}

fn share(spans: &mut Vec<(f64, f64)>, start: f64, end: f64, lengths: &[usize]) {
    let whole: usize = lengths.iter().map(|length| (*length).max(1)).sum();
    let mut from = start;
    let mut used = 0;
    for length in lengths {
        used += (*length).max(1);
        let until = (start + (end - start) * used as f64 / whole as f64).min(end);
        spans.push((from, until));
        from = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(token: usize, start_ms: f64, end_ms: Option<f64>) -> Mark {
        Mark { token, start_ms, end_ms }
    }

    #[test]
    fn a_word_of_many_marks_has_one_span() {
        let marks = [mark(0, 100.0, Some(200.0)), mark(0, 200.0, Some(350.0)), mark(1, 400.0, Some(500.0))];
        assert_eq!(spans(&marks, &[5, 3], 600.0), [(100.0, 350.0), (400.0, 500.0)]);
    }

    #[test]
    fn words_without_marks_share_the_gap_by_length() {
        let marks = [mark(0, 0.0, None), mark(2, 900.0, None)];
        assert_eq!(spans(&marks, &[2, 1, 4], 1000.0), [(0.0, 600.0), (600.0, 900.0), (900.0, 1000.0)]);
        assert_eq!(spans(&[], &[1, 3], 400.0), [(0.0, 100.0), (100.0, 400.0)]);
        assert!(spans(&[], &[], 10.0).is_empty());
    }

    #[test]
    fn marks_that_lie_are_put_in_order() {
        let marks =
            [mark(0, 500.0, Some(9e9)), mark(1, 100.0, Some(50.0)), mark(7, 1.0, None), mark(2, -5.0, None)];
        let spans = spans(&marks, &[1, 1, 1], 800.0);
        let mut before = 0.0;
        for (start, end) in &spans {
            assert!(*start >= before && end >= start && *end <= 800.0, "{spans:?}");
            before = *start;
        }
    }
}
