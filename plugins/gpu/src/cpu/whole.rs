//! Figures over all pixels: differences, histograms, gradients.

use super::over_bands;
use crate::frames::Frames;
use crate::ops::{Detail, Difference, Histogram, STEEP};

/// Rows that one task does.
const BAND: usize = 64;

pub fn difference(frames: &Frames) -> Vec<Difference> {
    let width = frames.width();
    let sums = over_bands(frames.count() - 1, frames.height(), BAND, |pair, from, to| {
        let pixels = from * width..to * width;
        let (a, b) = (&frames.frame(pair)[pixels.clone()], &frames.frame(pair + 1)[pixels]);
        // In pieces whose sums fit 32 bits.
        a.chunks(16_384).zip(b.chunks(16_384)).fold([0; 3], |sums, (a, b)| super::add(sums, piece(a, b)))
    });
    sums.into_iter().map(|sums| Difference::of(sums, frames.area())).collect()
}

fn piece(a: &[u8], b: &[u8]) -> [i64; 3] {
    let (mut absolute, mut plain, mut squared) = (0_i32, 0_i32, 0_i32);
    for (a, b) in a.iter().zip(b) {
        let d = i32::from(*b) - i32::from(*a);
        absolute += d.abs();
        plain += d;
        squared += d * d;
    }
    [absolute, plain, squared].map(i64::from)
}

pub fn histogram(frames: &Frames) -> Vec<Histogram> {
    use rayon::prelude::*;
    let bytes = BAND * frames.width();
    let bands = frames.area().div_ceil(bytes);
    let parts: Vec<Histogram> = (0..frames.count() * bands)
        .into_par_iter()
        .map(|index| {
            let picture = frames.frame(index / bands);
            let from = index % bands * bytes;
            count(&picture[from..picture.len().min(from + bytes)])
        })
        .collect();
    let sum = |parts: &[Histogram]| std::array::from_fn(|value| parts.iter().map(|part| part[value]).sum());
    parts.chunks(bands).map(sum).collect()
}

fn count(pixels: &[u8]) -> Histogram {
    // Four tables: neighbours are often equal, and would wait for each other.
    let mut bins = [[0_u32; 256]; 4];
    let mut fours = pixels.chunks_exact(4);
    for four in &mut fours {
        for (bins, value) in bins.iter_mut().zip(four) {
            bins[usize::from(*value)] += 1;
        }
    }
    for value in fours.remainder() {
        bins[0][usize::from(*value)] += 1;
    }
    std::array::from_fn(|value| bins.iter().map(|bins| bins[value]).sum())
}

pub fn detail(frames: &Frames) -> Vec<Detail> {
    let (width, height) = (frames.width(), frames.height());
    let sums = over_bands(frames.count(), height - 2, BAND, |picture, from, to| {
        let frame = frames.frame(picture);
        let row = |y: usize| &frame[y * width..(y + 1) * width];
        (from..to).fold([0; 3], |sums, y| super::add(sums, gradients(row(y), row(y + 1), row(y + 2))))
    });
    sums.into_iter().map(|sums| Detail::of(sums, width, height)).collect()
}

/// Most pixels whose squared gradients (2 * 1020^2 at most) have a sum of 32 bits.
const PIECE: usize = 1_024;

/// Sums over a row: length of the gradient (16 is a step of luma), its square, and where it is steep.
fn gradients(above: &[u8], here: &[u8], below: &[u8]) -> [i64; 3] {
    let inner = here.len() - 2;
    (0..inner).step_by(PIECE).fold([0; 3], |sums, from| {
        let part = from..inner.min(from + PIECE) + 2;
        super::add(sums, gradients_of(&above[part.clone()], &here[part.clone()], &below[part]))
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 1443 * 16")]
fn gradients_of(above: &[u8], here: &[u8], below: &[u8]) -> [i64; 3] {
    let inner = here.len() - 2;
    let (above, here, below) = (&above[..inner + 2], &here[..inner + 2], &below[..inner + 2]);
    let at = |row: &[u8], x: usize| i32::from(row[x]);
    let (mut length, mut square, mut edges) = (0_u32, 0_u32, 0_u32);
    for x in 0..inner {
        let right = at(above, x + 2) + 2 * at(here, x + 2) + at(below, x + 2);
        let left = at(above, x) + 2 * at(here, x) + at(below, x);
        let down = at(below, x) + 2 * at(below, x + 1) + at(below, x + 2);
        let up = at(above, x) + 2 * at(above, x + 1) + at(above, x + 2);
        let (gx, gy) = (right - left, down - up);
        let sum = gx * gx + gy * gy;
        length += ((sum as f32).sqrt() * 16.0) as i32 as u32;
        square += sum as u32;
        edges += u32::from(sum >= (STEEP * STEEP).cast_signed());
    }
    [length, square, edges].map(i64::from)
}
