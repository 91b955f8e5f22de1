//! Where a long recording is cut: at its quietest places.

use std::ops::Range;

/// How long a place has to be quiet, in milliseconds.
const QUIET_MS: u32 = 200;

/// Pieces of so many samples at the most; together they are the whole. Each but the last is at least half as long.
pub fn pieces(samples: &[i16], rate: u32, longest: usize) -> Vec<Range<usize>> {
    let longest = longest.max(2);
    let mut pieces = Vec::new();
    let mut start = 0;
    while samples.len() - start > longest {
        let half = longest / 2;
        let end = start + half + quietest(&samples[start + half..start + longest], rate);
        pieces.push(start..end);
        start = end;
    }
    if start < samples.len() {
        pieces.push(start..samples.len());
    }
    pieces
}

/// The middle of the quietest place; of several, of the last.
fn quietest(samples: &[i16], rate: u32) -> usize {
    let width = ((rate * QUIET_MS / 1000) as usize).clamp(1, samples.len());
    let loud = |sample: i16| u64::from(sample.unsigned_abs());
    let mut sum: u64 = samples[..width].iter().map(|sample| loud(*sample)).sum();
    let mut best = (sum, 0);
    for from in 1..=samples.len() - width {
        sum = sum + loud(samples[from + width - 1]) - loud(samples[from - 1]);
        if sum <= best.0 {
            best = (sum, from);
        }
    }
    // Never nothing: the place after it is begun anew.
    (best.1 + width / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_cut_in_its_pauses() {
        // 100 samples a second: eight seconds, with pauses after three and a half and after seven.
        let mut samples: Vec<i16> = (0..800).map(|at| if at % 2 == 0 { 900 } else { -900 }).collect();
        samples[340..370].fill(0);
        samples[690..712].fill(0);
        let pieces = pieces(&samples, 100, 400);
        assert_eq!(pieces.len(), 3, "{pieces:?}");
        assert!((340..370).contains(&pieces[0].end) && (690..712).contains(&pieces[1].end), "{pieces:?}");
        assert_eq!(super::pieces(&samples, 100, 800).len(), 1, "what fits is one piece");
        assert!(super::pieces(&[], 100, 800).is_empty());
    }

    #[test]
    fn pieces_are_the_whole_and_none_is_too_long() {
        for (length, longest, rate) in (0..120_usize)
            .flat_map(|length| [0, 1, 2, 3, 7, 40].map(|longest| (length, longest)))
            .flat_map(|(length, longest)| [1, 10, 48_000].map(|rate| (length, longest, rate)))
        {
            // Ends that are louder than a number can be turned around, and all between.
            let samples: Vec<i16> =
                (0..length).map(|at| [i16::MIN, 0, 5, i16::MAX, -7][at * at % 5]).collect();
            let pieces = pieces(&samples, rate, longest);
            let mut at = 0;
            for piece in &pieces {
                assert!(piece.start == at && piece.end > at && piece.len() <= longest.max(2), "{pieces:?}");
                at = piece.end;
            }
            assert_eq!(at, length);
        }
    }
}
