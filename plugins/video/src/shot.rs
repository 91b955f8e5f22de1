//! The frames of one shot, as many as are asked for: a clip is trimmed, repeated or held, a picture moves.

use crate::fit::{Frame, graph};
use crate::focus::focus_of;
use crate::motion::{ROOM, sample};
use crate::plan::{Canvas, PlannedShot};
use crate::timeline::{Fit, Motion, Shot, WhenShort};
use reelmill_media::{
    Decoding, Error, Graph, Pull, Rational, Result, VideoFormat, VideoFrame, VideoInfo, VideoReader, probe,
    share,
};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Decoder threads; more of them only cost memory, as encoding takes longer than decoding.
const DECODER_THREADS: usize = 2;
/// Seconds before the end of a clip within which nothing is leapt over.
const LEAP_ROOM_S: u64 = 2;

/// An open shot.
pub enum ShotReader {
    /// A clip.
    Clip(Box<ClipReader>),
    /// A picture.
    Still(StillReader),
}

impl ShotReader {
    /// Opens a shot's material.
    pub fn open(planned: &PlannedShot, canvas: Canvas, decoding: &Decoding) -> Result<Self> {
        let shot = &planned.shot;
        let Some(media) = &shot.media else {
            return StillReader::plain(&shot.background, canvas).map(Self::Still);
        };
        let path = media.path();
        let info = probe(path)?;
        let Some(video) = info.video else {
            return Err(Error::Setting(format!("{} has no pictures; footage needs some", path.display())));
        };
        if info.picture {
            let frames = planned.frames.end - planned.frames.start;
            return StillReader::open(path, shot, &video, canvas, frames, planned.number).map(Self::Still);
        }
        let focus = focus_of(path, shot, &video, canvas)?;
        Ok(Self::Clip(Box::new(ClipReader {
            decoding: decoding.clone(),
            ..ClipReader::new(path, shot, video, canvas, focus)
        })))
    }

    /// Goes on as if so many frames had been read; only before the first.
    pub fn skip(&mut self, frames: u64) {
        match self {
            Self::Clip(clip) => clip.skipped = frames,
            Self::Still(still) => still.skip(frames),
        }
    }

    /// The next frame; a shot never ends by itself.
    pub fn next_frame(&mut self) -> Result<VideoFrame> {
        match self {
            Self::Clip(clip) => clip.next_frame(),
            Self::Still(still) => still.next_frame(),
        }
    }
}

/// A clip, from its in-point on.
pub struct ClipReader {
    path: PathBuf,
    info: VideoInfo,
    in_ms: u64,
    canvas: Canvas,
    fit: Fit,
    focus: (f64, f64),
    background: String,
    speed: f64,
    hold: bool,
    /// Frames that are passed over before the first.
    skipped: u64,
    decoding: Decoding,
    pass: Option<Pass>,
}

/// One time through the clip.
struct Pass {
    reader: VideoReader,
    graph: Graph,
    /// The in-point in the stream's unit of time.
    from: i64,
    /// Read, but not yet given to the graph.
    waiting: VecDeque<VideoFrame>,
    /// When the last frame given to the graph ends.
    ends: i64,
    /// How long a frame stands that does not say so itself.
    usual: i64,
    frames: u64,
}

impl ClipReader {
    fn new(path: &Path, shot: &Shot, info: VideoInfo, canvas: Canvas, focus: (f64, f64)) -> Self {
        Self {
            path: path.to_owned(),
            info,
            in_ms: shot.in_ms,
            canvas,
            fit: shot.fit,
            focus,
            background: shot.background.clone(),
            speed: shot.speed,
            hold: shot.when_short == WhenShort::Freeze,
            skipped: 0,
            decoding: Decoding::default(),
            pass: None,
        }
    }

    /// Whole seconds of the clip that need not be decoded, as their frames are passed over anyway. Counted in whole seconds,
    /// because every unit of time that divides one keeps each frame at its place then. Near its end a clip may be shorter
    /// than it says, and one of another speed has other units: these are read from the start.
    fn leap_s(&self) -> u64 {
        if (self.speed - 1.0).abs() > f64::EPSILON {
            return 0;
        }
        let seconds = self.skipped / u64::from(self.canvas.fps.max(1));
        let within = self.in_ms + (seconds + LEAP_ROOM_S) * 1_000 < self.info.duration_ms;
        if within { seconds } else { 0 }
    }

