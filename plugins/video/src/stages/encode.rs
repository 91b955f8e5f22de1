//! `video.encode`: a timeline or a file becomes a finished video, in one pass.

use super::common::{Codec, Watch, failure, traits};
use super::decoder::{Decode, DecodedBy, decoding};
use super::encoder::{Attempted, EncoderWish, Speed, chain_for, tell, used};
use super::learned::{Chosen, Learner};
use super::quality::{Content, FilterWish, QualityWish, settle, tell_encoders};
use super::source::Source;
use crate::render::{Output, render_by};
use crate::timeline::{Fit, Loudness};
use reelmill_content::Filter;
use reelmill_learn::{Advice, Outcome};
use reelmill_media::VideoCodec;
use reelmill_sdk::prelude::*;
use std::time::Instant;

/// A finished video.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `video` of `video.compose` or `video.clip`, or a video file.
    source: Source,
    /// Shape of the picture, for example `9:16`, `16:9`, `1:1` or `4:5`. A timeline is `9:16` by default, a file
    /// keeps its shape.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[0-9]{1,3}:[0-9]{1,3}$"))]
    aspect: Option<String>,
    /// Length of the shorter side in pixels, as in "1080p": `9:16` at 1080 is 1080 x 1920. 1080 by default.
    #[serde(default)]
    #[schemars(range(min = 64, max = 4320))]
    height: Option<u32>,
    /// Frames a second, constant. 30 by default; a file keeps its own, rounded.
    #[serde(default)]
    #[schemars(range(min = 1, max = 120))]
    fps: Option<u32>,
    /// Codec of the pictures; the sound is always AAC.
    #[serde(default)]
    codec: Codec,
    /// The encoder: `auto` (hardware that was seen to work, then software), `software`, a vendor (`nvenc`, `qsv`, `amf`,
    /// `vaapi`), or a name of libav's such as `h264_nvenc`.
    #[serde(default)]
    encoder: EncoderWish,
    /// Who decodes the files that the video is made of.
    #[serde(default)]
    decode: Decode,
    /// Whether another encoder goes on where one fails, at its first frame or in the middle.
    #[serde(default = "yes")]
    fallback: bool,
    /// How fast it is. `auto` is what was best for videos like it so far: outcomes are remembered (`reelmill memory`), and
    /// a tenth fewer bytes are worth two tenths more time.
    #[serde(default)]
    speed: Speed,
    /// What the pictures show, as `class` of `video.analyse` says: `speed: auto` learns for each class apart.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[a-z0-9_-]{1,32}$"))]
    class: Option<String>,
    /// What is remembered of encodes; the worker puts it there.
    #[serde(default)]
    #[schemars(extend("x-advice" = "encode"))]
    advice: Option<Advice>,
    /// How good it looks: `draft`, `good`, `high`, `archive`; `auto` (as good as `good`, but no better than is seen, with
    /// the fewest bytes); or a figure to be reached, `{ target_ssim: 0.98 }`. The last two try a few seconds of the video.
    #[serde(default)]
    quality: QualityWish,
    /// What is done to the pictures before: `auto` (what suits what they show), or a list of `denoise`, `deband` and
    /// `sharpen`.
    #[serde(default)]
    filters: FilterWish,
    /// Quality as a figure, in place of `quality`: lower is better and larger. `good` is 23 for h264, 26 for h265, 32 for
    /// av1.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 63.0))]
    crf: Option<f32>,
    /// Speed in x264's words, in place of `speed`: ultrafast, superfast, veryfast, faster, fast, medium, slow, slower or
    /// veryslow. Hardware gets what is nearest.
    #[serde(default)]
    preset: Option<String>,
    /// Threads of the encoder; 0 lets it choose.
    #[serde(default)]
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
    /// How a file of another shape fills the picture; scenes of a timeline say it themselves.
    #[serde(default)]
    fit: Fit,
    /// What the sound is brought to, in place of what the timeline says.
    #[serde(default)]
    loudness: Option<Loudness>,
}

fn yes() -> bool {
    true
}
fn keyframes() -> f64 {
    5.0
}
fn audio_kbps() -> u32 {
    192
}

