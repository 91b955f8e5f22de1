//! What a class wants of an encoder and of the pictures before it. Pure.
//!
//! The numbers were measured on the tuning clips of `testing` (x264 veryfast, bytes at equal SSIM beside the preset alone).
//! Trellis quantisation and a longer look ahead write 2 to 7 % less for 4 to 9 % more time. What is not text gains 2 to 4 %
//! more when it is deblocked less, and what is not calm when its rate follows what is hard to code; text loses by both. Pages and still pictures gain
//! 3 % more when key frames are less better than those between, which hardly differ from them. A `tune` by class, as its
//! name suggests it (animation for text, stillimage for slides), made files larger, so there is none.

use crate::classify::Class;
use reelmill_media::{Parameter, VideoCodec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Presets of x264 that look ahead less and quantise without trellis.
const HASTY: [&str; 4] = ["ultrafast", "superfast", "veryfast", "faster"];
/// Grain above this, in steps of luma, is worth taking away where it is not what the video shows.
const GRAINY: f64 = 1.6;

/// What a software encoder is told beside its preset.
#[must_use]
pub fn parameters(class: Class, codec: VideoCodec, preset: &str) -> Vec<Parameter> {
    // Ultrafast is wanted for its speed alone, and x264 has no trellis without CABAC.
    if codec != VideoCodec::H264 || !HASTY.contains(&preset) || preset == "ultrafast" {
        return Vec::new();
    }
    let mut told = vec![("trellis", "1"), ("rc-lookahead", "30")];
    if class != Class::TextHeavy {
        told.push(("deblock", "-1:-1"));
    }
    if !matches!(class, Class::TextHeavy | Class::LowMotion) {
        told.push(("qcomp", "0.7"));
    }
    if matches!(class, Class::Static | Class::Slides) {
        told.push(("i_qfactor", "0.84"));
    }
    let parameter =
        |(name, value): (&'static str, &str)| Parameter { name, value: value.to_owned(), needed: false };
    told.into_iter().map(parameter).collect()
}

/// What is done to pictures before they are encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// Takes grain away, mostly over time, where nothing moves.
    Denoise,
    /// Makes slopes smooth whose steps are seen.
    Deband,
    /// Makes edges of luma a little steeper.
    Sharpen,
}

impl Filter {
    /// It in libav's words.
    #[must_use]
    pub const fn spec(self) -> &'static str {
        match self {
            Self::Denoise => "hqdn3d=2:1.5:4:3",
            Self::Deband => "gradfun=0.8:12",
            Self::Sharpen => "unsharp=3:3:0.3:3:3:0",
        }
    }
}

/// Filters that suit a class, in order.
///
/// Calm pictures with grain are denoised, and their slopes debanded, because few bits make steps of them. Pages and text
/// are sharpened a little. What moves fast is left alone: grain is not seen in it, and filters in time smear it.
#[must_use]
pub fn filters(class: Class, grain: f64) -> Vec<Filter> {
    match class {
        Class::LowMotion | Class::Static if grain >= GRAINY => vec![Filter::Denoise, Filter::Deband],
        Class::LowMotion | Class::Static => vec![Filter::Deband],
        Class::Slides | Class::TextHeavy => vec![Filter::Sharpen],
        Class::HighMotion | Class::Mixed => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Filter, filters, parameters};
    use crate::classify::Class;
    use reelmill_media::VideoCodec;

    #[test]
    fn only_hasty_presets_of_h264_are_told_more() {
        let told = |codec, preset| parameters(Class::Slides, codec, preset).len();
        assert_eq!(told(VideoCodec::H264, "veryfast"), 5);
        assert_eq!(parameters(Class::TextHeavy, VideoCodec::H264, "veryfast").len(), 2);
        for (codec, preset) in [
            (VideoCodec::H264, "medium"),
            (VideoCodec::H264, "ultrafast"),
            (VideoCodec::H265, "veryfast"),
            (VideoCodec::Av1, "veryfast"),
        ] {
            assert_eq!(told(codec, preset), 0, "{codec:?} {preset}");
        }
    }

    #[test]
    fn grain_is_only_taken_from_calm_pictures() {
        assert_eq!(filters(Class::LowMotion, 3.0), [Filter::Denoise, Filter::Deband]);
        assert_eq!(filters(Class::LowMotion, 0.2), [Filter::Deband]);
        assert_eq!(filters(Class::HighMotion, 9.0), []);
        assert_eq!(filters(Class::TextHeavy, 0.0), [Filter::Sharpen]);
    }
}
