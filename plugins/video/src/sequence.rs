//! The frames of a whole timeline in order, transitions included; at most two shots are open at a time.

use crate::plan::{Canvas, Plan, PlannedShot};
use crate::shot::ShotReader;
use reelmill_media::{Decoding, Error, Graph, Pixel, Pull, Rational, Result, VideoFormat, VideoFrame};

/// The frames of a timeline.
pub struct Sequence {
    shots: std::vec::IntoIter<PlannedShot>,
    canvas: Canvas,
    decoding: Decoding,
    current: Option<Open>,
    leaving: Option<Leaving>,
}

/// The shot on screen.
struct Open {
    reader: ShotReader,
    left: u64,
}

/// The shot before, while it goes.
struct Leaving {
    reader: ShotReader,
    graph: Graph,
    at: u64,
    frames: u64,
}

impl Sequence {
    /// Starts at the first frame.
    #[must_use]
    pub fn new(plan: &Plan, canvas: Canvas) -> Self {
        let decoding = Decoding::default();
        Self { shots: plan.shots.clone().into_iter(), canvas, decoding, current: None, leaving: None }
    }

    /// The same, with files decoded by whom somebody wants.
    #[must_use]
    pub fn decoded(self, decoding: &Decoding) -> Self {
        Self { decoding: decoding.clone(), ..self }
    }

    /// Goes on as if so many frames had been taken; only before the first one, and not into a transition, whose frames need
    /// the shot before.
    pub fn skip(&mut self, mut frames: u64) -> Result<()> {
        while let Some(planned) = self.shots.as_slice().first().cloned() {
            let length = planned.frames.end - planned.frames.start;
            if frames < length {
                if frames < planned.transition {
                    return Err(Error::Setting("a part cannot begin within a transition".into()));
                }
                if frames == 0 {
                    return Ok(());
                }
            }
            self.shots.next();
            if frames < length {
                self.enter(&planned)?;
                if let Some(open) = self.current.as_mut() {
                    open.reader.skip(frames);
                    open.left -= frames;
                }
                return Ok(());
            }
            frames -= length;
        }
        Ok(())
    }

    /// The next frame; `None` after the last one.
    pub fn next_frame(&mut self) -> Result<Option<VideoFrame>> {
        if self.current.as_ref().is_none_or(|open| open.left == 0) {
            let Some(planned) = self.shots.next() else { return Ok(None) };
            self.enter(&planned)?;
        }
        let Some(open) = self.current.as_mut() else { return Ok(None) };
        open.left -= 1;
        let frame = open.reader.next_frame()?;
        let Some(leaving) = self.leaving.as_mut() else { return Ok(Some(frame)) };
        let mixed = leaving.mix(frame)?;
        if leaving.at == leaving.frames {
            self.leaving = None;
        }
        Ok(Some(mixed))
    }

    fn enter(&mut self, planned: &PlannedShot) -> Result<()> {
        let before = self.current.take();
        let reader = ShotReader::open(planned, self.canvas, &self.decoding)?;
        self.current = Some(Open { reader, left: planned.frames.end - planned.frames.start });
        self.leaving = match (before, planned.kind.xfade(), planned.transition) {
            (Some(before), Some(name), frames @ 1..) => {
                Some(Leaving::new(before.reader, name, frames, self.canvas)?)
            }
            _ => None,
        };
        Ok(())
    }
}

impl Leaving {
    fn new(reader: ShotReader, name: &str, frames: u64, canvas: Canvas) -> Result<Self> {
        let fps = i32::try_from(canvas.fps).unwrap_or(30);
        let format = VideoFormat {
            width: canvas.width,
            height: canvas.height,
            pixel: Pixel::YUV420P,
            time_base: Rational(1, fps),
            sar: Rational(1, 1),
            rate: Some(Rational(fps, 1)),
        };
        // One frame longer than is used: the filter ends with its input.
        let seconds = (frames + 1) as f64 / f64::from(canvas.fps);
        let spec = format!(
            "[in0][in1]xfade=transition={name}:duration={seconds:.6}:offset=0,setsar=1,format=yuv420p[out]"
        );
        let graph = Graph::video(&spec, &[format.clone(), format])?;
        Ok(Self { reader, graph, at: 0, frames })
    }

    fn mix(&mut self, mut new: VideoFrame) -> Result<VideoFrame> {
        let mut old = self.reader.next_frame()?;
        let pts = i64::try_from(self.at).ok();
        self.at += 1;
        old.set_pts(pts);
        new.set_pts(pts);
        self.graph.send_video(0, old)?;
        self.graph.send_video(1, new)?;
        let mut out = VideoFrame::empty();
        match self.graph.pull(&mut out)? {
            Pull::Frame => Ok(out),
            _ => Err(Error::Graph {
                spec: "xfade".into(),
                reason: "it gave no frame for a pair of frames".into(),
                log: Vec::new(),
            }),
        }
    }
}
