//! What speaks for a picture as the face of a video: it is sharp, colourful, rich in contrast, and neither dark nor
//! burnt out. Pure but for looking into the frame.

use reelmill_media::{Plane, VideoFrame, gray_mean, plane};

/// Samples darker or brighter than this show nothing.
const BLACK: u8 = 24;
const WHITE: u8 = 232;
/// Where each merit is half of what it can be.
const HALF: Merits =
    Merits { sharpness: 6.0, colourfulness: 14.0, contrast: 28.0, brightness: 0.0, lost: 0.0 };
/// How much each counts.
const WEIGHTS: (f64, f64, f64) = (0.40, 0.30, 0.30);

/// Figures of a picture.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Merits {
    /// Mean difference of a sample from the mean of its neighbours, which blur takes away.
    pub sharpness: f64,
    /// Spread of colours and their distance from grey (after Hasler and Süsstrunk 2003, over chroma planes).
    pub colourfulness: f64,
    /// Standard deviation of the brightness.
    pub contrast: f64,
    /// Mean brightness, 0 to 255.
    pub brightness: f64,
    /// Part of the samples that are black or white, 0 to 1.
    pub lost: f64,
}

impl Merits {
    /// The figures of a picture in `yuv420p`.
    #[must_use]
    pub fn of(frame: &VideoFrame) -> Self {
        let luma = plane(frame, 0);
        let (u, v) = (spread(plane(frame, 1)), spread(plane(frame, 2)));
        let away = ((u.0 - 128.0).powi(2) + (v.0 - 128.0).powi(2)).sqrt();
        let samples = (luma.width * luma.height).max(1) as f64;
        let lost = (0..luma.height)
            .map(|y| luma.row(y).iter().filter(|v| !(BLACK..=WHITE).contains(v)).count())
            .sum::<usize>();
        Self {
            sharpness: sharpness(luma),
            colourfulness: u.1.hypot(v.1) + 0.3 * away,
            contrast: spread(luma).1,
            brightness: gray_mean(luma),
            lost: lost as f64 / samples,
        }
    }

    /// One number for all, 0 to 1: each merit counts less the more there is of it, so that no one of them decides.
    #[must_use]
    pub fn score(&self) -> f64 {
        let part = |value: f64, half: f64| value / (value + half);
        let merit = WEIGHTS.0 * part(self.sharpness, HALF.sharpness)
            + WEIGHTS.1 * part(self.colourfulness, HALF.colourfulness)
            + WEIGHTS.2 * part(self.contrast, HALF.contrast);
        // A fade is dark or pale as a whole: little of the scale is left.
        let exposure =
            ((self.brightness - 16.0) / 44.0).min((240.0 - self.brightness) / 44.0).clamp(0.01, 1.0);
        merit * exposure * (1.0 - 0.8 * self.lost)
    }
}

/// Mean and standard deviation.
fn spread(plane: Plane<'_>) -> (f64, f64) {
    let mean = gray_mean(plane);
    let sum: f64 = (0..plane.height)
        .map(|y| plane.row(y).iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>())
        .sum();
    (mean, (sum / (plane.width * plane.height).max(1) as f64).sqrt())
}

fn sharpness(luma: Plane<'_>) -> f64 {
    let mut sum = 0_u64;
    for y in 1..luma.height.saturating_sub(1) {
        let (above, row, below) = (luma.row(y - 1), luma.row(y), luma.row(y + 1));
        for x in 1..luma.width.saturating_sub(1) {
            let around = [above[x], below[x], row[x - 1], row[x + 1]].map(i32::from).iter().sum::<i32>();
            sum += u64::from((4 * i32::from(row[x]) - around).unsigned_abs());
        }
    }
    sum as f64 / 4.0 / (luma.width * luma.height).max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::Merits;
    use reelmill_media::{Graph, Pull, VideoFrame};

    fn score(spec: &str) -> f64 {
        let mut graph = Graph::video(&format!("{spec},setsar=1,format=yuv420p[out]"), &[]).unwrap();
        let mut frame = VideoFrame::empty();
        assert_eq!(graph.pull(&mut frame).unwrap(), Pull::Frame);
        Merits::of(&frame).score()
    }

    #[test]
    fn what_one_would_choose_has_the_higher_score() {
        let sharp = score("testsrc2=s=160x90:r=1:d=1");
        for (worse, why) in [
            ("testsrc2=s=160x90:r=1:d=1,gblur=sigma=4", "blurred"),
            ("testsrc2=s=160x90:r=1:d=1,hue=s=0", "grey"),
            ("testsrc2=s=160x90:r=1:d=1,eq=brightness=-0.75", "half faded to black"),
            ("testsrc2=s=160x90:r=1:d=1,eq=contrast=0.3", "flat"),
            ("color=c=black:s=160x90:r=1:d=1", "black"),
            ("color=c=white:s=160x90:r=1:d=1", "white"),
            ("color=c=red:s=160x90:r=1:d=1", "one colour"),
        ] {
            assert!(score(worse) < 0.9 * sharp, "{why}: {} and {sharp}", score(worse));
        }
    }
}
