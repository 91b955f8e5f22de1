//! One picture that stands for a video.

use crate::captions::Lettering;
use crate::finish::{Finish, finished};
use crate::focus::focus_of;
use crate::merits::Merits;
use crate::overlay::Title;
use crate::plan::{Canvas, Plan};
use crate::shot::ShotReader;
use crate::timeline::{Focus, Timeline, WhenShort};
use reelmill_media::{
    Control, Decoding, Error, Graph, Pull, Rational, Result, VideoFormat, VideoFrame, probe, save_picture,
    share,
};
use std::path::Path;

/// How long the title of a picture would be seen in a video.
const TITLE_MS: u64 = 2_000;

/// Which moment is taken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Moment {
    /// Milliseconds from the start.
    Ms(u64),
    /// A part of the whole, 0 to 1.
    Part(f64),
    /// The clearest of so many.
    Best(u32),
}

/// A moment that was taken.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Taken {
    /// When it is, in milliseconds.
    pub at_ms: u64,
    /// What speaks for it, before a title was set on it.
    pub merits: Merits,
}

/// Writes a moment of a timeline as a picture (`.jpg` or `.png`), with a title on it where there is one. Helper files go
/// to `scratch`.
pub fn thumbnail(
    timeline: &Timeline,
    moment: Moment,
    title: Option<&Title>,
    canvas: Canvas,
    to: &Path,
    scratch: &Path,
    control: &dyn Control,
) -> Result<Taken> {
    let plan = Plan::new(timeline, canvas).map_err(Error::Setting)?;
    let last = plan.frames - 1;
    let frames: Vec<u64> = match moment {
        Moment::Ms(ms) => vec![canvas.frame_at(ms).min(last)],
        Moment::Part(part) => vec![at_part(last, part)],
        // Neither the very start nor the very end, where fades are.
        Moment::Best(count) => {
            let count = count.max(1);
            (0..count).map(|i| at_part(last, (f64::from(i) + 0.5) / f64::from(count))).collect()
        }
    };
    let mut best: Option<(f64, u64, VideoFrame)> = None;
    for number in frames {
        control.check()?;
        let frame = frame_at(&plan, number, canvas)?;
        let score = Merits::of(&frame).score();
        if best.as_ref().is_none_or(|(most, ..)| score > *most) {
            best = Some((score, number, frame));
        }
    }
    let (_, number, frame) = best.ok_or_else(|| Error::Setting("no moment was asked for".into()))?;
    let merits = Merits::of(&frame);
    let frame = match title {
        Some(title) => titled(frame, title, canvas, scratch)?,
        None => frame,
    };
    save(&frame, to)?;
    let at_ms = number * 1_000 / u64::from(canvas.fps);
    Ok(Taken { at_ms, merits })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a frame's number")]
fn at_part(last: u64, part: f64) -> u64 {
    (last as f64 * part.clamp(0.0, 1.0)).round() as u64
}

/// One frame of a plan: its shot is opened at the place.
fn frame_at(plan: &Plan, number: u64, canvas: Canvas) -> Result<VideoFrame> {
    let mut planned = plan
        .shots
        .iter()
        .find(|s| s.frames.contains(&number))
        .cloned()
        .ok_or_else(|| Error::Setting(format!("the video has no frame {number}")))?;
    let ahead = number - planned.frames.start;
    let path = planned.shot.media.as_ref().map(|media| media.path().to_owned());
    if let Some(path) = path
        && let info = probe(&path)?
        && let (false, Some(video)) = (info.picture, &info.video)
    {
        // Looked at as a whole, or the crop would be another one than in the video.
        let (x, y) = focus_of(&path, &planned.shot, video, canvas)?;
        planned.shot.focus = Some(Focus { x: x * 100.0, y: y * 100.0 });
        let mut ahead_ms = at_speed(ahead * 1_000 / u64::from(canvas.fps), planned.shot.speed);
        let left = info.duration_ms.saturating_sub(planned.shot.in_ms);
        if left > 0 && ahead_ms >= left {
            // The clip has started again by then, or stands at its end.
            let frozen = planned.shot.when_short == WhenShort::Freeze;
            ahead_ms = if frozen { left.saturating_sub(1) } else { ahead_ms % left };
        }
        planned.shot.in_ms += ahead_ms;
    }
    let mut reader = ShotReader::open(&planned, canvas, &Decoding::default())?;
    if let ShotReader::Still(still) = &mut reader {
        still.skip(ahead);
    }
    reader.next_frame()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time within a clip")]
fn at_speed(ms: u64, speed: f64) -> u64 {
    (ms as f64 * speed) as u64
}

/// A title on a picture, drawn when it has come and not begun to go.
fn titled(mut frame: VideoFrame, title: &Title, canvas: Canvas, scratch: &Path) -> Result<VideoFrame> {
    let mut timeline = Timeline::new(Vec::new());
    timeline.titles = vec![Title { at_ms: 0, duration_ms: TITLE_MS, ..title.clone() }];
    let lettering = Lettering::write(&timeline, None, canvas, scratch)?;
    let finish = Finish::new(&[], lettering, false, canvas)?;
    frame.set_pts(i64::try_from(canvas.frame_at(TITLE_MS / 2)).ok());
    match finish.graph()? {
        Some(mut graph) => finished(&mut graph, frame),
        None => Ok(frame),
    }
}

fn save(frame: &VideoFrame, to: &Path) -> Result<()> {
    let png = to.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    let spec = if png {
        "[in0]scale=in_color_matrix=bt709:in_range=tv,format=rgb24[out]"
    } else {
        // JPEG is BT.601 at full range.
        "[in0]scale=in_color_matrix=bt709:in_range=tv:out_color_matrix=bt601:out_range=pc,format=yuvj420p[out]"
    };
    let mut graph = Graph::video(spec, &[VideoFormat::of(frame, Rational(1, 30))])?;
    graph.send_video(0, share(frame))?;
    graph.end(0)?;
    let mut picture = VideoFrame::empty();
    if graph.pull(&mut picture)? != Pull::Frame {
        return Err(Error::Setting("the picture cannot be converted".into()));
    }
    save_picture(&picture, to).map(|_| ())
}
