//! `video.split`: where a long video is cut into chunks, and how all of them are encoded.

use super::common::{Codec, Watch, failure, traits};
use super::encoder::{EncoderWish, Quality, Speed};
use super::settings::{Chunk, Settings};
use super::source::Source;
use crate::chunks::{Lengths, chunks};
use crate::plan::Plan;
use crate::scan::cuts;
use crate::timeline::Fit;
use reelmill_media::VideoCodec;
use reelmill_sdk::prelude::*;

/// A video and how it is to be encoded.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `video` of `video.compose` or `video.clip`, or a video file.
    source: Source,
    /// The shortest chunk in seconds; a shorter video is one chunk.
    #[serde(default = "min_seconds")]
    #[schemars(range(min = 1.0, max = 3600.0))]
    min_seconds: f64,
    /// The longest chunk in seconds.
    #[serde(default = "max_seconds")]
    #[schemars(range(min = 2.0, max = 7200.0))]
    max_seconds: f64,
    /// Shape of the picture, as for `video.encode`.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{1,3}:[0-9]{1,3}$"))]
    aspect: Option<String>,
    /// Length of the shorter side in pixels.
    #[serde(default)]
    #[schemars(range(min = 64, max = 4320))]
    height: Option<u32>,
    /// Frames a second, constant.
    #[serde(default)]
    #[schemars(range(min = 1, max = 120))]
    fps: Option<u32>,
    /// Codec of the pictures; the sound is always AAC.
    #[serde(default)]
    codec: Codec,
    /// The encoder of all chunks: `software`, or one that every worker has. None falls back to another, because the chunks
    /// could not be joined.
    #[serde(default = "software")]
    encoder: EncoderWish,
    /// How fast it is.
    #[serde(default)]
    speed: Speed,
    /// How good it looks.
    #[serde(default)]
    quality: Quality,
    /// Quality as a figure, in place of `quality`.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 63.0))]
    crf: Option<f32>,
    /// Speed in x264's words, in place of `speed`.
    #[serde(default)]
    preset: Option<String>,
    /// Threads of the encoder of each chunk: few, because many chunks are encoded at once.
    #[serde(default = "one")]
    #[schemars(range(max = 64))]
    threads: u32,
    /// Seconds between two key frames at most.
    #[serde(default = "keyframes")]
    #[schemars(range(min = 0.1, max = 60.0))]
    keyframe_s: f64,
    /// Bits a second of the sound, in thousands.
    #[serde(default = "audio_kbps")]
    #[schemars(range(min = 32, max = 512))]
    audio_kbps: u32,
    /// Whether colours take 10 bits instead of 8.
    #[serde(default)]
    ten_bit: bool,
}

fn min_seconds() -> f64 {
    15.0
}
fn max_seconds() -> f64 {
    60.0
}
fn software() -> EncoderWish {
    EncoderWish::software()
}
fn one() -> u32 {
    1
}
fn keyframes() -> f64 {
    5.0
}
fn audio_kbps() -> u32 {
    192
}

/// The chunks.
#[derive(Serialize, JsonSchema)]
pub struct Cut {
    /// The chunks, the longest first, so that none that is long is begun last. For `chunk` of `video.encode_chunk`.
    chunks: Vec<Chunk>,
    /// For `settings` of `video.encode_chunk`, `video.sound` and `video.join`.
    settings: Settings,
}

/// The stage.
pub struct Split;

impl Stage for Split {
    const ID: &'static str = "split";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Cuts a long video at changes of scene into chunks that are encoded apart";
    type Input = Input;
    type Output = Cut;

    fn traits() -> StageTraits {
        let note = "A long file in chunks of half a minute to two minutes".to_owned();
        let with = json!({ "source": "media/sea.mp4", "min_seconds": 30, "max_seconds": 120 });
        traits(1, 1_024, vec![Example { note, with }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Cut, StageError> {
        let ready = input.source.ready(Fit::default())?;
        let canvas = ready.canvas(input.aspect.as_deref(), input.height, input.fps)?;
        let plan = Plan::new(&ready.timeline, canvas).map_err(StageError::invalid_input)?;
        let lengths = lengths(input.min_seconds, input.max_seconds, canvas.fps)?;
        let found = cuts(&ready.timeline, &plan, canvas, lengths, &Watch(cx)).map_err(failure)?;
        let codec = VideoCodec::from(input.codec);
        let settings = Settings {
            width: canvas.width,
            height: canvas.height,
            fps: canvas.fps,
            frames: plan.frames,
            codec: input.codec,
            encoder: input.encoder,
            crf: input.crf.unwrap_or_else(|| input.quality.crf(codec)),
            preset: input.preset.unwrap_or_else(|| input.speed.preset().to_owned()),
            threads: input.threads,
            keyframe_s: input.keyframe_s,
            audio_kbps: input.audio_kbps,
            ten_bit: input.ten_bit,
        };
        // What no encoder takes is refused here, and not by every chunk.
        settings.output().video().check().map_err(failure)?;
        let mut all: Vec<Chunk> = chunks(&plan, lengths, &found)
            .into_iter()
            .zip(1..)
            .map(|(frames, number)| Chunk {
                id: format!("c{number}"),
                from: frames.start,
                frames: frames.end - frames.start,
            })
            .collect();
        all.sort_by_key(|chunk| (std::cmp::Reverse(chunk.frames), chunk.from));
        Ok(Cut { chunks: all, settings })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two hours of frames at most")]
fn lengths(min: f64, max: f64, fps: u32) -> Result<Lengths, StageError> {
    if min * 2.0 > max {
        let text =
            format!("`max_seconds` {max} is less than twice `min_seconds` {min}: there is no room for a cut");
        return Err(StageError::invalid_input(text).code("lengths"));
    }
    let frames = |seconds: f64| (seconds * f64::from(fps)).round().clamp(1.0, 1e7) as u64;
    Ok(Lengths { min: frames(min), max: frames(max) })
}
