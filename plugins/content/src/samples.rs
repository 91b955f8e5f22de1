//! Pieces of a video that stand for all of it.

use crate::analyse::Watch;
use crate::classify::{Class, classify, overall};
use crate::cuts::scenes_of;
use crate::figures::{Figures, summary};
use reelmill_gpu::{FrameOps, Frames, Scaling};
use reelmill_media::{Error, Pixel, Result, VideoFrame, plane};
use std::ops::Range;

/// Most seconds of the pieces of a video.
const SECONDS_MAX: f64 = 1.6;
/// Most of a video that its pieces are, but for short ones.
const SHARE_MAX: f64 = 0.13;
/// Fewest frames of a piece: with less, its key frame would be most of it.
const PIECE_MIN: f64 = 24.0;
/// The last frames of a piece are encoded but not judged: the encoder spends less on what nothing follows.
const TAIL: usize = 8;
/// Seconds of a piece of text, and its last frames that are not judged: how well it is coded depends most of all on how
/// far it is seen to go on.
const TEXT_S: f64 = 1.5;
const TEXT_TAIL: usize = 24;
/// Fewest and most frames of a glance. What stands still is coded with a look ahead at how long it stands: a piece of a few
/// frames looks a decibel worse than the page that it is of.
const GLANCE: (u64, u64) = (8, 24);
/// One frame in so many is judged. B-frames come in threes, so that frames of all kinds are.
const JUDGED: usize = 3;
/// Fewest and most places of a video that are looked at, pieces and glances together.
const PLACES: (f64, f64) = (5.0, 16.0);
/// Seconds of a video from one place to the next.
const APART_S: f64 = 4.0;
/// Most bytes of the frames of all pieces together.
const BYTES_MAX: u64 = 400 << 20;
/// Fewest frames of a scene within a piece that are looked at.
const SCENE_MIN: usize = 5;
/// Pictures whose means differ by less are the same.
const SAME: f64 = 1.2;

/// A video to be sampled.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Length {
    /// Its frames.
    pub frames: u64,
    /// Its frames a second.
    pub fps: f64,
    /// Bytes of one of its frames.
    pub bytes_a_frame: u64,
}

impl Length {
    /// Frames that fit into memory.
    fn fit(&self) -> u64 {
        (BYTES_MAX / self.bytes_a_frame.max(1)).max(1)
    }

    /// Places that lie evenly, each with so many frames in the middle of its part.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of frames")]
    fn evenly(&self, places: u64, length: u64) -> Vec<Range<u64>> {
        let place = |place: u64| {
            let middle = self.frames as f64 * (place as f64 + 0.5) / places as f64;
            let from = (middle - length as f64 / 2.0).max(0.0) as u64;
            from..(from + length).min(self.frames)
        };
        (0..places).map(place).collect()
    }

    /// Two pieces, a quarter from either end, that are long enough to show motion; one of a short video.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of frames")]
    fn pieces(&self) -> Vec<Range<u64>> {
        let (total, least) = (self.frames as f64, PIECE_MIN * 2.0);
        let most = (SECONDS_MAX * self.fps).max(least);
        let wanted = (total * SHARE_MAX).clamp(least, most).min(self.fit() as f64).min(total);
        if total < PIECE_MIN * 4.0 || wanted < least {
            return self.evenly(1, (wanted as u64).max(1));
        }
        self.evenly(2, (wanted / 2.0) as u64)
    }

    /// Two longer pieces at the same places, as far as they fit.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of frames")]
    fn long_pieces(&self) -> Vec<Range<u64>> {
        let length = (TEXT_S * self.fps) as u64;
        let pieces = self.pieces();
        if length * 4 > self.frames || length * 2 > self.fit() {
            return pieces;
        }
        self.evenly(pieces.len() as u64, length)
    }

    /// A few frames of many places.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of places")]
    fn glances(&self) -> Vec<Range<u64>> {
        let places = (self.frames as f64 / self.fps.max(1.0) / APART_S).clamp(PLACES.0, PLACES.1) as u64;
        let length = (self.fit() / places).clamp(GLANCE.0, GLANCE.1).min(self.frames).max(1);
        self.evenly(places.min(self.fit() / length).min(self.frames / length).max(1), length)
    }
}

