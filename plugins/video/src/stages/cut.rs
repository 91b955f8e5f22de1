//! How the footage of a scene shares its time. Pure.

use crate::dice::Dice;
use reelmill_sdk::prelude::*;

/// A shot is not cut shorter than this to make room for more footage.
pub const SHOT_MS_MIN: u64 = 1_500;
/// What is left of a clip and shorter than this is not shown by itself.
const REST_MS: u64 = 700;

/// In which order footage or scenes are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As they are named.
    #[default]
    Sequential,
    /// As the seed says.
    Random,
}

impl Order {
    /// The numbers below `count` in this order.
    pub fn of(self, count: usize, dice: &mut Dice) -> Vec<usize> {
        let all: Vec<usize> = (0..count).collect();
        if self == Self::Random { dice.shuffled(&all) } else { all }
    }
}

/// A piece of footage as far as sharing time is concerned.
pub struct Piece {
    /// Length of a clip on screen; nothing for a picture.
    pub length: Option<u64>,
    /// How fast it runs.
    pub speed: f64,
    /// Whether it has sound.
    pub sound: bool,
}

/// A part of a piece that is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// Which piece.
    pub piece: usize,
    /// Where in its file it starts.
    pub in_ms: u64,
    /// How long it is on screen.
    pub duration_ms: u64,
}

/// How long something is on screen that runs at a speed.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a length of a file")]
pub fn slower(ms: u64, speed: f64) -> u64 {
    (ms as f64 / speed.clamp(0.05, 20.0)) as u64
}

/// Pieces in turn, each for `most_ms` at most and all about as long, until the time is filled. A clip that comes again
/// goes on where it was left.
pub fn rounds(pieces: &[Piece], total_ms: u64, most_ms: u64, order: Order, dice: &mut Dice) -> Vec<Cut> {
    let even = total_ms.div_ceil(total_ms.div_ceil(most_ms.max(1)).max(1));
    let mut used = vec![0_u64; pieces.len()];
    let mut cuts: Vec<Cut> = Vec::new();
    let mut left = total_ms;
    while left > 0 {
        let mut turn = order.of(pieces.len(), dice);
        // The same piece twice in a row would look like a mistake.
        if turn.len() > 1 && cuts.last().is_some_and(|cut| cut.piece == turn[0]) {
            turn.swap(0, 1);
        }
        for piece in turn {
            let wanted = even.min(left);
            let length = pieces[piece].length.unwrap_or(u64::MAX);
            if length.saturating_sub(used[piece]) < wanted.min(REST_MS.max(wanted / 2)) {
                used[piece] = 0;
            }
            // What would remain of the scene must not be a flash.
            let there = (length - used[piece]).min(wanted).max(1);
            let duration_ms = if left - there < REST_MS.min(even) { left } else { there };
            cuts.push(Cut { piece, in_ms: slower(used[piece], 1.0 / pieces[piece].speed), duration_ms });
            used[piece] = if length == u64::MAX { 0 } else { used[piece] + duration_ms };
            left -= duration_ms;
            if left == 0 {
                break;
            }
        }
    }
    cuts
}

/// Shares the scene's time: evenly, but clips that are too short for their share give the rest to the others.
pub fn share(lengths: &[Option<u64>], total_ms: u64) -> Vec<u64> {
    let mut shares = vec![None; lengths.len()];
    loop {
        let taken: u64 = shares.iter().flatten().sum();
        let open = shares.iter().filter(|s| s.is_none()).count() as u64;
        if open == 0 {
            break;
        }
        let even = total_ms.saturating_sub(taken) / open;
        let short: Vec<usize> = (0..lengths.len())
            .filter(|i| shares[*i].is_none() && lengths[*i].is_some_and(|l| l < even && l >= SHOT_MS_MIN))
            .collect();
        // When all that is left is too short, they repeat, in equal parts.
        if short.is_empty() || short.len() as u64 == open {
            shares.iter_mut().filter(|s| s.is_none()).for_each(|s| *s = Some(even));
            break;
        }
        for index in short {
            shares[index] = lengths[index];
        }
    }
    let mut shares: Vec<u64> = shares.into_iter().flatten().collect();
    let sum: u64 = shares.iter().sum();
    if let Some(last) = shares.last_mut() {
        *last += total_ms.saturating_sub(sum);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::{Cut, Dice, Order, Piece, rounds, share};

    #[test]
    fn time_is_shared_evenly_and_to_the_last_millisecond() {
        assert_eq!(share(&[None, None, None], 10_000), [3_333, 3_333, 3_334]);
        assert_eq!(share(&[Some(60_000)], 4_200), [4_200]);
    }

    #[test]
    fn a_short_clip_leaves_its_rest_to_the_others() {
        assert_eq!(share(&[Some(2_000), None, Some(60_000)], 12_000), [2_000, 5_000, 5_000]);
    }

    #[test]
    fn clips_that_are_all_too_short_repeat_in_equal_parts() {
        assert_eq!(share(&[Some(2_000), Some(2_000)], 10_000), [5_000, 5_000]);
    }

    fn cuts(lengths: &[Option<u64>], total: u64, most: u64, order: Order, seed: u64) -> Vec<Cut> {
        let pieces: Vec<Piece> =
            lengths.iter().map(|length| Piece { length: *length, speed: 1.0, sound: false }).collect();
        rounds(&pieces, total, most, order, &mut Dice::new(seed))
    }

    #[test]
    fn no_piece_is_shown_longer_than_allowed_and_clips_go_on() {
        let cuts = cuts(&[Some(9_000), None], 18_000, 3_000, Order::Sequential, 0);
        let found: Vec<(usize, u64, u64)> = cuts.iter().map(|c| (c.piece, c.in_ms, c.duration_ms)).collect();
        let expected = [(0, 0), (1, 0), (0, 3_000), (1, 0), (0, 6_000), (1, 0)];
        assert_eq!(found, expected.map(|(piece, from)| (piece, from, 3_000)));
    }

    #[test]
    fn all_time_is_filled_without_flashes_whatever_the_lengths() {
        for (lengths, total) in [
            (vec![Some(2_200), Some(900)], 13_700),
            (vec![Some(400)], 3_000),
            (vec![None, Some(50_000), Some(1_000)], 61_001),
        ] {
            let cuts = cuts(&lengths, total, 2_500, Order::Random, 5);
            assert_eq!(cuts.iter().map(|c| c.duration_ms).sum::<u64>(), total);
            assert!(cuts.iter().all(|c| c.duration_ms <= 2_500 + 700), "{cuts:?}");
            assert!(lengths.len() == 1 || cuts.windows(2).all(|w| w[0].piece != w[1].piece), "{cuts:?}");
        }
    }

    #[test]
    fn the_seed_says_the_order() {
        let of = |seed| cuts(&[None; 6], 12_000, 2_000, Order::Random, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
