//! What is seen: every frame is decoded, made small and grey, and measured.

use reelmill_media::{
    Control, Graph, Plane, Progress, Pull, Result, VideoFormat, VideoFrame, VideoReader, plane,
};
use std::collections::VecDeque;
use std::path::Path;

/// Width of the small picture.
const WIDTH: u32 = 160;
/// A pixel at most this bright is black (0 to 255).
const BLACK: u8 = 24;
/// A frame is black when this part of it is.
const BLACK_PART: f64 = 0.98;
/// A frame is compared with the one this many seconds before, so that slow motion counts as motion.
const APART_S: f64 = 0.5;
/// Mean difference of two pictures that are the same but for coding: key frames code anew what stands still.
const SAME: f64 = 0.5;

/// What was seen.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Seen {
    /// Frames.
    pub frames: u64,
    /// When the last frame ends, in milliseconds.
    pub end_ms: f64,
    /// When the first frame is shown by the file's clock, in milliseconds.
    pub start_ms: f64,
    /// The longest stretch of black.
    pub black: Span,
    /// The longest stretch without motion.
    pub frozen: Span,
    /// The longest and the shortest distance of two frames, in milliseconds.
    pub steps_ms: (f64, f64),
}

/// A stretch of a video.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Span {
    /// When it begins, in milliseconds.
    pub from_ms: f64,
    /// How long it is, in milliseconds.
    pub ms: f64,
}

/// Watches a video to its end; `total` is how many frames it is thought to have, for progress.
pub fn look(path: &Path, fps: f64, total: u64, control: &dyn Control) -> Result<Seen> {
    let mut reader = VideoReader::open(path, 0, 2)?;
    let tick_ms = f64::from(reader.time_base()) * 1_000.0;
    let usual_ms = 1_000.0 / fps.max(1.0);
    let mut watch = Watch::new(fps);
    watch.seen.start_ms = reader.start_ms();
    let mut graph: Option<Graph> = None;
    let mut small = VideoFrame::empty();
    while let Some(frame) = reader.next_frame()? {
        control.check()?;
        let at_ms = frame.pts().map(|pts| pts as f64 * tick_ms);
        let graph = match graph.as_mut() {
            Some(graph) => graph,
            None => graph.insert(shrink(&frame, &reader)?),
        };
        graph.send_video(0, frame)?;
        if graph.pull(&mut small)? == Pull::Frame {
            watch.add(at_ms, plane(&small, 0), usual_ms);
        }
        let (done, total) = (watch.seen.frames, total.max(watch.seen.frames));
        control.progress(&Progress { done, total, unit: "frames", phase: "look", rate: 0.0 });
    }
    Ok(watch.finish(usual_ms))
}

fn shrink(frame: &VideoFrame, reader: &VideoReader) -> Result<Graph> {
    let spec = format!("[in0]scale={WIDTH}:-2:flags=area,format=gray[out]");
    Graph::video(&spec, &[VideoFormat::of(frame, reader.time_base())])
}

/// Keeps the longest stretch of something.
#[derive(Clone, Copy, Default)]
pub struct Stretch {
    now: Span,
    longest: Span,
}

impl Stretch {
    /// The next piece, which begins at a time and is so long, and whether what is looked for holds in it.
    pub fn add(&mut self, holds: bool, from_ms: f64, ms: f64) {
        if !holds {
            self.now = Span::default();
            return;
        }
        let begun = if self.now.ms > 0.0 { self.now.from_ms } else { from_ms };
        self.now = Span { from_ms: begun, ms: self.now.ms + ms };
        if self.now.ms > self.longest.ms {
            self.longest = self.now;
        }
    }

    /// The longest one so far.
    pub fn longest(&self) -> Span {
        self.longest
    }
}

struct Watch {
    seen: Seen,
    black: Stretch,
    frozen: Stretch,
    /// The small pictures of the last half second, oldest first.
    past: VecDeque<Vec<u8>>,
    apart: usize,
    last_ms: Option<f64>,
}

impl Watch {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of frames")]
    fn new(fps: f64) -> Self {
        Self {
            seen: Seen { steps_ms: (f64::MAX, 0.0), ..Seen::default() },
            black: Stretch::default(),
            frozen: Stretch::default(),
            past: VecDeque::new(),
            apart: ((fps * APART_S) as usize).clamp(1, 120),
            last_ms: None,
        }
    }

    fn add(&mut self, at_ms: Option<f64>, picture: Plane<'_>, usual_ms: f64) {
        let at_ms = at_ms.unwrap_or_else(|| self.last_ms.map_or(0.0, |last| last + usual_ms));
        let step = self.last_ms.map_or(usual_ms, |last| at_ms - last);
        if self.last_ms.is_some() {
            self.seen.steps_ms = (self.seen.steps_ms.0.min(step), self.seen.steps_ms.1.max(step));
        }
        self.last_ms = Some(at_ms);
        self.seen.frames += 1;
        let pixels: Vec<u8> = (0..picture.height).flat_map(|y| picture.row(y).iter().copied()).collect();
        let dark = pixels.iter().filter(|value| **value <= BLACK).count();
        self.black.add(dark as f64 >= BLACK_PART * pixels.len() as f64, at_ms, step);
        if self.past.len() == self.apart {
            let before = self.past.pop_front().unwrap_or_default();
            let since_ms = at_ms - step * self.apart as f64;
            self.frozen.add(difference(&before, &pixels) < SAME, since_ms, step);
        }
        self.past.push_back(pixels);
    }

    fn finish(mut self, usual_ms: f64) -> Seen {
        self.seen.end_ms = self.last_ms.map_or(0.0, |last| last + usual_ms);
        self.seen.black = self.black.longest();
        self.seen.frozen = self.frozen.longest();
        if self.seen.frozen.ms > 0.0 {
            // The pictures compared are already half a second apart.
            self.seen.frozen.ms += usual_ms * self.apart as f64;
        }
        if self.seen.frames < 2 {
            self.seen.steps_ms = (usual_ms, usual_ms);
        }
        self.seen
    }
}

fn difference(a: &[u8], b: &[u8]) -> f64 {
    let sum: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len().max(1) as f64
}