/// Samples of a video, and what they show: two pieces, or of what stands still glances at many places. `read` gives the
/// frames of ranges.
pub fn sample(
    length: Length,
    ops: &dyn FrameOps,
    read: impl Fn(&[Range<u64>]) -> Result<Vec<Vec<VideoFrame>>>,
) -> Result<(Samples, Shown)> {
    let samples = Samples::new(read(&length.pieces())?)?;
    let shown = samples.show(ops)?;
    if shown.class == Class::TextHeavy {
        return Ok((Samples::new(read(&length.long_pieces())?)?, shown));
    }
    if !matches!(shown.class, Class::Static | Class::Slides) {
        return Ok((samples, shown));
    }
    let glances = Samples::new(read(&length.glances())?)?;
    let class = if all_same(&glances.pieces) { Class::Static } else { Class::Slides };
    Ok((glances, Shown { class, ..shown }))
}

/// Frames of the pieces of a video, ready for an encoder.
pub struct Samples {
    pieces: Vec<Piece>,
}

/// Frames in a row.
pub(crate) struct Piece {
    pub frames: Vec<VideoFrame>,
    pub luma: Frames,
}

/// What samples show.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shown {
    /// Their class.
    pub class: Class,
    /// Their figures.
    pub figures: Figures,
    /// How much the calmest parts change from frame to frame, in steps of luma: grain, or nothing.
    pub grain: f64,
}

impl Samples {
    /// Pieces of a video, in 8-bit `yuv420p` of one size.
    pub fn new(pieces: Vec<Vec<VideoFrame>>) -> Result<Self> {
        let pieces: Vec<Piece> =
            pieces.into_iter().filter(|frames| !frames.is_empty()).map(Piece::new).collect::<Result<_>>()?;
        if pieces.is_empty() {
            return Err(Error::Setting("there are no frames to sample".into()));
        }
        Ok(Self { pieces })
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Frames in all.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.pieces.iter().map(|piece| piece.frames.len()).sum()
    }

    /// What they show: each piece is a scene.
    pub fn show(&self, ops: &dyn FrameOps) -> Result<Shown> {
        let mut scenes = Vec::new();
        let mut grains = Vec::new();
        for piece in &self.pieces {
            let small = piece.small(ops)?;
            let mut watch = Watch::new(ops, small.width(), small.height())?;
            for index in 0..small.count() {
                watch.add_picture(small.frame(index))?;
            }
            let series = watch.finish()?;
            let all = scenes_of(&series, 1);
            let longest = all.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
            // What is left of a scene at the border of a piece says nothing.
            for scene in all.into_iter().filter(|scene| scene.len() >= SCENE_MIN.min(longest)) {
                let figures = summary(&series, scene.clone());
                scenes.push((classify(&figures), figures, scene.len()));
            }
            grains.extend(piece.grain());
        }
        let mut class = overall(&scenes.iter().map(|s| (s.0, s.2)).collect::<Vec<_>>());
        if scenes.iter().all(|s| s.0 == Class::Static) {
            class = if all_same(&self.pieces) { Class::Static } else { Class::Slides };
        }
        grains.sort_by(f64::total_cmp);
        let grain = grains.get(grains.len() / 2).copied().unwrap_or(0.0);
        let weighed: Vec<(Figures, usize)> = scenes.iter().map(|s| (s.1, s.2)).collect();
        Ok(Shown { class, figures: Figures::mean(&weighed), grain })
    }
}

/// Whether all places show the same picture.
fn all_same(pieces: &[Piece]) -> bool {
    let apart = |a: &Frames, b: &Frames| {
        let sum: u64 = a.frame(0).iter().zip(b.frame(0)).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / a.area() as f64
    };
    pieces.windows(2).all(|pair| apart(&pair[0].luma, &pair[1].luma) < SAME)
}

impl Piece {
    fn new(frames: Vec<VideoFrame>) -> Result<Self> {
        let (width, height) = (frames[0].width(), frames[0].height());
        let mut luma = Vec::with_capacity((width * height) as usize * frames.len());
        for frame in &frames {
            if (frame.width(), frame.height(), frame.format()) != (width, height, Pixel::YUV420P) {
                let got = format!("{}x{} {:?}", frame.width(), frame.height(), frame.format());
                let wanted = format!("{width}x{height} {:?}", Pixel::YUV420P);
                return Err(Error::Mismatch { place: "a sample".into(), wanted, got });
            }
            let picture = plane(frame, 0);
            (0..picture.height).for_each(|row| luma.extend_from_slice(picture.row(row)));
        }
        let luma = Frames::new(width as usize, height as usize, luma).map_err(refused)?;
        Ok(Self { frames, luma })
    }

    /// Which of its frames are judged.
    fn judged(&self) -> impl Iterator<Item = usize> {
        let count = self.frames.len();
        let tail = if count >= 2 * TEXT_TAIL - TAIL { TEXT_TAIL } else { TAIL };
        let end = if count >= 3 * TAIL { count - tail } else { count };
        (0..end).step_by(JUDGED)
    }