    fn next_frame(&mut self) -> Result<VideoFrame> {
        loop {
            if self.pass.is_none() {
                self.pass = Some(self.begin()?);
            }
            let Some(pass) = self.pass.as_mut() else { continue };
            if let Some(frame) = pass.next_frame()? {
                if self.skipped > 0 {
                    self.skipped -= 1;
                    continue;
                }
                return Ok(frame);
            }
            if pass.frames == 0 && self.hold {
                let name = self.path.display();
                return Err(Error::Setting(format!("{name} has no frames that could be shown")));
            }
            // One frame is not worth opening the file again for each: it stays.
            self.hold |= pass.frames < 2;
            self.pass = None;
        }
    }

    fn begin(&mut self) -> Result<Pass> {
        let mut leap_s = self.leap_s();
        let open = |at_ms| VideoReader::open_by(&self.path, at_ms, DECODER_THREADS, &self.decoding);
        let mut reader = open(self.in_ms + leap_s * 1_000)?;
        let time_base = reader.time_base();
        if time_base.numerator() != 1 && leap_s > 0 {
            leap_s = 0;
            reader = open(self.in_ms)?;
        }
        self.skipped -= leap_s * u64::from(self.canvas.fps);
        let ticks = i128::from(self.in_ms) * i128::from(time_base.denominator())
            / (1_000 * i128::from(time_base.numerator().max(1)));
        let ticks = ticks + i128::from(leap_s) * i128::from(time_base.denominator());
        let from = i64::try_from(ticks).unwrap_or(i64::MAX);
        let waiting = skip_to(&mut reader, from)?;
        let first = waiting.front().ok_or_else(|| {
            let at = format!("{} s", self.in_ms as f64 / 1_000.0);
            Error::Setting(format!("{} has no frames at {at}; take an earlier in-point", self.path.display()))
        })?;
        let frame = Frame {
            width: self.canvas.width,
            height: self.canvas.height,
            fps: Some(self.canvas.fps),
            fit: self.fit,
            focus: self.focus,
            background: &self.background,
            hold: self.hold,
        };
        // A clip runs faster where its unit of time is shorter: no frame's time has to be rounded.
        let format = VideoFormat::of(first, faster(time_base, self.speed));
        // The decoder knows better than the header.
        let info = VideoInfo { width: first.width(), height: first.height(), ..self.info.clone() };
        let graph = Graph::video(&graph(&info, frame), &[format])?;
        Ok(Pass { reader, graph, from, waiting, ends: 0, usual: usual(&info, time_base), frames: 0 })
    }
}

/// A unit of time so many times as short.
#[expect(clippy::cast_possible_truncation, reason = "a speed of 0.25 to 4, in thousandths")]
fn faster(time_base: Rational, speed: f64) -> Rational {
    let thousandths = (speed.clamp(0.05, 20.0) * 1_000.0).round() as i64;
    let (mut num, mut den) =
        (i64::from(time_base.numerator()) * 1_000, i64::from(time_base.denominator()) * thousandths);
    let (mut a, mut b) = (num, den);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    (num, den) = (num / a.max(1), den / a.max(1));
    while den > i64::from(i32::MAX) || num > i64::from(i32::MAX) {
        (num, den) = ((num / 2).max(1), den / 2);
    }
    Rational(i32::try_from(num).unwrap_or(1), i32::try_from(den).unwrap_or(i32::MAX))
}

/// The frame on screen at a time (the last one that starts at or before it) and the one after, as far as they
/// had to be read; none when the clip has no frames.
fn skip_to(reader: &mut VideoReader, from: i64) -> Result<VecDeque<VideoFrame>> {
    let mut shown: VecDeque<VideoFrame> = VecDeque::new();
    while let Some(frame) = reader.next_frame()? {
        let pts = frame.pts().unwrap_or(from);
        if pts <= from {
            shown.clear();
        }
        shown.push_back(frame);
        if pts >= from {
            break;
        }
    }
    Ok(shown)
}

