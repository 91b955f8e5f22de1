//! Samples of a file.

use crate::samples::{Length, Samples, Shown, sample};
use reelmill_gpu::FrameOps;
use reelmill_media::{
    Control, Error, Graph, Pixel, Pull, Rational, Result, VideoFormat, VideoFrame, VideoReader,
    VideoSettings, probe,
};
use std::ops::Range;
use std::path::Path;

/// Samples of a video file in the size that `settings` says, and what they show.
pub fn sample_file(
    path: &Path,
    settings: &VideoSettings,
    ops: &dyn FrameOps,
    control: &dyn Control,
) -> Result<(Samples, Shown)> {
    let info = probe(path)?;
    let video = info.video.ok_or_else(|| Error::Setting(format!("{} has no pictures", path.display())))?;
    let length_ms = if video.duration_ms > 0 { video.duration_ms } else { info.duration_ms };
    let fps = f64::from(settings.fps.max(1));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of frames")]
    let frames = ((length_ms as f64 * fps / 1_000.0).round() as u64).max(1);
    let bytes_a_frame = u64::from(settings.width) * u64::from(settings.height) * 3 / 2;
    sample(Length { frames, fps, bytes_a_frame }, ops, |ranges| {
        ranges.iter().map(|range| piece(path, settings, range, control)).collect()
    })
}

/// The frames of a range, counted at the rate of the settings.
fn piece(
    path: &Path,
    settings: &VideoSettings,
    range: &Range<u64>,
    control: &dyn Control,
) -> Result<Vec<VideoFrame>> {
    let fps = u64::from(settings.fps.max(1));
    let start_ms = range.start * 1_000 / fps;
    let mut reader = VideoReader::open(path, start_ms, 2)?;
    let unit = reader.time_base();
    let from = start_ms as f64 / 1_000.0 - 0.5 / fps as f64;
    let mut graph: Option<Graph> = None;
    let mut frames = Vec::new();
    let count = usize::try_from(range.end - range.start).unwrap_or(0);
    let mut frame = VideoFrame::empty();
    while frames.len() < count {
        control.check()?;
        let Some(next) = reader.next_frame()? else { break };
        let at = next.pts().map_or(0.0, |pts| pts as f64 * f64::from(unit));
        if at < from {
            continue;
        }
        let graph = match graph.as_mut() {
            Some(graph) => graph,
            None => graph.insert(fitted(&next, unit, settings)?),
        };
        graph.send_video(0, next)?;
        while frames.len() < count && graph.pull(&mut frame)? == Pull::Frame {
            frames.push(std::mem::replace(&mut frame, VideoFrame::empty()));
        }
    }
    Ok(frames)
}

fn fitted(frame: &VideoFrame, unit: Rational, settings: &VideoSettings) -> Result<Graph> {
    let VideoSettings { width, height, fps, .. } = settings;
    let same = (frame.width(), frame.height(), frame.format()) == (*width, *height, Pixel::YUV420P);
    let scale = if same { String::new() } else { format!("scale={width}:{height}:flags=bicubic,") };
    let spec = format!("[in0]fps={fps},{scale}setsar=1,format=yuv420p[out]");
    Graph::video(&spec, &[VideoFormat::of(frame, unit)])
}
