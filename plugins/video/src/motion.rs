//! The Ken Burns effect: a window that moves over a still picture in steps finer than a pixel.
//!
//! libav's `zoompan` moves in whole pixels, which trembles at slow speeds; this samples between them. The still
//! is a little larger than the canvas ([`ROOM`]), so that the window never needs more pixels than there are.

use crate::timeline::Motion;
use reelmill_media::{Pixel, Result, VideoFrame, plane, planes_mut};

/// How much larger than the canvas the still is.
pub const ROOM: f64 = 1.14;
/// Sub-pixel steps.
const STEPS: u32 = 256;

/// A window over the still, as parts of its size: left, top, and size (the same across and down).
#[derive(Clone, Copy, PartialEq, Debug)]
struct Window {
    x: f64,
    y: f64,
    size: f64,
}

impl Motion {
    /// The motion for the n-th picture of a video: `auto` takes turns.
    #[must_use]
    pub fn resolve(self, number: usize) -> Self {
        const TURNS: [Motion; 4] = [Motion::ZoomIn, Motion::PanRight, Motion::ZoomOut, Motion::PanLeft];
        if self == Self::Auto { TURNS[number % TURNS.len()] } else { self }
    }

    /// Where the window is at a part of the shot, 0 to 1.
    fn window(self, part: f64) -> Window {
        let small = 1.0 / ROOM;
        let spare = 1.0 - small;
        let centred = |size: f64| Window { x: (1.0 - size) / 2.0, y: (1.0 - size) / 2.0, size };
        match self {
            Self::None | Self::Auto => centred(1.0),
            Self::ZoomIn => centred(1.0 - spare * part),
            Self::ZoomOut => centred(small + spare * part),
            Self::PanRight => Window { x: spare * part, ..centred(small) },
            Self::PanLeft => Window { x: spare * (1.0 - part), ..centred(small) },
            Self::PanDown => Window { y: spare * part, ..centred(small) },
            Self::PanUp => Window { y: spare * (1.0 - part), ..centred(small) },
        }
    }
}

/// The picture of a motion over `still` at a part of the shot, `width` x `height`.
pub fn sample(still: &VideoFrame, motion: Motion, part: f64, width: u32, height: u32) -> Result<VideoFrame> {
    let window = motion.window(part.clamp(0.0, 1.0));
    let mut out = VideoFrame::new(Pixel::YUV420P, width, height);
    let sizes = [0, 1, 2].map(|i| (out.plane_width(i) as usize, out.plane_height(i) as usize));
    for (index, (to, stride)) in planes_mut(&mut out)?.into_iter().enumerate() {
        let from = plane(still, index);
        let columns = taps(window.x, window.size, from.width, sizes[index].0);
        let rows = taps(window.y, window.size, from.height, sizes[index].1);
        for (line, row) in to.chunks_exact_mut(stride).zip(&rows) {
            let (above, below) = (from.row(row.first), from.row(row.second));
            blend(&mut line[..sizes[index].0], above, below, row.weight, &columns);
        }
    }
    Ok(out)
}

/// Two neighbouring samples and how much of the second is taken.
struct Tap {
    first: usize,
    second: usize,
    weight: u32,
}

/// Where each of `count` output samples lies among `from` input samples.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "places within a picture")]
fn taps(start: f64, size: f64, from: usize, count: usize) -> Vec<Tap> {
    let step = size * from as f64 / count as f64;
    let last = from - 1;
    (0..count)
        .map(|i| {
            let place = (start * from as f64 + (i as f64 + 0.5) * step - 0.5).clamp(0.0, last as f64);
            let first = place as usize;
            let weight = ((place - first as f64) * f64::from(STEPS)) as u32;
            Tap { first, second: (first + 1).min(last), weight }
        })
        .collect()
}

#[expect(clippy::cast_possible_truncation, reason = "a weighted mean of bytes is a byte")]
fn blend(line: &mut [u8], above: &[u8], below: &[u8], weight: u32, columns: &[Tap]) {
    for (out, tap) in line.iter_mut().zip(columns) {
        let across = |row: &[u8]| {
            u32::from(row[tap.first]) * (STEPS - tap.weight) + u32::from(row[tap.second]) * tap.weight
        };
        let sum = across(above) * (STEPS - weight) + across(below) * weight;
        *out = ((sum + STEPS * STEPS / 2) / (STEPS * STEPS)) as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::sample;
    use crate::timeline::Motion;
    use reelmill_media::{Pixel, VideoFrame, plane, planes_mut};

    /// A still whose brightness rises from left to right.
    fn ramp(width: u32, height: u32) -> VideoFrame {
        let mut frame = VideoFrame::new(Pixel::YUV420P, width, height);
        let widths = [0, 1, 2].map(|i| frame.plane_width(i));
        for ((data, stride), width) in planes_mut(&mut frame).unwrap().into_iter().zip(widths) {
            for row in data.chunks_exact_mut(stride) {
                for (x, value) in row.iter_mut().enumerate() {
                    *value = u8::try_from((x * 200 / width as usize).min(255)).unwrap();
                }
            }
        }
        frame
    }

    fn at(frame: &VideoFrame, x: usize) -> u8 {
        plane(frame, 0).row(10)[x]
    }

    #[test]
    fn panning_moves_the_view_a_little_with_every_frame() {
        let still = ramp(228, 114);
        let values: Vec<u8> = (0..=20)
            .map(|i| at(&sample(&still, Motion::PanRight, f64::from(i) / 20.0, 200, 100).unwrap(), 50))
            .collect();
        assert!(values.windows(2).all(|w| w[1] >= w[0] && w[1] - w[0] <= 3), "{values:?}");
        assert!(values[20] - values[0] >= 18, "{values:?}");
    }

    #[test]
    fn zooming_in_ends_where_zooming_out_begins() {
        let still = ramp(228, 114);
        let ends = sample(&still, Motion::ZoomIn, 1.0, 200, 100).unwrap();
        let begins = sample(&still, Motion::ZoomOut, 0.0, 200, 100).unwrap();
        assert_eq!(plane(&ends, 0).row(50), plane(&begins, 0).row(50));
        let whole = sample(&still, Motion::ZoomIn, 0.0, 200, 100).unwrap();
        assert!(
            at(&whole, 0) < at(&ends, 0) && at(&whole, 199) > at(&ends, 199),
            "the start shows all of it"
        );
    }

    #[test]
    fn automatic_motions_take_turns() {
        let turns: Vec<Motion> = (0..4).map(|n| Motion::Auto.resolve(n)).collect();
        assert!(turns.windows(2).all(|w| w[0] != w[1]) && !turns.contains(&Motion::None));
        assert_eq!(Motion::PanUp.resolve(3), Motion::PanUp);
    }
}