    /// Those of the luma of as many frames that are judged.
    pub(crate) fn of_judged(&self, luma: &Frames) -> Result<Frames> {
        let picked: Vec<u8> = self.judged().flat_map(|index| luma.frame(index)).copied().collect();
        Frames::new(luma.width(), luma.height(), picked).map_err(refused)
    }

    fn small(&self, ops: &dyn FrameOps) -> Result<Frames> {
        let (width, height) = crate::analyse::small_size(self.luma.width(), self.luma.height());
        let room = ops.buffer(width * height * self.luma.count()).map_err(refused)?;
        let mut small = Frames::new(width, height, room).map_err(refused)?;
        ops.scale(&self.luma, &mut small, Scaling::Box).map_err(refused)?;
        Ok(small)
    }

    /// For some pairs of neighbours: the mean change of the calmest tenth of blocks.
    fn grain(&self) -> Vec<f64> {
        let (width, height) = self.luma.size();
        let pairs = (1..self.luma.count()).step_by(7);
        pairs
            .map(|index| calmest(self.luma.frame(index - 1), self.luma.frame(index), width, height))
            .collect()
    }
}

fn calmest(a: &[u8], b: &[u8], width: usize, height: usize) -> f64 {
    let mut blocks = Vec::new();
    for y in (0..height / 8).step_by(2) {
        for x in (0..width / 8).step_by(2) {
            let row = |picture: &'_ [u8], v: usize| -> [u8; 8] {
                std::array::from_fn(|u| picture[(y * 8 + v) * width + x * 8 + u])
            };
            let sum = |v: usize| -> u32 {
                row(a, v).iter().zip(row(b, v)).map(|(a, b)| u32::from(a.abs_diff(b))).sum()
            };
            blocks.push((0..8).map(sum).sum::<u32>());
        }
    }
    blocks.sort_unstable();
    blocks.get(blocks.len() / 10).map_or(0.0, |sum| f64::from(*sum) / 64.0)
}

#[expect(clippy::needless_pass_by_value, reason = "handed to `map_err`")]
pub(crate) fn refused(error: reelmill_gpu::Error) -> Error {
    Error::Setting(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::Length;

    fn of(frames: u64, fps: f64, bytes_a_frame: u64) -> Length {
        Length { frames, fps, bytes_a_frame }
    }

    #[test]
    fn two_pieces_are_a_quarter_from_either_end() {
        assert_eq!(of(1_800, 30.0, 3 << 20).pieces(), [438..462, 1_338..1_362]);
        assert_eq!(of(360, 30.0, 3 << 20).pieces(), [78..102, 258..282]);
    }

    #[test]
    fn glances_lie_evenly_and_are_shorter_where_memory_is_short() {
        let minute = of(1_800, 30.0, 256 << 10).glances();
        assert_eq!(minute.len(), 15, "a place for every four seconds");
        assert!(minute.iter().all(|r| r.end - r.start == 24));
        assert!(minute.windows(2).all(|pair| pair[0].end <= pair[1].start), "{minute:?}");
        let large = of(1_800, 30.0, 3 << 20).glances();
        assert_eq!((large.len(), large[0].end - large[0].start), (15, 8), "{large:?}");
        let huge = of(18_000, 60.0, 24 << 20).glances();
        assert!(huge.iter().map(|r| r.end - r.start).sum::<u64>() <= 17, "{huge:?}");
    }

    #[test]
    fn pieces_of_text_are_longer_where_there_is_room() {
        assert_eq!(of(1_800, 30.0, 1 << 20).long_pieces(), [427..472, 1_327..1_372]);
        for (frames, bytes_a_frame) in [(120, 1 << 20), (1_800, 24 << 20)] {
            let length = of(frames, 30.0, bytes_a_frame);
            assert_eq!(length.long_pieces(), length.pieces(), "{length:?}");
        }
    }

    #[test]
    fn a_tiny_video_is_sampled_whole_and_a_huge_picture_less() {
        assert_eq!(of(9, 25.0, 1 << 10).pieces().first(), Some(&(0..9)));
        assert_eq!(of(60, 20.0, 1 << 10).pieces().first(), Some(&(6..54)));
        assert_eq!(of(3, 20.0, 1 << 10).glances().first(), Some(&(0..3)));
        let huge = of(18_000, 60.0, 24 << 20).pieces();
        assert!(huge.iter().map(|r| r.end - r.start).sum::<u64>() <= 17, "{huge:?}");
    }
}
