//! Looking at a video once: every frame is decoded, made small and grey, and measured in batches on all cores.

use crate::classify::{Class, classify, overall};
use crate::cuts::scenes_of;
use crate::figures::{Figures, Look, Series, summary};
use crate::samples::refused;
use crate::text::text_density;
use reelmill_gpu::{FrameOps, Frames, Histogram};
use reelmill_media::{
    Control, Error, Graph, Progress, Pull, Result, VideoFormat, VideoFrame, VideoReader, plane,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::ops::Range;
use std::path::Path;

/// Longer side of the small picture.
const SIDE: usize = 320;
/// Frames that are measured together.
const BATCH: usize = 48;
/// One frame in so many is looked at closely.
const CLOSELY: usize = 6;
/// Change of a frame, in steps of luma, that is looked at closely too: it may be a cut.
const JUMP: f64 = 1.2;
/// A scene is at least this long, in seconds.
const SHORTEST_S: f64 = 0.3;
/// Longest video, in frames: ten hours at 60 a second.
const FRAMES_MAX: usize = 2_160_000;

/// What a video shows.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Analysis {
    /// Its class.
    pub class: Class,
    /// Its figures over all scenes.
    pub figures: Figures,
    /// Its scenes, in order.
    pub scenes: Vec<Scene>,
    /// Frames.
    pub frames: usize,
}

/// A stretch of a video without a cut.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Scene {
    /// Its first frame.
    pub from: usize,
    /// The frame after its last one.
    pub to: usize,
    /// Its class.
    pub class: Class,
    /// Its figures.
    pub figures: Figures,
}

/// Looks at a video to its end. `total` is how many frames it is thought to have, for progress.
pub fn analyse(
    path: &Path,
    fps: f64,
    total: u64,
    ops: &dyn FrameOps,
    control: &dyn Control,
) -> Result<Analysis> {
    let mut reader = VideoReader::open(path, 0, 0)?;
    let mut graph: Option<Graph> = None;
    let mut watch: Option<Watch> = None;
    let mut small = VideoFrame::empty();
    let mut done = 0;
    while let Some(frame) = reader.next_frame()? {
        control.check()?;
        let graph = match graph.as_mut() {
            Some(graph) => graph,
            None => graph.insert(shrink(&frame, &reader)?),
        };
        graph.send_video(0, frame)?;
        if graph.pull(&mut small)? == Pull::Frame {
            let watch = match watch.as_mut() {
                Some(watch) => watch,
                None => watch.insert(Watch::new(ops, small.width() as usize, small.height() as usize)?),
            };
            watch.add(&small)?;
            done += 1;
        }
        if done > FRAMES_MAX {
            return Err(unreadable(path, format!("it has more than {FRAMES_MAX} frames")));
        }
        let (done, total) = (done as u64, total.max(done as u64));
        control.progress(&Progress { done, total, unit: "frames", phase: "analyse", rate: 0.0 });
    }
    let series = watch.ok_or_else(|| unreadable(path, "it has no frames".into()))?.finish()?;
    Ok(conclude(&series, fps))
}

/// What the series of figures says.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of frames")]
fn conclude(series: &Series, fps: f64) -> Analysis {
    let frames = series.change.len();
    let scene = |frames: Range<usize>| {
        let figures = summary(series, frames.clone());
        Scene { from: frames.start, to: frames.end, class: classify(&figures), figures }
    };
    let shortest = ((fps * SHORTEST_S) as usize).max(2);
    let scenes: Vec<Scene> = scenes_of(series, shortest).into_iter().map(scene).collect();
    let classes: Vec<(Class, usize)> = scenes.iter().map(|s| (s.class, s.to - s.from)).collect();
    let weighed: Vec<(Figures, usize)> = scenes.iter().map(|s| (s.figures, s.to - s.from)).collect();
    Analysis { class: overall(&classes), figures: Figures::mean(&weighed), scenes, frames }
}

/// The size of the small picture: sides are multiples of a block.
pub(crate) fn small_size(width: usize, height: usize) -> (usize, usize) {
    let scaled = |side: usize| (side * SIDE).div_ceil(width.max(height).max(1)).next_multiple_of(8).max(16);
    (scaled(width), scaled(height))
}

fn shrink(frame: &VideoFrame, reader: &VideoReader) -> Result<Graph> {
    let (width, height) = small_size(frame.width() as usize, frame.height() as usize);
    let spec = format!("[in0]scale={width}:{height}:flags=area,setsar=1,format=gray[out]");
    Graph::video(&spec, &[VideoFormat::of(frame, reader.time_base())])
}

