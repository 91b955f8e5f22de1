//! From figures to a class. Pure.

use crate::figures::Figures;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a video shows, as far as its encoder cares.
///
/// Whether a head talks cannot be said without finding faces, for which no model is shipped: it is `low_motion`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// One picture that stands.
    Static,
    /// Pictures that stand and take turns, or pages of a presentation.
    Slides,
    /// A calm picture: a person who speaks, a slow pan.
    LowMotion,
    /// Much of the picture moves.
    HighMotion,
    /// Much of the picture is text, still or scrolling.
    TextHeavy,
    /// Scenes of several classes.
    Mixed,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Static, Self::Slides, Self::LowMotion, Self::HighMotion, Self::TextHeavy, Self::Mixed];

    /// Its word, as in pipelines.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Slides => "slides",
            Self::LowMotion => "low_motion",
            Self::HighMotion => "high_motion",
            Self::TextHeavy => "text_heavy",
            Self::Mixed => "mixed",
        }
    }

    /// Whether most of it is flat or drawn, where SSIM alone says too little.
    #[must_use]
    pub const fn is_flat(self) -> bool {
        matches!(self, Self::Static | Self::Slides | Self::TextHeavy)
    }
}

/// The class of one scene. The order matters: text first, because text that stands is text.
#[must_use]
pub fn classify(figures: &Figures) -> Class {
    let f = figures;
    if f.text >= 12.0 {
        return Class::TextHeavy;
    }
    if f.still >= 98.0 && f.ti < 1.0 {
        return Class::Static;
    }
    if f.motion > 5.0 || (f.ti > 18.0 && f.still < 30.0) {
        return Class::HighMotion;
    }
    Class::LowMotion
}

/// The class of a video of scenes, each with its length in frames.
#[must_use]
pub fn overall(scenes: &[(Class, usize)]) -> Class {
    let total: usize = scenes.iter().map(|(_, frames)| frames).sum();
    let share = |wanted: &[Class]| {
        let frames: usize =
            scenes.iter().filter(|(class, _)| wanted.contains(class)).map(|(_, frames)| frames).sum();
        frames as f64 / total.max(1) as f64
    };
    if scenes.len() == 1 {
        return scenes[0].0;
    }
    let standing = [Class::Static, Class::Slides];
    if share(&standing) >= MOST {
        return Class::Slides;
    }
    let one =
        [Class::LowMotion, Class::HighMotion, Class::TextHeavy].into_iter().find(|c| share(&[*c]) >= MOST);
    // Pages of text that take turns with pictures are a presentation.
    let page = [Class::Static, Class::Slides, Class::TextHeavy];
    one.unwrap_or(if share(&page) >= MOST { Class::Slides } else { Class::Mixed })
}

/// A class is that of the video when this part of it is of it.
const MOST: f64 = 0.75;

#[cfg(test)]
mod tests {
    use super::{Class, classify, overall};
    use crate::figures::Figures;

    #[test]
    fn each_rule_has_its_side_of_the_line() {
        let calm = Figures { si: 60.0, ti: 3.0, edges: 8.0, text: 1.0, still: 80.0, motion: 0.5 };
        assert_eq!(classify(&calm), Class::LowMotion);
        assert_eq!(classify(&Figures { text: 30.0, still: 99.9, ti: 0.0, ..calm }), Class::TextHeavy);
        assert_eq!(classify(&Figures { still: 99.0, ti: 0.4, ..calm }), Class::Static);
        assert_eq!(classify(&Figures { motion: 20.0, ..calm }), Class::HighMotion);
        assert_eq!(classify(&Figures { ti: 30.0, still: 2.0, ..calm }), Class::HighMotion);
    }

    #[test]
    fn scenes_of_one_class_make_the_video() {
        let text = |frames| (Class::TextHeavy, frames);
        assert_eq!(overall(&[(Class::Static, 90)]), Class::Static);
        assert_eq!(overall(&[(Class::Static, 90), (Class::Static, 60)]), Class::Slides);
        assert_eq!(overall(&[(Class::Static, 90), text(60)]), Class::Slides);
        assert_eq!(overall(&[(Class::HighMotion, 90), (Class::LowMotion, 20)]), Class::HighMotion);
        assert_eq!(overall(&[(Class::HighMotion, 50), (Class::Static, 50)]), Class::Mixed);
        assert_eq!(overall(&[(Class::HighMotion, 50), text(50)]), Class::Mixed);
    }
}
