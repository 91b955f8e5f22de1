//! What a class wants of an encoder and of the pictures before it. Pure.
//!
//! The numbers were measured on the tuning clips of `testing` (x264 veryfast, bytes at equal quality beside the preset
//! alone). Trellis quantisation and a longer look ahead write 3 to 8 % less for 4 to 13 % more time, and what is not text
//! gains 2 to 4 % when it is deblocked less. Beside that:
//! - Pages and still pictures: up to eight B-frames in a row, because nothing happens between them, 6 %; key frames that are
//!   less better than those between, which hardly differ from them, 3 %; less given to what is flat, 0 to 7 %.
//! - Text that moves: motion that is looked for further, 3 to 6 %, because it is full of things that look alike, and in
//!   two pictures instead of one, 2 %; less given to what is flat, 1 %, and to what is easy, 1 %. Where it stands, key
//!   frames as those of pages, 3 %.
//! - Calm pictures: motion to finer parts of a pixel, 8 to 15 %, for a third more time; less given to what is flat, 3 to
//!   12 %. With grain the latter loses 4 %, deblocking still less gains 3, and a long look ahead gains
//!   nothing.
//! - What moves much: B-frames that may follow the motion over time, 4 to 20 %, where it is even, and five of them, 1 %;
//!   deblocking still less, 1 %; key frames that are less better, 1 %. Finer motion gives it 2 % for a tenth more time,
//!   and a turning picture loses by it; a rate that follows what is hard to code more than usual loses 2 to 4 %, and one
//!   that follows it less is misjudged by samples.
//!
//! A `tune` by class, as its name suggests it (animation for text, stillimage for slides), made files larger, so there is
//! none. Key frames further apart would halve pages, but how far apart they are is for the user to say.

use crate::classify::Class;
use crate::samples::Shown;
use reelmill_media::{Parameter, VideoCodec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Presets of x264 that look ahead less and quantise without trellis.
const HASTY: [&str; 4] = ["ultrafast", "superfast", "veryfast", "faster"];
/// Grain above this, in steps of luma, is worth taking away where it is not what the video shows.
const GRAINY: f64 = 1.6;

/// Grain from this on is some.
pub(crate) const GRAINED: f64 = 0.2;
/// Text of which so many blocks, in percent, stand from frame to frame stands.
const STANDS: f64 = 98.0;
/// What all classes gain by: trellis quantisation, and a longer look ahead.
const ALL: [(&str, &str); 2] = [("trellis", "1"), ("rc-lookahead", "30")];

/// What a software encoder is told beside its preset.
#[must_use]
pub fn parameters(shown: &Shown, codec: VideoCodec, preset: &str) -> Vec<Parameter> {
    // Ultrafast is wanted for its speed alone, and x264 has no trellis without CABAC.
    if codec != VideoCodec::H264 || !HASTY.contains(&preset) || preset == "ultrafast" {
        return Vec::new();
    }
    let grainy = shown.grain >= GRAINED;
    let told: &[(&str, &str)] = match shown.class {
        Class::Static | Class::Slides => {
            &[("bf", "8"), ("i_qfactor", "0.84"), ("qcomp", "0.7"), ("aq-strength", "0.6")]
        }
        Class::TextHeavy if shown.figures.still >= STANDS => &[("i_qfactor", "0.84")],
        Class::TextHeavy => &[
            ("motion-est", "umh"),
            ("me_range", "24"),
            ("refs", "2"),
            ("mixed-refs", "1"),
            ("aq-mode", "2"),
            ("aq-strength", "0.8"),
            ("qcomp", "0.5"),
        ],
        Class::LowMotion if grainy => &[("subq", "3"), ("rc-lookahead", "20")],
        Class::LowMotion => &[("subq", "3"), ("aq-strength", "0.6")],
        Class::HighMotion | Class::Mixed => &[("bf", "5"), ("direct-pred", "auto"), ("i_qfactor", "0.84")],
    };
    let deblock: &[(&str, &str)] = match shown.class {
        Class::TextHeavy => &[],
        Class::LowMotion => &[("deblock", "-1:-1")],
        _ => &[("deblock", "-2:-2")],
    };
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
    use crate::figures::Figures;
    use crate::samples::Shown;
    use reelmill_media::VideoCodec;

    fn shown(class: Class, still: f64, grain: f64) -> Shown {
        Shown { class, figures: Figures { still, ..Figures::default() }, grain }
    }

    fn names(shown: &Shown, codec: VideoCodec, preset: &str) -> Vec<&'static str> {
        parameters(shown, codec, preset).into_iter().map(|told| told.name).collect()
    }

    #[test]
    fn only_hasty_presets_of_h264_are_told_more() {
        let pages = shown(Class::Slides, 100.0, 0.0);
        assert_eq!(names(&pages, VideoCodec::H264, "veryfast").len(), 7);
        for (codec, preset) in [
            (VideoCodec::H264, "medium"),
            (VideoCodec::H264, "ultrafast"),
            (VideoCodec::H265, "veryfast"),
            (VideoCodec::Av1, "veryfast"),
        ] {
            assert!(names(&pages, codec, preset).is_empty(), "{codec:?} {preset}");
        }
    }

    #[test]
    fn what_is_told_depends_on_what_moves_and_on_grain() {
        let told = |class, still, grain| names(&shown(class, still, grain), VideoCodec::H264, "veryfast");
        let (moves, stands) = (told(Class::TextHeavy, 40.0, 0.0), told(Class::TextHeavy, 100.0, 0.0));
        assert!(moves.contains(&"motion-est") && !moves.contains(&"deblock"), "{moves:?}");
        assert!(stands.contains(&"i_qfactor") && !stands.contains(&"motion-est"), "{stands:?}");
        let (clean, grainy) = (told(Class::LowMotion, 80.0, 0.05), told(Class::LowMotion, 60.0, 1.0));
        assert!(clean.contains(&"aq-strength") && clean.contains(&"subq"), "{clean:?}");
        assert!(!grainy.contains(&"aq-strength") && grainy.contains(&"subq"), "{grainy:?}");
        let faster = names(&shown(Class::LowMotion, 80.0, 0.0), VideoCodec::H264, "faster");
        assert!(!faster.contains(&"subq"), "it would be less than the preset's");
    }

    #[test]
    fn grain_is_only_taken_from_calm_pictures() {
        assert_eq!(filters(Class::LowMotion, 3.0), [Filter::Denoise, Filter::Deband]);
        assert_eq!(filters(Class::LowMotion, 0.2), [Filter::Deband]);
        assert_eq!(filters(Class::HighMotion, 9.0), []);
        assert_eq!(filters(Class::TextHeavy, 0.0), [Filter::Sharpen]);
    }
}
