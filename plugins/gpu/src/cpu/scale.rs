//! New pictures from others: scaled, or with a layer over them.

#![expect(
    clippy::cast_possible_truncation,
    reason = "weighted means of bytes are bytes, and counts are checked"
)]

use crate::frames::Frames;
use crate::ops::Layer;
use rayon::prelude::*;

/// The mean of all pixels that a new one touches.
pub fn area(frames: &Frames, into: &mut Frames) {
    let (width, height) = into.size();
    let (from_width, from_height) = (frames.width(), frames.height());
    let spans: Vec<_> = (0..width).map(|x| span(x, from_width, width)).collect();
    rows(into, |picture, y, out| {
        let frame = frames.frame(picture);
        let (top, bottom) = span(y, from_height, height);
        let mut columns = vec![0_u32; from_width];
        for row in frame[top * from_width..bottom * from_width].chunks_exact(from_width) {
            for (sum, value) in columns.iter_mut().zip(row) {
                *sum += u32::from(*value);
            }
        }
        for (out, (left, right)) in out.iter_mut().zip(&spans) {
            let count = ((right - left) * (bottom - top)) as u32;
            *out = ((columns[*left..*right].iter().sum::<u32>() + count / 2) / count) as u8;
        }
    });
}

/// The first pixel that a new one touches, and the one after the last.
fn span(at: usize, from: usize, to: usize) -> (usize, usize) {
    (at * from / to, ((at + 1) * from).div_ceil(to))
}

/// Between the four nearest pixels.
pub fn bilinear(frames: &Frames, into: &mut Frames) {
    let (width, height) = into.size();
    let (from_width, from_height) = (frames.width(), frames.height());
    let places: Vec<_> = (0..width).map(|x| place(x, from_width, width)).collect();
    rows(into, |picture, y, out| {
        let frame = frames.frame(picture);
        let (top, fy) = place(y, from_height, height);
        let bottom = (top + 1).min(from_height - 1);
        let (upper, lower) =
            (&frame[top * from_width..][..from_width], &frame[bottom * from_width..][..from_width]);
        for (out, &(left, fx)) in out.iter_mut().zip(&places) {
            let right = (left + 1).min(from_width - 1);
            let mix = |row: &[u8]| u32::from(row[left]) * (256 - fx) + u32::from(row[right]) * fx;
            *out = ((mix(upper) * (256 - fy) + mix(lower) * fy + 32_768) >> 16) as u8;
        }
    });
}

/// The pixel left of (or above) where a new one lies, and how far after it in 1/256.
fn place(at: usize, from: usize, to: usize) -> (usize, u32) {
    let place = ((2 * at + 1) * from * 128 / to).saturating_sub(128).min((from - 1) * 256);
    (place >> 8, (place & 255) as u32)
}

/// A layer over all pictures.
pub fn blend(frames: &Frames, layer: Layer<'_>, into: &mut Frames) {
    let width = frames.width();
    rows(into, |picture, y, out| {
        let row = y * width..(y + 1) * width;
        let below = &frames.frame(picture)[row.clone()];
        let (above, opacity) = (&layer.luma[row.clone()], &layer.opacity[row]);
        for (((out, below), above), alpha) in out.iter_mut().zip(below).zip(above).zip(opacity) {
            let alpha = u32::from(*alpha);
            *out = ((u32::from(*below) * (255 - alpha) + u32::from(*above) * alpha + 127) / 255) as u8;
        }
    });
}

/// Writes pictures row by row.
fn rows(into: &mut Frames, make: impl Fn(usize, usize, &mut [u8]) + Sync) {
    let (width, height) = into.size();
    let each = |(row, out): (usize, &mut [u8])| make(row / height, row % height, out);
    into.pixels_mut().par_chunks_exact_mut(width).with_min_len(8).enumerate().for_each(each);
}