/// Gathers small pictures and measures them batch by batch. The last picture of a batch is the first of the next one, so
/// that every pair of neighbours is seen.
pub(crate) struct Watch<'a> {
    ops: &'a dyn FrameOps,
    size: (usize, usize),
    waiting: Vec<u8>,
    series: Series,
    last: Option<Histogram>,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(ops: &'a dyn FrameOps, width: usize, height: usize) -> Result<Self> {
        if width < 16 || height < 16 {
            return Err(Error::Setting(format!(
                "pictures of {width}x{height} are too small to be looked at"
            )));
        }
        let series = Series::default();
        Ok(Self { ops, size: (width, height), waiting: Vec::new(), series, last: None })
    }

    fn area(&self) -> usize {
        self.size.0 * self.size.1
    }

    fn add(&mut self, small: &VideoFrame) -> Result<()> {
        let picture = plane(small, 0);
        for row in 0..picture.height {
            self.waiting.extend_from_slice(picture.row(row));
        }
        self.added()
    }

    /// The next picture, as large as it was said.
    pub(crate) fn add_picture(&mut self, picture: &[u8]) -> Result<()> {
        self.waiting.extend_from_slice(picture);
        self.added()
    }

    fn added(&mut self) -> Result<()> {
        if self.waiting.len() > BATCH * self.area() { self.measure() } else { Ok(()) }
    }

    pub(crate) fn finish(mut self) -> Result<Series> {
        self.measure()?;
        Ok(self.series)
    }

    fn measure(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let first = self.series.change.is_empty();
        let count = waiting.len() / self.area();
        if count == 0 || (count == 1 && !first) {
            return Ok(());
        }
        let frames = Frames::new(self.size.0, self.size.1, waiting).map_err(refused)?;
        let histograms = self.ops.histogram(&frames).map_err(refused)?;
        if first {
            self.note(0.0, 0.0, 1.0, 0.0);
            self.look(&frames, 0, 0)?;
            self.last = histograms.first().copied();
        }
        if count > 1 {
            let differences = self.ops.difference(&frames).map_err(refused)?;
            for (pair, difference) in differences.iter().enumerate() {
                let histogram = histograms[pair + 1];
                let repaint = self.last.map_or(0.0, |last| apart(&last, &histogram));
                self.last = Some(histogram);
                let still = still(frames.frame(pair), frames.frame(pair + 1), self.size);
                let number = self.series.change.len();
                self.note(difference.absolute, difference.ti, still, repaint);
                if number.is_multiple_of(CLOSELY)
                    || (difference.absolute >= JUMP && stands_out(&self.series.change))
                {
                    self.look(&frames, pair + 1, number)?;
                }
            }
        }
        self.waiting.extend_from_slice(frames.frame(count - 1));
        Ok(())
    }

    fn note(&mut self, change: f64, ti: f64, still: f64, repaint: f64) {
        self.series.change.push(change);
        self.series.ti.push(ti);
        self.series.still.push(still);
        self.series.repaint.push(repaint);
    }

    /// Looks closely at a picture of the batch.
    fn look(&mut self, frames: &Frames, at: usize, number: usize) -> Result<()> {
        let (width, height) = self.size;
        let one = Frames::new(width, height, frames.frame(at).to_vec()).map_err(refused)?;
        let detail = self.ops.detail(&one).map_err(refused)?[0];
        let text = text_density(frames.frame(at), width, height);
        let mut look = Look { frame: number, si: detail.si, edges: detail.edges, text, ..Look::default() };
        if at > 0 {
            let pair = [frames.frame(at - 1), frames.frame(at)].concat();
            let pair = Frames::new(width, height, pair).map_err(refused)?;
            let motion = self.ops.motion(&pair).map_err(refused)?[0];
            look.motion = motion.length * 1_000.0 / width as f64;
            look.residue = if motion.in_place > 0.0 { motion.residue / motion.in_place } else { 0.0 };
        }
        self.series.looks.push(look);
        Ok(())
    }
}

/// Whether the last change is far above those before it, as a cut's is.
fn stands_out(change: &[f64]) -> bool {
    let Some((last, before)) = change.split_last() else { return false };
    let before = &before[before.len().saturating_sub(4)..];
    before.iter().filter(|value| **value * 3.0 > *last).count() <= 1
}

/// How far two histograms are apart: the part of pixels that have another brightness now.
fn apart(a: &Histogram, b: &Histogram) -> f64 {
    // In 32 steps, so that a little more light is no other picture.
    let coarse =
        |h: &Histogram| -> Vec<i64> { h.chunks(8).map(|c| c.iter().map(|v| i64::from(*v)).sum()).collect() };
    let (a, b) = (coarse(a), coarse(b));
    let moved: i64 = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum();
    moved as f64 / (2 * a.iter().sum::<i64>()).max(1) as f64
}

/// The part of blocks of 8x8 pixels that changed by less than a step of luma for each pixel.
fn still(a: &[u8], b: &[u8], (width, height): (usize, usize)) -> f64 {
    let (columns, rows) = (width / 8, height / 8);
    let mut still = 0;
    for row in 0..rows {
        let mut sums = vec![0_u32; columns];
        for y in row * 8..row * 8 + 8 {
            let (a, b) = (&a[y * width..][..columns * 8], &b[y * width..][..columns * 8]);
            for ((sum, a), b) in sums.iter_mut().zip(a.chunks_exact(8)).zip(b.chunks_exact(8)) {
                *sum += a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>();
            }
        }
        still += sums.iter().filter(|sum| **sum < 64).count();
    }
    still as f64 / (columns * rows).max(1) as f64
}

fn unreadable(path: &Path, reason: String) -> Error {
    Error::Input { path: path.to_owned(), reason, log: Vec::new() }
}
