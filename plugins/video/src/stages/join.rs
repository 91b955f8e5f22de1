//! `video.join`: encoded chunks and the sound become one video, without encoding anything again.

use super::common::{Codec, Watch, failure, traits};
use super::settings::Settings;
use crate::timeline::Media;
use reelmill_media::{Part, join};
use reelmill_sdk::prelude::*;

/// What is joined.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// `settings` of `video.split`.
    settings: Settings,
    /// What `video.encode_chunk` put out for every chunk, in any order.
    #[schemars(length(min = 1, max = 10000))]
    chunks: Vec<Encoded>,
    /// `sound` of `video.sound`.
    #[serde(default)]
    sound: Option<Media>,
}

/// A chunk, as `video.encode_chunk` puts it out.
#[derive(Deserialize, JsonSchema)]
struct Encoded {
    /// Its pictures.
    video: Media,
    /// Its first frame.
    from: u64,
    /// Its frames.
    frames: u64,
    /// The encoder that made it.
    #[serde(default)]
    encoder: String,
}

/// The video and its figures.
#[derive(Serialize, JsonSchema)]
pub struct Joined {
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
    /// How many chunks it was made of.
    chunks: usize,
}

/// The stage.
pub struct Join;

impl Stage for Join {
    const ID: &'static str = "join";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Joins encoded chunks and their sound as one video, without encoding again";
    type Input = Input;
    type Output = Joined;

    fn traits() -> StageTraits {
        traits(1, 512, Vec::new())
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Joined, StageError> {
        let Input { settings, mut chunks, sound } = input;
        chunks.sort_by_key(|chunk| chunk.from);
        check(&chunks, settings.frames)?;
        let parts: Vec<Part> = chunks
            .iter()
            .map(|chunk| Part { path: chunk.video.path().to_owned(), frames: chunk.frames })
            .collect();
        let canvas = settings.canvas();
        let to = cx.output(&format!("video_{}x{}.mp4", canvas.width, canvas.height));
        let bytes = join(&parts, canvas.fps, sound.as_ref().map(Media::path), &to, &Watch(cx))
            .map_err(|error| made_by_others(error, &chunks))?;
        Ok(Joined {
            video: OutputFile::new(cx, &to, "video/mp4")?,
            width: canvas.width,
            height: canvas.height,
            fps: canvas.fps,
            frames: settings.frames,
            duration_ms: canvas.ms_of(settings.frames),
            bytes,
            codec: settings.codec,
            encoder: chunks.first().map(|chunk| chunk.encoder.clone()).unwrap_or_default(),
            chunks: chunks.len(),
        })
    }
}

/// That every frame of the video is in one chunk.
fn check(chunks: &[Encoded], frames: u64) -> Result<(), StageError> {
    let mut at = 0;
    for chunk in chunks {
        if chunk.from != at {
            let text = format!("frames {at} to {} are in no chunk, or in two", chunk.from);
            return Err(StageError::invalid_input(text).code("chunks"));
        }
        at += chunk.frames;
    }
    if at != frames {
        let text = format!("the chunks have {at} frames, the video {frames}");
        return Err(StageError::invalid_input(text).code("chunks"));
    }
    Ok(())
}

/// An error that says which encoders made the chunks, when it was not one.
fn made_by_others(error: reelmill_media::Error, chunks: &[Encoded]) -> StageError {
    let mut encoders: Vec<&str> = chunks.iter().map(|chunk| chunk.encoder.as_str()).collect();
    encoders.sort_unstable();
    encoders.dedup();
    match error {
        reelmill_media::Error::Setting(text) if encoders.len() > 1 => {
            let by = encoders.join(" and ");
            StageError::invalid_input(format!("{text}; they were made by {by}")).code("bad_media")
        }
        error => failure(error),
    }
}
