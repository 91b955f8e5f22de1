//! Looks into material for what of it is to be kept where it is cut off.

use crate::crop::{Map, focus};
use crate::fit::{Frame, kept, map_graph};
use crate::plan::Canvas;
use crate::timeline::{Fit, Shot};
use reelmill_media::{Error, Graph, Pull, Result, VideoFormat, VideoFrame, VideoInfo, VideoReader, plane};
use std::path::Path;

/// Moments of a shot that are looked at.
const MOMENTS: u64 = 3;
/// Frames until the second picture of each.
const LATER: usize = 5;
/// Width of these pictures.
const MAP: usize = 96;

/// What of a shot is kept in the middle, as parts of its width and height.
pub fn focus_of(path: &Path, shot: &Shot, info: &VideoInfo, canvas: Canvas) -> Result<(f64, f64)> {
    match (shot.focus, shot.fit) {
        (Some(focus), _) => Ok((focus.x / 100.0, focus.y / 100.0)),
        (None, Fit::Smart) => looked_at(path, shot, info, canvas),
        (None, _) => Ok((0.5, 0.5)),
    }
}

/// Looks at a few moments of a shot for what is to be kept of it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a moment within the shot")]
fn looked_at(path: &Path, shot: &Shot, info: &VideoInfo, canvas: Canvas) -> Result<(f64, f64)> {
    let part = kept(info, Frame::of(shot, canvas, (0.5, 0.5)));
    if part.0 > 0.995 && part.1 > 0.995 {
        return Ok((0.5, 0.5));
    }
    let shown_ms = (shot.duration_ms as f64 * shot.speed) as u64;
    let length_ms =
        if info.duration_ms == 0 { shown_ms } else { info.duration_ms.saturating_sub(shot.in_ms) };
    let moments = if info.fps > 0.0 { MOMENTS } else { 1 };
    let mut pairs = Vec::new();
    for moment in 0..moments {
        let at_ms = shot.in_ms + shown_ms.min(length_ms) * (2 * moment + 1) / (2 * moments);
        pairs.extend(pair(path, info, at_ms)?);
    }
    Ok(focus(&pairs, part))
}

/// Small pictures of a moment and of one a little later; the same for a clip of one frame.
fn pair(path: &Path, info: &VideoInfo, at_ms: u64) -> Result<Option<(Map, Map)>> {
    let mut reader = VideoReader::open(path, at_ms, 1)?;
    let Some(frame) = reader.next_frame()? else { return Ok(None) };
    let (width, height) = info.display_size();
    let down = (1..400).find(|down| *down as f64 * width >= MAP as f64 * height).unwrap_or(400).max(4);
    let mut graph =
        Graph::video(&map_graph(info, MAP, down), &[VideoFormat::of(&frame, reader.time_base())])?;
    let now = small(&mut graph, frame)?;
    let mut later = None;
    for _ in 0..LATER {
        match reader.next_frame()? {
            Some(frame) => later = Some(frame),
            None => break,
        }
    }
    let next = later.map(|frame| small(&mut graph, frame)).transpose()?.unwrap_or_else(|| now.clone());
    Ok(Some((now, next)))
}

fn small(graph: &mut Graph, frame: VideoFrame) -> Result<Map> {
    graph.send_video(0, frame)?;
    let mut gray = VideoFrame::empty();
    if graph.pull(&mut gray)? != Pull::Frame {
        return Err(Error::Setting("a frame cannot be made small".into()));
    }
    let luma = plane(&gray, 0);
    let rows = (0..luma.height).flat_map(|y| luma.row(y).iter().copied()).collect();
    Ok(Map { width: luma.width, height: luma.height, luma: rows })
}
