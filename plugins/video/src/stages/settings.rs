//! How a long video is encoded in chunks: said once, where it is cut, and handed on to every chunk.

use super::common::Codec;
use super::encoder::{EncoderWish, chain_for};
use crate::plan::Canvas;
use crate::render::Output;
use reelmill_media::{Chain, Decoding, VideoCodec};
use reelmill_sdk::prelude::*;

/// What all chunks have in common.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Pixels across.
    #[schemars(range(min = 16, max = 8192))]
    pub width: u32,
    /// Pixels down.
    #[schemars(range(min = 16, max = 8192))]
    pub height: u32,
    /// Frames a second.
    #[schemars(range(min = 1, max = 120))]
    pub fps: u32,
    /// Frames of the whole video.
    pub frames: u64,
    /// Codec of the pictures.
    pub codec: Codec,
    /// The encoder: one for all chunks, because a file has one stream header.
    pub encoder: EncoderWish,
    /// Constant rate factor.
    #[schemars(range(min = 0.0, max = 63.0))]
    pub crf: f32,
    /// Speed in x264's words.
    pub preset: String,
    /// Threads of the encoder of each chunk; 0 lets it choose.
    #[schemars(range(max = 64))]
    pub threads: u32,
    /// Seconds between two key frames at most.
    #[schemars(range(min = 0.1, max = 60.0))]
    pub keyframe_s: f64,
    /// Bits a second of the sound, in thousands.
    #[schemars(range(min = 32, max = 512))]
    pub audio_kbps: u32,
    /// Whether colours take 10 bits instead of 8.
    pub ten_bit: bool,
}

impl Settings {
    /// Size and rate.
    pub fn canvas(&self) -> Canvas {
        Canvas { width: self.width, height: self.height, fps: self.fps.max(1) }
    }

    /// How each chunk is encoded.
    pub fn output(&self) -> Output {
        Output {
            canvas: self.canvas(),
            codec: VideoCodec::from(self.codec),
            crf: self.crf,
            preset: self.preset.clone(),
            threads: self.threads,
            keyframe_s: self.keyframe_s,
            audio_bit_rate: self.audio_kbps * 1_000,
            ten_bit: self.ten_bit,
            decoding: Decoding::default(),
        }
    }

    /// The one encoder of all chunks: another one in the middle would make a file that cannot be joined.
    pub fn chain(&self, cx: &Cx<'_>) -> Result<Chain, StageError> {
        let mut chain = chain_for(cx, &self.encoder, false, &self.output().video())?;
        chain.choices.truncate(1);
        Ok(chain)
    }
}

/// Some frames of the video.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// Its name: its number in the video.
    pub id: String,
    /// Its first frame.
    pub from: u64,
    /// Its frames.
    #[schemars(range(min = 1))]
    pub frames: u64,
}