/// How long a frame stands at the average rate, in the stream's unit of time.
#[expect(clippy::cast_possible_truncation, reason = "a fraction of a second in ticks")]
fn usual(info: &VideoInfo, time_base: Rational) -> i64 {
    let fps = if info.fps > 0.0 { info.fps } else { 25.0 };
    (f64::from(time_base.invert()) / fps).max(1.0) as i64
}

impl Pass {
    fn next_frame(&mut self) -> Result<Option<VideoFrame>> {
        let mut frame = VideoFrame::empty();
        loop {
            match self.graph.pull(&mut frame)? {
                Pull::Frame => {
                    self.frames += 1;
                    return Ok(Some(frame));
                }
                Pull::End => return Ok(None),
                Pull::Feed(input) => {
                    let next = match self.waiting.pop_front() {
                        Some(frame) => Some(frame),
                        None => self.reader.next_frame()?,
                    };
                    match next {
                        Some(mut next) => {
                            let pts = next.pts().map(|pts| (pts - self.from).max(0));
                            next.set_pts(pts);
                            let stands = next.packet().duration;
                            self.ends =
                                pts.unwrap_or(self.ends) + if stands > 0 { stands } else { self.usual };
                            self.graph.send_video(input, next)?;
                        }
                        None => self.graph.end_at(input, self.ends)?,
                    }
                }
            }
        }
    }
}

/// A picture, scaled once.
pub struct StillReader {
    still: VideoFrame,
    motion: Motion,
    canvas: Canvas,
    frames: u64,
    next: u64,
}

impl StillReader {
    /// A colour.
    fn plain(background: &str, canvas: Canvas) -> Result<Self> {
        let colour = reelmill_media::escape(background);
        let (width, height) = (canvas.width, canvas.height);
        let spec = format!(
            "color=c={colour}:s={width}x{height}:r=1:d=1,scale=out_color_matrix=bt709:out_range=tv,setsar=1,format=yuv420p[out]"
        );
        let unknown = |_| Error::Setting(format!("`{background}` is no colour; write it as #rrggbb"));
        let mut still = VideoFrame::empty();
        let mut graph = Graph::video(&spec, &[]).map_err(unknown)?;
        if graph.pull(&mut still)? != Pull::Frame {
            return Err(Error::Setting(format!("`{background}` cannot be shown")));
        }
        Ok(Self { still, motion: Motion::None, canvas, frames: 1, next: 0 })
    }

    fn open(
        path: &Path,
        shot: &Shot,
        info: &VideoInfo,
        canvas: Canvas,
        frames: u64,
        number: usize,
    ) -> Result<Self> {
        let motion = shot.motion.resolve(number);
        let room = if motion == Motion::None { 1.0 } else { ROOM };
        let larger =
            Canvas { width: roomy(canvas.width, room), height: roomy(canvas.height, room), ..canvas };
        let frame = Frame { fps: None, ..Frame::of(shot, larger, focus_of(path, shot, info, larger)?) };
        let mut reader = VideoReader::open(path, 0, 1)?;
        let picture = reader
            .next_frame()?
            .ok_or_else(|| Error::Setting(format!("{} holds no picture", path.display())))?;
        let mut graph = Graph::video(&graph(info, frame), &[VideoFormat::of(&picture, reader.time_base())])?;
        graph.send_video(0, picture)?;
        graph.end(0)?;
        let mut still = VideoFrame::empty();
        if graph.pull(&mut still)? != Pull::Frame {
            return Err(Error::Setting(format!("{} cannot be scaled", path.display())));
        }
        Ok(Self { still, motion, canvas, frames, next: 0 })
    }

    fn next_frame(&mut self) -> Result<VideoFrame> {
        let part = self.next as f64 / self.frames.max(1) as f64;
        self.next += 1;
        if self.motion == Motion::None {
            return Ok(share(&self.still));
        }
        sample(&self.still, self.motion, part, self.canvas.width, self.canvas.height)
    }

    /// Goes on as if so many frames had been read.
    pub fn skip(&mut self, frames: u64) {
        self.next += frames;
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes a little over the canvas")]
fn roomy(side: u32, room: f64) -> u32 {
    (f64::from(side) * room / 2.0).ceil() as u32 * 2
}
