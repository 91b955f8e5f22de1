//! Pieces of a video that stand for all of it.

use crate::analyse::Watch;
use crate::classify::{Class, classify, overall};
use crate::cuts::scenes_of;
use crate::figures::{Figures, summary};
use reelmill_gpu::{FrameOps, Frames, Scaling};
use reelmill_media::{Error, Pixel, Result, VideoFrame, plane};
use std::ops::Range;

/// Most seconds of the pieces of a video.
const SECONDS_MAX: f64 = 2.0;
/// Most of a video that its pieces are, but for short ones.
const SHARE_MAX: f64 = 0.13;
/// Fewest frames of a piece: with less, its key frame would be most of it.
const PIECE_MIN: f64 = 24.0;
/// The last frames of a piece are encoded but not judged: the encoder spends less on what nothing follows.
const TAIL: usize = 8;
/// Frames of a glance: of what stands still the first ones show all, and more places say more than longer pieces.
const GLANCE: u64 = 8;
/// Fewest and most places of a video that are looked at, pieces and glances together.
const PLACES: (f64, f64) = (6.0, 16.0);
/// Seconds of a video from one place to the next.
const APART_S: f64 = 4.0;
/// Most bytes of the frames of all pieces together.
const BYTES_MAX: u64 = 400 << 20;
/// Fewest frames of a scene within a piece that are looked at.
const SCENE_MIN: usize = 5;
/// Pictures whose means differ by less are the same.
const SAME: f64 = 1.2;

/// Which frames are looked at of a video of so many frames: two pieces, a quarter from either end, and glances between.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of frames")]
pub fn pieces(frames: u64, fps: f64, bytes_a_frame: u64) -> Vec<Range<u64>> {
    let (total, fps) = (frames as f64, fps.max(1.0));
    let fit = (BYTES_MAX / bytes_a_frame.max(1)).max(1);
    let wanted =
        (total * SHARE_MAX).clamp(PIECE_MIN * 2.0, (SECONDS_MAX * fps).max(PIECE_MIN * 2.0)).min(fit as f64);
    if total < PIECE_MIN * 4.0 || wanted < PIECE_MIN * 2.0 {
        // Too short for more than one piece, or pictures too large.
        let length = (wanted as u64).min(frames).max(1);
        let from = (frames - length.min(frames)) / 2;
        return std::iter::once(from..from + length).collect();
    }
    let piece = (wanted / 2.0) as u64;
    let glances = (fit - 2 * piece) / GLANCE;
    let places = (total / fps / APART_S).clamp(PLACES.0, PLACES.1).min(glances as f64 + 2.0) as u64;
    let (first, second) = (places / 4, places - 1 - places / 4);
    (0..places)
        .map(|place| {
            let length = if place == first || place == second { piece } else { GLANCE };
            let middle = total * (place as f64 + 0.5) / places as f64;
            let from = (middle - length as f64 / 2.0).max(0.0) as u64;
            from..(from + length).min(frames)
        })
        .collect()
}

/// Frames of the pieces of a video, ready for an encoder.
pub struct Samples {
    /// Frames in a row, as many as there are for each place.
    pieces: Vec<Piece>,
    fps: f64,
}

/// Frames in a row.
pub(crate) struct Piece {
    pub frames: Vec<VideoFrame>,
    pub luma: Frames,
}

/// A piece as it is tried.
pub(crate) struct Try<'a> {
    pub piece: &'a Piece,
    /// Frames that are encoded, from the first.
    pub frames: usize,
    /// Frames that are judged, from the first.
    pub judged: usize,
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
    /// Pieces of a video of this frame rate, in 8-bit `yuv420p` of one size.
    pub fn new(pieces: Vec<Vec<VideoFrame>>, fps: f64) -> Result<Self> {
        let pieces: Vec<Piece> =
            pieces.into_iter().filter(|frames| !frames.is_empty()).map(Piece::new).collect::<Result<_>>()?;
        if pieces.is_empty() {
            return Err(Error::Setting("there are no frames to sample".into()));
        }
        Ok(Self { pieces, fps })
    }

    /// What an encoder is tried on: of what stands still a few frames of every place, else the long pieces.
    pub(crate) fn tries(&self, still: bool) -> impl Iterator<Item = Try<'_>> {
        let longest = self.pieces.iter().map(|piece| piece.frames.len()).max().unwrap_or(0);
        let glance = usize::try_from(GLANCE).unwrap_or(8);
        self.pieces.iter().filter(move |piece| still || piece.frames.len() > glance || longest <= glance).map(
            move |piece| {
                let count = piece.frames.len();
                let frames = if still { count.min(glance) } else { count };
                Try { piece, frames, judged: if frames >= 3 * TAIL { frames - TAIL } else { frames } }
            },
        )
    }

    /// The pieces that are long enough to show motion.
    fn long(&self) -> impl Iterator<Item = &Piece> {
        self.tries(false).map(|one| one.piece)
    }

    /// Frames in all.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.pieces.iter().map(|piece| piece.frames.len()).sum()
    }

    /// Frames a second of the video.
    #[must_use]
    pub fn fps(&self) -> f64 {
        self.fps
    }

    /// What they show: each piece is a scene.
    pub fn show(&self, ops: &dyn FrameOps) -> Result<Shown> {
        let mut scenes = Vec::new();
        let mut grains = Vec::new();
        for piece in self.long() {
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

    /// The luma of its first frames.
    pub(crate) fn first(&self, count: usize) -> Result<Frames> {
        let (width, height) = self.luma.size();
        Frames::new(width, height, self.luma.pixels()[..count * self.luma.area()].to_vec()).map_err(refused)
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
    use super::pieces;

    #[test]
    fn two_long_pieces_and_glances_lie_evenly() {
        let minute = pieces(1_800, 30.0, 2 << 20);
        let lengths: Vec<u64> = minute.iter().map(|r| r.end - r.start).collect();
        assert_eq!(lengths.iter().filter(|l| **l == 30).count(), 2, "two seconds in all: {minute:?}");
        assert_eq!(lengths.iter().filter(|l| **l == 8).count(), lengths.len() - 2);
        assert_eq!(lengths.len(), 15, "a place for every four seconds");
        let short = pieces(360, 30.0, 3 << 20);
        assert_eq!(short.len(), 6);
        assert!(short.windows(2).all(|pair| pair[0].end <= pair[1].start), "{short:?}");
        assert_eq!(short[1], 78..102);
    }

    #[test]
    fn a_tiny_video_is_sampled_whole_and_a_huge_picture_less() {
        assert_eq!(pieces(9, 25.0, 1 << 10).first(), Some(&(0..9)));
        assert_eq!(pieces(60, 20.0, 1 << 10).first(), Some(&(6..54)));
        let huge = pieces(18_000, 60.0, 24 << 20);
        assert!(huge.iter().map(|r| r.end - r.start).sum::<u64>() <= 17, "{huge:?}");
        let large = pieces(18_000, 30.0, 6 << 20);
        assert!(large.iter().map(|r| r.end - r.start).sum::<u64>() * (6 << 20) <= 400 << 20, "{large:?}");
    }
}
