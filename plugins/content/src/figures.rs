//! Figures of a stretch of video, out of figures of its frames. Pure.

use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Range;

/// What was measured at each frame of a video, made small (the longer side is 320 pixels) and grey.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Series {
    /// Mean absolute difference to the frame before; 0 for the first.
    pub change: Vec<f64>,
    /// Temporal information of the difference to the frame before (ITU-T P.910); 0 for the first.
    pub ti: Vec<f64>,
    /// Part of 8x8 blocks that stand still; 1 for the first.
    pub still: Vec<f64>,
    /// How far histograms of this frame and the one before are apart, 0 to 1; 0 for the first.
    pub repaint: Vec<f64>,
    /// Frames that were looked at more closely, in order.
    pub looks: Vec<Look>,
}

/// What was seen in a frame that was looked at closely.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Look {
    /// The frame's number.
    pub frame: usize,
    /// Spatial information (ITU-T P.910).
    pub si: f64,
    /// Part of pixels at edges.
    pub edges: f64,
    /// Part of blocks that look like text.
    pub text: f64,
    /// How far blocks have moved since the frame before, in thousandths of the width, on average.
    pub motion: f64,
    /// Part of the change since the frame before that motion does not explain.
    pub residue: f64,
}

/// A stretch of video in figures.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct Figures {
    /// Spatial information: how much there is to see (ITU-T P.910, at a width of 320).
    pub si: f64,
    /// Temporal information: how much changes from frame to frame; the mean.
    pub ti: f64,
    /// Part of pixels at edges, in percent.
    pub edges: f64,
    /// Part of blocks that look like text, in percent.
    pub text: f64,
    /// Part of blocks that stand still from frame to frame, in percent.
    pub still: f64,
    /// How far the picture moves from frame to frame, in thousandths of its width.
    pub motion: f64,
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { 0.0 } else { sum / f64::from(count) }
}

/// To a thousandth: figures are compared by people.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

/// The figures of some frames. The change to their first frame belongs to what was before and does not count.
#[must_use]
pub fn summary(series: &Series, frames: Range<usize>) -> Figures {
    let inner = (frames.start + 1).min(frames.end)..frames.end;
    let looks = || series.looks.iter().filter(|look| frames.contains(&look.frame));
    let moving = || looks().filter(|look| look.frame != frames.start);
    let still = if inner.is_empty() { 1.0 } else { mean(series.still[inner.clone()].iter().copied()) };
    Figures {
        si: round(mean(looks().map(|look| look.si))),
        ti: round(mean(series.ti[inner].iter().copied())),
        edges: round(100.0 * mean(looks().map(|look| look.edges))),
        text: round(100.0 * mean(looks().map(|look| look.text))),
        still: round(100.0 * still),
        motion: round(mean(moving().map(|look| look.motion))),
    }
}

impl Figures {
    /// The figures of several stretches together, each as long as it is.
    #[must_use]
    pub fn mean(parts: &[(Self, usize)]) -> Self {
        let total: usize = parts.iter().map(|(_, frames)| frames).sum();
        let mean = |figure: fn(&Self) -> f64| {
            let sum: f64 = parts.iter().map(|(figures, frames)| figure(figures) * *frames as f64).sum();
            round(sum / total.max(1) as f64)
        };
        Self {
            si: mean(|f| f.si),
            ti: mean(|f| f.ti),
            edges: mean(|f| f.edges),
            text: mean(|f| f.text),
            still: mean(|f| f.still),
            motion: mean(|f| f.motion),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Look, Series, summary};

    #[test]
    fn the_cut_into_a_scene_is_no_change_of_it() {
        let series = Series {
            change: vec![0.0, 40.0, 1.0],
            ti: vec![0.0, 50.0, 2.0],
            still: vec![1.0, 0.0, 0.5],
            repaint: vec![0.0; 3],
            looks: vec![
                Look { frame: 1, motion: 90.0, si: 10.0, ..Look::default() },
                Look { frame: 2, motion: 1.0, si: 20.0, ..Look::default() },
            ],
        };
        let figures = summary(&series, 1..3);
        assert_eq!((figures.ti, figures.still, figures.motion, figures.si), (2.0, 50.0, 1.0, 15.0));
        let one = summary(&series, 1..2);
        assert_eq!((one.ti, one.still, one.motion), (0.0, 100.0, 0.0));
    }
}
