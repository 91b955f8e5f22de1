//! One picture that stands for a video.

use crate::focus::focus_of;
use crate::plan::{Canvas, Plan};
use crate::shot::ShotReader;
use crate::timeline::{Focus, Timeline, WhenShort};
use reelmill_media::{
    Control, Error, Graph, Plane, Pull, Rational, Result, VideoFormat, VideoFrame, gray_mean, plane, probe,
    save_picture, share,
};
use std::path::Path;

/// Darker or brighter than this on average, a picture shows nothing.
const DARK: f64 = 28.0;
const BRIGHT: f64 = 238.0;

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
    /// Its mean brightness, 0 to 255.
    pub brightness: f64,
}

/// Writes a moment of a timeline as a picture (`.jpg` or `.png`).
pub fn thumbnail(
    timeline: &Timeline,
    moment: Moment,
    canvas: Canvas,
    to: &Path,
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
        let score = clarity(&frame);
        if best.as_ref().is_none_or(|(most, ..)| score > *most) {
            best = Some((score, number, frame));
        }
    }
    let (_, number, frame) = best.ok_or_else(|| Error::Setting("no moment was asked for".into()))?;
    save(&frame, to)?;
    let at_ms = number * 1_000 / u64::from(canvas.fps);
    Ok(Taken { at_ms, brightness: gray_mean(plane(&frame, 0)) })
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
    let mut reader = ShotReader::open(&planned, canvas)?;
    if let ShotReader::Still(still) = &mut reader {
        still.skip(ahead);
    }
    reader.next_frame()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time within a clip")]
fn at_speed(ms: u64, speed: f64) -> u64 {
    (ms as f64 * speed) as u64
}

/// How much there is to see: the mean difference of neighbours, less for a dark or blank picture.
fn clarity(frame: &VideoFrame) -> f64 {
    let luma = plane(frame, 0);
    let mean = gray_mean(luma);
    let penalty = if (DARK..=BRIGHT).contains(&mean) { 1.0 } else { 0.01 };
    penalty * (0.1 + sharpness(luma))
}

fn sharpness(luma: Plane<'_>) -> f64 {
    let mut sum = 0_u64;
    for y in 1..luma.height {
        let (above, row) = (luma.row(y - 1), luma.row(y));
        for x in 1..luma.width {
            sum += u64::from(row[x].abs_diff(row[x - 1])) + u64::from(row[x].abs_diff(above[x]));
        }
    }
    sum as f64 / (luma.width * luma.height).max(1) as f64
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
