//! Blocks of a picture are looked for in the one before, at every place within reach.

use super::over_bands;
use crate::frames::Frames;
use crate::ops::Motion;

/// How far a block is looked for, in pixels.
const REACH: usize = 7;
/// A block that costs at most this in its place (a step of luma for each pixel) is not looked for.
const STILL: u32 = 64;

pub fn motion(frames: &Frames) -> Vec<Motion> {
    let (width, height) = (frames.width(), frames.height());
    let sums = over_bands(frames.count() - 1, height / 8, 1, |pair, from, to| {
        let (before, now) = (frames.frame(pair), frames.frame(pair + 1));
        let mut sums = [0; 4];
        for row in from..to {
            for column in 0..width / 8 {
                let found = search(before, now, width, height, column * 8, row * 8);
                sums = super::add(sums, found);
            }
        }
        sums
    });
    sums.into_iter().map(|sums| Motion::of(sums, width, height)).collect()
}

fn cost(before: &[u8], at: usize, width: usize, block: &[[u8; 8]; 8]) -> u32 {
    let mut sum = 0;
    for (row, wanted) in block.iter().enumerate() {
        let there = &before[at + row * width..][..8];
        sum += there.iter().zip(wanted).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>();
    }
    sum
}

/// Cost in place, best cost, whether it moved, and how far (16 is a pixel).
#[expect(clippy::cast_possible_truncation, reason = "places are below 225, lengths below 160")]
fn search(before: &[u8], now: &[u8], width: usize, height: usize, x: usize, y: usize) -> [i64; 4] {
    let mut block = [[0; 8]; 8];
    for (row, into) in block.iter_mut().enumerate() {
        into.copy_from_slice(&now[(y + row) * width + x..][..8]);
    }
    let in_place = cost(before, y * width + x, width, &block);
    let mut best = in_place << 15;
    if in_place > STILL {
        best = u32::MAX;
        let (top, bottom) = (y.saturating_sub(REACH), (y + REACH).min(height - 8));
        let (left, right) = (x.saturating_sub(REACH), (x + REACH).min(width - 8));
        for v in top..=bottom {
            for u in left..=right {
                let (dx, dy) = (u.abs_diff(x), v.abs_diff(y));
                let place = (v + REACH - y) * (2 * REACH + 1) + u + REACH - x;
                let far = (dx * dx + dy * dy) as u32;
                let rank = cost(before, v * width + u, width, &block) << 15 | far << 8 | place as u32;
                best = best.min(rank);
            }
        }
    }
    let far = best >> 8 & 127;
    let length = ((far as f32).sqrt() * 16.0) as i64;
    [i64::from(in_place), i64::from(best >> 15), i64::from(far > 0), length]
}
