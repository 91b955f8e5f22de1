//! Which encoder a stage takes: the words for it, and what is told of how it went.

use super::common::Codec;
use reelmill_media::{Chain, Generation, Probed, Tried, VideoCodec, VideoSettings, Wish, chain};
use reelmill_sdk::prelude::*;

/// How fast pictures are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Speed {
    /// For a look.
    Fastest,
    /// Large files, soon.
    Fast,
    /// The usual one.
    #[default]
    Balanced,
    /// Smaller files.
    Slow,
    /// The smallest files, in software before hardware.
    Slowest,
    /// What was best for videos like it so far, where `video.encode` is; otherwise the usual one.
    Auto,
}

impl Speed {
    /// x264's word for it.
    pub fn preset(self) -> &'static str {
        match self {
            Self::Fastest => "superfast",
            Self::Fast => "veryfast",
            Self::Balanced | Self::Auto => "medium",
            Self::Slow => "slow",
            Self::Slowest => "veryslow",
        }
    }
}

/// How good pictures look.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// For a look.
    Draft,
    /// As most videos are.
    #[default]
    Good,
    /// Hard to tell from the source.
    High,
    /// To be encoded again.
    Archive,
}

impl Quality {
    /// The constant rate factor of the codec's software encoder.
    pub fn crf(self, codec: VideoCodec) -> f32 {
        let off = match self {
            Self::Draft => 6.0,
            Self::Good => 0.0,
            Self::High => -4.0,
            Self::Archive => -9.0,
        };
        codec.default_crf() + off
    }
}

/// Which encoder makes the pictures.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EncoderWish(#[schemars(regex(pattern = r"^[a-z0-9][a-z0-9_-]{0,63}$"))] String);

impl Default for EncoderWish {
    fn default() -> Self {
        Self("auto".to_owned())
    }
}

impl EncoderWish {
    /// Software, and nothing else.
    pub fn software() -> Self {
        Self("software".to_owned())
    }
}

/// How it went with one encoder.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Attempted {
    /// Its name in libav.
    encoder: String,
    /// `used`, `failed` or `left_out`.
    outcome: String,
    /// The frame at which it failed; nothing where it could not be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<u64>,
    /// Why it was taken or left out, or what libav said when it failed.
    reason: String,
}

impl From<Tried> for Attempted {
    fn from(tried: Tried) -> Self {
        Self {
            outcome: tried.outcome.word().to_owned(),
            encoder: tried.encoder,
            frame: tried.frame,
            reason: tried.reason,
        }
    }
}

/// The chain that is gone along, by what the worker has seen of this machine's encoders.
pub fn chain_for(
    cx: &Cx<'_>,
    wish: &EncoderWish,
    fallback: bool,
    settings: &VideoSettings,
) -> Result<Chain, StageError> {
    let probed: Vec<Probed> = cx
        .encoders()
        .iter()
        .map(|seen| Probed {
            encoder: seen.encoder.clone(),
            generation: Generation::from_word(&seen.generation),
            device: seen.device.clone(),
            failure: seen.failure.clone(),
        })
        .collect();
    let chain = chain(settings, &Wish::from_word(&wish.0), fallback, &probed);
    if chain.choices.is_empty() {
        let left_out: Vec<String> =
            chain.left_out.iter().map(|one| format!("; {}: {}", one.encoder, one.reason)).collect();
        return Err(StageError::invalid_input(format!(
            "no encoder `{}` makes {} here{}; take `auto`, or allow `fallback`",
            wish.0,
            Codec::from(settings.codec).word(),
            left_out.concat()
        ))
        .code("no_encoder"));
    }
    Ok(chain)
}

/// Tells the log of an encoder that failed.
pub fn tell(cx: &Cx<'_>, tried: &Tried) {
    cx.warn(format!("{tried}; the pictures begin again with the next encoder"));
}

/// The name of the encoder that made the pictures.
pub fn used(tried: &[Tried]) -> String {
    tried.last().map(|one| one.encoder.clone()).unwrap_or_default()
}
