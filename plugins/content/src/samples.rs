//! Pieces of a video that stand for all of it.

use crate::analyse::Watch;
use crate::classify::{Class, classify, overall};
use crate::cuts::scenes_of;
use crate::figures::{Figures, summary};
use reelmill_gpu::{FrameOps, Frames, Scaling};
use reelmill_media::{Error, Pixel, Result, VideoFrame, plane};
use std::ops::Range;

/// Most seconds that are sampled of a video.
const SECONDS_MAX: f64 = 2.0;
/// Most of a video that is sampled, but for short ones.
const SHARE_MAX: f64 = 0.13;
/// Fewest frames of a piece: with less, its key frame would be most of it.
const PIECE_MIN: f64 = 24.0;
/// The last frames of a piece are encoded but not judged: the encoder spends less on what nothing follows.
const TAIL: usize = 8;
/// Most pieces.
const PIECES_MAX: f64 = 4.0;
/// Most bytes of the frames of all pieces together.
const BYTES_MAX: u64 = 400 << 20;
/// Fewest frames of a scene within a piece that are looked at.
const SCENE_MIN: usize = 5;
/// Pictures whose means differ by less are the same.
const SAME: f64 = 1.2;

/// Which frames are looked at of a video of so many frames; pieces lie evenly, each in the middle of its part.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of frames")]
pub fn pieces(frames: u64, fps: f64, bytes_a_frame: u64) -> Vec<Range<u64>> {
    let (total, fps) = (frames as f64, fps.max(1.0));
    let fit = (BYTES_MAX / bytes_a_frame.max(1)) as f64;
    let wanted = (total * SHARE_MAX)
        .clamp(PIECE_MIN * 2.0, (SECONDS_MAX * fps).max(PIECE_MIN * 2.0))
        .min(fit)
        .min(total);
    let count = (wanted / PIECE_MIN).floor().clamp(1.0, PIECES_MAX);
    let length = (wanted / count).floor().max(1.0);
    (0..count as u64)
        .map(|piece| {
            let middle = total * (piece as f64 + 0.5) / count;
            let from = (middle - length / 2.0).max(0.0).floor() as u64;
            from..(from + length as u64).min(frames)
        })
        .collect()
}

/// Frames of the pieces of a video, ready for an encoder.
pub struct Samples {
    pieces: Vec<Piece>,
    fps: f64,
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
    /// Pieces of a video of this frame rate, in 8-bit `yuv420p` of one size.
    pub fn new(pieces: Vec<Vec<VideoFrame>>, fps: f64) -> Result<Self> {
        let pieces: Vec<Piece> =
            pieces.into_iter().filter(|frames| !frames.is_empty()).map(Piece::new).collect::<Result<_>>()?;
        if pieces.is_empty() {
            return Err(Error::Setting("there are no frames to sample".into()));
        }
        Ok(Self { pieces, fps })
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        &self.pieces
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
        let mut firsts: Vec<Frames> = Vec::new();
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
            firsts
                .push(Frames::new(small.width(), small.height(), small.frame(0).to_vec()).map_err(refused)?);
        }
        let mut class = overall(&scenes.iter().map(|s| (s.0, s.2)).collect::<Vec<_>>());
        if class == Class::Slides && scenes.iter().all(|s| s.0 == Class::Static) && all_same(&firsts) {
            class = Class::Static;
        }
        grains.sort_by(f64::total_cmp);
        let grain = grains.get(grains.len() / 2).copied().unwrap_or(0.0);
        let weighed: Vec<(Figures, usize)> = scenes.iter().map(|s| (s.1, s.2)).collect();
        Ok(Shown { class, figures: Figures::mean(&weighed), grain })
    }
}

fn all_same(pictures: &[Frames]) -> bool {
    let apart = |a: &Frames, b: &Frames| {
        let sum: u64 = a.pixels().iter().zip(b.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / a.area() as f64
    };
    pictures.windows(2).all(|pair| apart(&pair[0], &pair[1]) < SAME)
}

impl Piece {
    /// How many of its frames, from the first, are judged.
    pub(crate) fn judged(&self) -> usize {
        let count = self.frames.len();
        if count >= 3 * TAIL { count - TAIL } else { count }
    }

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
    fn two_seconds_are_sampled_of_a_long_video_and_less_of_a_short_one() {
        let long = pieces(18_000, 30.0, 3 << 20);
        assert_eq!(long.iter().map(|r| r.end - r.start).sum::<u64>(), 60);
        assert_eq!(long.len(), 2);
        assert_eq!(long[0].start, 4_485);
        let short = pieces(360, 30.0, 3 << 20);
        assert_eq!(short.iter().map(|r| r.end - r.start).sum::<u64>(), 48);
        assert_eq!(short.len(), 2);
    }

    #[test]
    fn a_tiny_video_is_sampled_whole_and_a_huge_picture_less() {
        assert_eq!(pieces(9, 25.0, 1 << 10).first(), Some(&(0..9)));
        let huge = pieces(18_000, 60.0, 24 << 20);
        assert!(huge.iter().map(|r| r.end - r.start).sum::<u64>() <= 17, "{huge:?}");
    }
}
