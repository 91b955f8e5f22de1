//! The project's side: the composition rendered by the video plugin's own code in a child of this program.

use crate::material::Composition;
use anyhow::Context as _;
use reelmill_media::{Unwatched, VideoCodec};
use reelmill_plugin_video::{Canvas, Output, Timeline, render};
use std::path::Path;
use std::process::Command;

/// How the pictures are encoded, on all sides.
pub const CRF: u8 = 23;
/// Threads of the encoder.
pub const THREADS: u32 = 2;
/// Seconds between key frames.
pub const KEYFRAME_S: f64 = 5.0;
/// The word that makes this program the child.
pub const CHILD: &str = "render-child";

/// The child.
pub fn command(composition: &Composition, to: &Path) -> anyhow::Result<Command> {
    let Canvas { width, height, fps } = composition.canvas;
    std::fs::write(composition.file("canvas.json"), serde_json::to_vec(&(width, height, fps))?)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(CHILD).arg(composition.file("")).arg(to);
    Ok(command)
}

/// What the child does.
pub fn render_in_this_process(folder: &Path, to: &Path) -> anyhow::Result<()> {
    let read =
        |name: &str| std::fs::read(folder.join(name)).with_context(|| format!("{name} of the composition"));
    let timeline: Timeline = serde_json::from_slice(&read("timeline.json")?)?;
    let (width, height, fps) = serde_json::from_slice(&read("canvas.json")?)?;
    let output = Output {
        canvas: Canvas { width, height, fps },
        codec: VideoCodec::H264,
        crf: f32::from(CRF),
        preset: "medium".into(),
        threads: THREADS,
        keyframe_s: KEYFRAME_S,
        audio_bit_rate: 192_000,
        ten_bit: false,
    };
    render(&timeline, &output, to, folder, &Unwatched)?;
    Ok(())
}
