//! What a class wants of an encoder and of the pictures before it. Pure.
//!
//! The numbers were measured on the tuning clips of `testing` (x264 veryfast, bytes at equal SSIM beside the preset alone).
//! Trellis quantisation and a longer look ahead write 3 to 8 % less for 4 to 13 % more time, and what is not text gains 2 to
//! 4 % when it is deblocked less. Beside that:
//! - Pages and still pictures: key frames that are less better than those between, which hardly differ from them, 3 %; less
//!   given to what is flat, 0 to 7 %.
//! - Text: motion that is looked for further, 3 to 6 %, because it is full of things that look alike.
//! - Calm pictures: motion to finer parts of a pixel, 8 to 15 %, for a third more time; less given to what is flat, 3 to 12 %.
//! - What moves much: B-frames that may follow the motion over time, 4 to 20 %, where it is even; a rate that follows what
//!   is hard to code, 2 %. Finer motion gives it 2 % for a tenth more time, and a turning picture loses by it.
//!
//! A `tune` by class, as its name suggests it (animation for text, stillimage for slides), made files larger, so there is
//! none. Key frames further apart would halve pages, but how far apart they are is for the user to say.

use crate::classify::Class;
use reelmill_media::{Parameter, VideoCodec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Presets of x264 that look ahead less and quantise without trellis.
const HASTY: [&str; 4] = ["ultrafast", "superfast", "veryfast", "faster"];
/// Grain above this, in steps of luma, is worth taking away where it is not what the video shows.
const GRAINY: f64 = 1.6;

/// What all classes gain by: trellis quantisation, and a longer look ahead.
const ALL: [(&str, &str); 2] = [("trellis", "1"), ("rc-lookahead", "30")];

/// What a software encoder is told beside its preset.
#[must_use]
pub fn parameters(class: Class, codec: VideoCodec, preset: &str) -> Vec<Parameter> {
    // Ultrafast is wanted for its speed alone, and x264 has no trellis without CABAC.
    if codec != VideoCodec::H264 || !HASTY.contains(&preset) || preset == "ultrafast" {
        return Vec::new();
    }
    let told: &[(&str, &str)] = match class {
        Class::Static | Class::Slides => &[("i_qfactor", "0.84"), ("qcomp", "0.7"), ("aq-strength", "0.6")],
        Class::TextHeavy => &[("motion-est", "umh"), ("me_range", "24")],
        Class::LowMotion => &[("subq", "3"), ("aq-strength", "0.6")],
        Class::HighMotion | Class::Mixed => &[("direct-pred", "auto"), ("qcomp", "0.7")],
    };
    let deblock: &[(&str, &str)] = if class == Class::TextHeavy { &[] } else { &[("deblock", "-1:-1")] };
    let parameter =
        |(name, value): &(&'static str, &str)| Parameter { name, value: (*value).to_owned(), needed: false };
    // Faster looks for motion more finely as it is.
    let told = told.iter().filter(|(name, _)| *name != "subq" || preset != "faster");
    ALL.iter().chain(deblock).chain(told).map(parameter).collect()
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
        assert_eq!(told(VideoCodec::H264, "veryfast"), 6);
        let names = |class, preset| -> Vec<&str> {
            parameters(class, VideoCodec::H264, preset).into_iter().map(|told| told.name).collect()
        };
        assert!(!names(Class::TextHeavy, "veryfast").contains(&"deblock"));
        assert!(names(Class::LowMotion, "veryfast").contains(&"subq"));
        assert!(!names(Class::LowMotion, "faster").contains(&"subq"), "it would be less");
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
