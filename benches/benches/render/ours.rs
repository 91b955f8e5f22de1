//! The project's side: a timeline rendered by the video plugin's own code in a child of this program.

use crate::material::Composition;
use anyhow::Context as _;
use reelmill_media::{Decoding, Unwatched, VideoCodec};
use reelmill_plugin_video::{Canvas, Output, Timeline, render};
use std::path::Path;
use std::process::Command;

/// Seconds between key frames, on all sides.
pub const KEYFRAME_S: f64 = 5.0;
/// The word that makes this program the child.
pub const CHILD: &str = "render-child";

/// How pictures are encoded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Constant rate factor; 0 is without loss.
    pub crf: f32,
    /// Speed, in x264's words.
    pub preset: &'static str,
    /// Threads of the encoder; 0 lets it choose.
    pub threads: u32,
}

/// What both sides are told.
pub const SAME: Settings = Settings { crf: 23.0, preset: "medium", threads: 2 };
/// What we would choose.
pub const CHOICE: Settings = Settings { crf: 23.0, preset: "superfast", threads: 0 };
/// Without loss, as quickly as possible.
pub const LOSSLESS: Settings = Settings { crf: 0.0, preset: "ultrafast", threads: 0 };

/// The child that renders the timeline in a file of the composition.
pub fn command(
    composition: &Composition,
    timeline: &str,
    settings: Settings,
    to: &Path,
) -> anyhow::Result<Command> {
    let Canvas { width, height, fps } = composition.canvas;
    let job = (timeline, width, height, fps, settings.crf, settings.preset, settings.threads);
    std::fs::write(composition.file("job.json"), serde_json::to_vec(&job)?)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(CHILD).arg(composition.file("")).arg(to);
    Ok(command)
}

/// What the child does.
pub fn render_in_this_process(folder: &Path, to: &Path) -> anyhow::Result<()> {
    let read =
        |name: &str| std::fs::read(folder.join(name)).with_context(|| format!("{name} of the composition"));
    let (timeline, width, height, fps, crf, preset, threads): (String, u32, u32, u32, f32, String, u32) =
        serde_json::from_slice(&read("job.json")?)?;
    let timeline: Timeline = serde_json::from_slice(&read(&timeline)?)?;
    let output = Output {
        canvas: Canvas { width, height, fps },
        codec: VideoCodec::H264,
        crf,
        preset,
        threads,
        keyframe_s: KEYFRAME_S,
        audio_bit_rate: 192_000,
        ten_bit: false,
        decoding: Decoding::default(),
    };
    render(&timeline, &output, to, folder, &Unwatched)?;
    Ok(())
}
