//! SSIM and squared error. Sums over blocks of 4x4 pixels are kept for two rows of blocks; four of them are a window.

use super::{add, over_bands};
use crate::frames::Frames;
use crate::ops::Likeness;

/// Constants of SSIM for sums over 64 pixels, as x264 and libav have them: (0.01 * 255)^2 * 64 and
/// (0.03 * 255)^2 * 64 * 63.
const C1: i32 = 416;
const C2: i32 = 235_963;
/// A window is flat below this variance (4 steps of luma, squared), times 64^2.
const FLAT: i32 = 16 * 64 * 64;
/// Rows of blocks that one task does.
const BAND: usize = 16;

pub fn likeness(pictures: &Frames, references: &Frames) -> Vec<Likeness> {
    let (width, height) = (pictures.width(), pictures.height());
    let sums = over_bands(pictures.count(), height.div_ceil(4), BAND, |picture, from, to| {
        let (a, b) = (pictures.frame(picture), references.frame(picture));
        band(a, b, width, height, from, to)
    });
    sums.into_iter().map(|sums| Likeness::of(sums, width, height)).collect()
}

/// Sums of a row of blocks, each figure for itself, so that the compiler can do many blocks at once.
#[derive(Default)]
struct Row {
    s1: Vec<i32>,
    s2: Vec<i32>,
    q1: Vec<i32>,
    q2: Vec<i32>,
    p: Vec<i32>,
}

impl Row {
    /// Whole blocks of four rows of pixels.
    fn fill(&mut self, a: [&[u8]; 4], b: [&[u8]; 4]) {
        let sums = [&mut self.s1, &mut self.s2, &mut self.q1, &mut self.q2, &mut self.p];
        let blocks = a[0].len() / 4;
        for sum in sums {
            sum.resize(blocks, 0);
        }
        for block in 0..blocks {
            let [mut s1, mut s2, mut q1, mut q2, mut product] = [0; 5];
            for row in 0..4 {
                let (a, b) = (&a[row][block * 4..][..4], &b[row][block * 4..][..4]);
                for column in 0..4 {
                    let (left, right) = (i32::from(a[column]), i32::from(b[column]));
                    s1 += left;
                    s2 += right;
                    q1 += left * left;
                    q2 += right * right;
                    product += left * right;
                }
            }
            (self.s1[block], self.s2[block]) = (s1, s2);
            (self.q1[block], self.q2[block], self.p[block]) = (q1, q2, product);
        }
    }
}

fn band(a: &[u8], b: &[u8], width: usize, height: usize, from: usize, to: usize) -> [i64; 4] {
    let rows = |picture: &'_ [u8], row: usize| -> [std::ops::Range<usize>; 4] {
        debug_assert!((row * 4 + 4) * width <= picture.len());
        std::array::from_fn(|i| (row * 4 + i) * width..(row * 4 + i + 1) * width)
    };
    let whole = height / 4;
    let mut sums = [0; 4];
    let (mut upper, mut lower) = (Row::default(), Row::default());
    for row in from..=to.min(whole.saturating_sub(1)) {
        if row < whole {
            lower.fill(rows(a, row).map(|r| &a[r]), rows(b, row).map(|r| &b[r]));
            if row > from {
                sums = add(sums, windows(&upper, &lower));
            }
        }
        std::mem::swap(&mut upper, &mut lower);
    }
    let pixels = from * 4 * width..(to * 4).min(height) * width;
    sums[3] = squared_error(&a[pixels.clone()], &b[pixels]);
    sums
}

fn squared_error(a: &[u8], b: &[u8]) -> i64 {
    // In pieces whose sum fits 32 bits.
    let piece = |(a, b): (&[u8], &[u8])| {
        let squares = a.iter().zip(b).map(|(a, b)| {
            let d = i32::from(*a) - i32::from(*b);
            d * d
        });
        i64::from(squares.sum::<i32>())
    };
    a.chunks(16_384).zip(b.chunks(16_384)).map(piece).sum()
}

/// Sums over the windows that lie on two rows of blocks: SSIM of all and of textured ones, and how many those are.
fn windows(upper: &Row, lower: &Row) -> [i64; 4] {
    let count = upper.s1.len().saturating_sub(1);
    let four =
        |upper: &[i32], lower: &[i32], at: usize| upper[at] + upper[at + 1] + lower[at] + lower[at + 1];
    let (mut all, mut textured, mut textured_count) = (0_i64, 0_i64, 0_i64);
    for at in 0..count {
        let (s1, s2) = (four(&upper.s1, &lower.s1, at), four(&upper.s2, &lower.s2, at));
        let (q1, q2) = (four(&upper.q1, &lower.q1, at), four(&upper.q2, &lower.q2, at));
        let p = four(&upper.p, &lower.p, at);
        let (value, texture) = window([s1, s2, q1, q2, p]);
        all += i64::from(value);
        textured += i64::from(value & -texture);
        textured_count += i64::from(texture);
    }
    [all, textured, textured_count, 0]
}

/// SSIM of a window, 2^24 for 1, and 1 where the reference is textured. All sums fit 32 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a value of -1 to 1, times 2^24")]
fn window([s1, s2, q1, q2, p]: [i32; 5]) -> (i32, i32) {
    let (v1, v2) = (q1 * 64 - s1 * s1, q2 * 64 - s2 * s2);
    let covariance = p * 64 - s1 * s2;
    let above = (2 * s1 * s2 + C1) as f32 * (2 * covariance + C2) as f32;
    let below = (s1 * s1 + s2 * s2 + C1) as f32 * (v1 + v2 + C2) as f32;
    ((above / below * 16_777_216.0) as i32, i32::from(v2 >= FLAT))
}