/// The video and its figures.
#[derive(Serialize, JsonSchema)]
pub struct Encoded {
    /// The MP4 file.
    #[schemars(extend("x-media-types" = ["video/mp4"]))]
    video: OutputFile,
    /// Pixels across.
    width: u32,
    /// Pixels down.
    height: u32,
    /// Frames a second.
    fps: u32,
    /// Frames.
    frames: u64,
    /// Length.
    duration_ms: u64,
    /// Length of the file.
    bytes: u64,
    /// Codec of the pictures.
    codec: Codec,
    /// The encoder that made the pictures.
    encoder: String,
    /// What the pictures show and what was tried, where `quality` asked for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
    /// What was done to the pictures before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    filters: Vec<Filter>,
    /// The preset that `speed: auto` chose, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    chosen: Option<Chosen>,
    /// What came of it, to be remembered.
    #[schemars(extend("x-outcomes" = "encode"))]
    outcomes: Vec<Outcome>,
    /// How it went with each encoder, in the order in which they came.
    encoders: Vec<Attempted>,
    /// Who decoded, where `decode` asked for a GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    decoded: Option<DecodedBy>,
    /// Integrated loudness of the sound before encoding; nothing for silence.
    loudness_lufs: Option<f64>,
    /// Its true peak.
    true_peak_dbtp: Option<f64>,
}

/// The stage.
pub struct Encode;

impl Stage for Encode {
    const ID: &'static str = "encode";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Renders a timeline or a file as an MP4 for one aspect, in one pass";
    type Input = Input;
    type Output = Encoded;

    fn traits() -> StageTraits {
        let note = "A file as a square video of 720 x 720".to_owned();
        let with = json!({ "source": "media/sea.mp4", "aspect": "1:1", "height": 720, "fit": "blur" });
        let traits = traits(2, 3_072, vec![Example { note, with }]);
        StageTraits { needs: Needs { gpu: true, ..traits.needs }, ..traits }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Encoded, StageError> {
        let mut ready = input.source.ready(input.fit)?;
        let canvas = ready.canvas(input.aspect.as_deref(), input.height, input.fps)?;
        ready.timeline.loudness = input.loudness.or(ready.timeline.loudness);
        let codec = VideoCodec::from(input.codec);
        let auto = input.preset.is_none() && input.speed == Speed::Auto;
        let mut output = Output {
            canvas,
            codec,
            crf: input.crf.unwrap_or_else(|| input.quality.crf(codec)),
            preset: input.preset.unwrap_or_else(|| input.speed.preset().to_owned()),
            threads: input.threads,
            keyframe_s: input.keyframe_s,
            audio_bit_rate: input.audio_kbps * 1_000,
            ten_bit: input.ten_bit,
            decoding: decoding(input.decode, cx),
        };
        let mut learner = Learner::new(input.class);
        if auto {
            let chain = chain_for(cx, &input.encoder, input.fallback, &output.video())?;
            output.preset = learner.choose(&input.advice.unwrap_or_default(), &chain, cx.seed());
        }
        let name = format!("video_{}x{}.mp4", canvas.width, canvas.height);
        let to = cx.output(&name);
        let found = settle(input.quality, input.filters, &mut ready.timeline, &mut output, cx)?;
        let mut chain = chain_for(cx, &input.encoder, input.fallback, &output.video())?;
        tell_encoders(found.as_ref(), &mut chain);
        let begun = Instant::now();
        let done =
            render_by(&chain, &ready.timeline, &output, &to, cx.scratch(), &Watch(cx), |one| tell(cx, one))
                .map_err(failure)?;
        let outcome = learner.outcome(&output, &used(&done.tried), found.as_ref(), &done, begun.elapsed());
        Ok(Encoded {
            outcomes: vec![outcome],
            chosen: learner.chosen,
            video: OutputFile::new(cx, &to, "video/mp4")?,
            width: canvas.width,
            height: canvas.height,
            fps: canvas.fps,
            frames: done.frames,
            duration_ms: done.duration_ms,
            bytes: done.bytes,
            codec: input.codec,
            encoder: used(&done.tried),
            content: found.as_ref().map(Content::from),
            filters: ready.timeline.filters,
            encoders: done.tried.into_iter().map(Attempted::from).collect(),
            decoded: DecodedBy::of(&output.decoding),
            loudness_lufs: done.loudness.and_then(|l| l.lufs).map(round),
            true_peak_dbtp: done.loudness.and_then(|l| l.true_peak_dbtp).map(round),
        })
    }
}

/// To a hundredth: meters are no finer.
pub fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
