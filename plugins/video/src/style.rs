//! How captions look and where they stand: part of a timeline's JSON. Pure.

use crate::timeline::Media;
use reelmill_sdk::prelude::*;

/// Where captions stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the lower part, above what players cover.
    #[default]
    Bottom,
    /// In the middle.
    Middle,
    /// In the upper part.
    Top,
}

/// A place by name, or the height of the caption's middle in percent from the top.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "bottom, middle, top, or a number of percent from the top")]
pub enum Position {
    /// By name.
    Named(Place),
    /// Percent from the top.
    Percent(#[schemars(range(min = 0.0, max = 100.0))] f64),
}

impl Default for Position {
    fn default() -> Self {
        Self::Named(Place::Bottom)
    }
}

/// Whose player the video is made for: what it covers with buttons and text stays free of captions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Platform {
    /// A little is kept free everywhere.
    #[default]
    Any,
    /// `YouTube` Shorts.
    Shorts,
    /// Instagram and Facebook Reels.
    Reels,
    /// `TikTok`.
    Tiktok,
    /// `YouTube`.
    Youtube,
    /// X.
    X,
}

/// How much of the picture's sides is kept free, each as a part of its width or height.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Safe {
    /// Of the height, above.
    pub top: f64,
    /// Of the height, below.
    pub bottom: f64,
    /// Of the width.
    pub left: f64,
    /// Of the width.
    pub right: f64,
}

impl Platform {
    /// What stays free in a picture of this shape. Upright players lay a bar of buttons over the right side and the
    /// title over the lower part; Meta's own rule for Reels is 14 % above, 35 % below, 6 % at the sides. The others
    /// publish none; theirs are what guides of the field give for 1080 x 1920.
    #[must_use]
    pub fn safe(self, width: u32, height: u32) -> Safe {
        let safe = |top, bottom, left, right| Safe { top, bottom, left, right };
        if height <= width {
            return match self {
                Self::Youtube | Self::X => safe(0.07, 0.12, 0.06, 0.06),
                _ => safe(0.07, 0.07, 0.06, 0.06),
            };
        }
        match self {
            Self::Any => safe(0.12, 0.16, 0.06, 0.06),
            Self::Shorts => safe(0.12, 0.25, 0.06, 0.14),
            Self::Reels => safe(0.14, 0.35, 0.06, 0.06),
            Self::Tiktok => safe(0.12, 0.21, 0.06, 0.13),
            Self::Youtube => safe(0.10, 0.18, 0.06, 0.06),
            Self::X => safe(0.10, 0.20, 0.06, 0.10),
        }
    }
}

/// The corners of the box behind captions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Corners {
    /// Round.
    #[default]
    Rounded,
    /// Square.
    Square,
}

/// How the word being said is marked with the colour `highlight`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Karaoke {
    /// The word has that colour while it is said.
    #[default]
    Word,
    /// The colour runs through the words and stays.
    Fill,
    /// The word stands on a box of that colour while it is said.
    Box,
}

/// In which way viewers get the captions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// As part of the picture.
    #[default]
    Burnt,
    /// As a subtitle track of the file, which players switch on and off.
    Soft,
    /// Both.
    Both,
}

/// How captions look. Sizes are percent of the picture's shorter side, so that they suit every aspect.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CaptionStyle {
    /// Name of the font family, as installed on the worker. Without it and without `font_file` the letters come from
    /// `DejaVu Sans`, and what that lacks from whatever installed font has it.
    pub font: Option<String>,
    /// A font file (TrueType or OpenType) in place of an installed font.
    pub font_file: Option<Media>,
    /// Families for letters that the font lacks, in order. A letter that none of them has is an error.
    #[schemars(length(max = 16))]
    pub fallback_fonts: Vec<String>,
    /// Height of the letters' line.
    #[schemars(range(min = 1.0, max = 30.0))]
    pub size_percent: f64,
    /// Whether letters are bold.
    pub bold: bool,
    /// Colour of the letters, `#rrggbb`.
    pub colour: String,
    /// Colour of the word being said; nothing keeps all words alike.
    pub highlight: Option<String>,
    /// How that word is marked.
    pub karaoke: Karaoke,
    /// Colour of the letters' edge.
    pub stroke_colour: String,
    /// Width of the edge.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub stroke_percent: f64,
    /// Colour of a box behind the letters; nothing means no box.
    pub background: Option<String>,
    /// How opaque the box is, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub background_opacity: f64,
    /// Its corners.
    pub corners: Corners,
    /// Where they stand: `bottom`, `middle`, `top`, or percent from the top.
    pub position: Position,
    /// Whose player's buttons they keep clear of.
    pub platform: Platform,
    /// Lines shown at once.
    #[schemars(range(min = 1, max = 3))]
    pub lines: u32,
    /// Words shown at once at most.
    #[schemars(range(min = 1, max = 40))]
    pub max_words: Option<u32>,
    /// Whether letters are made capitals.
    pub uppercase: bool,
    /// Burnt into the picture, as a soft track, or both.
    pub show: Delivery,
    /// Language of the words (such as `en` or `zh`), for the soft track and the choice of fonts.
    #[schemars(length(max = 35))]
    pub language: Option<String>,
}

impl Default for CaptionStyle {
    fn default() -> Self {
        Self {
            font: None,
            font_file: None,
            fallback_fonts: Vec::new(),
            size_percent: 6.5,
            bold: true,
            colour: "#ffffff".into(),
            highlight: None,
            karaoke: Karaoke::Word,
            stroke_colour: "#000000".into(),
            stroke_percent: 0.45,
            background: None,
            background_opacity: 0.69,
            corners: Corners::Rounded,
            position: Position::default(),
            platform: Platform::Any,
            lines: 2,
            max_words: None,
            uppercase: false,
            show: Delivery::Burnt,
            language: None,
        }
    }
}

impl CaptionStyle {
    /// Whether they are part of the picture.
    #[must_use]
    pub fn burnt(&self) -> bool {
        self.show != Delivery::Soft
    }

    /// Whether they are a track of the file.
    #[must_use]
    pub fn soft(&self) -> bool {
        self.show != Delivery::Burnt
    }
}

#[cfg(test)]
mod tests {
    use super::{CaptionStyle, Place, Platform, Position};

    #[test]
    fn positions_are_names_or_percents() {
        let of = |json: &str| serde_json::from_str::<CaptionStyle>(json).map(|s| s.position).ok();
        assert_eq!(of(r#"{"position":"top"}"#), Some(Position::Named(Place::Top)));
        assert_eq!(of(r#"{"position":62.5}"#), Some(Position::Percent(62.5)));
        assert_eq!(of(r#"{"position":"left"}"#), None);
        assert_eq!(of("{}"), Some(Position::Named(Place::Bottom)));
    }

    #[test]
    fn upright_players_cover_more_and_the_right_side() {
        for platform in [Platform::Shorts, Platform::Tiktok, Platform::X] {
            let safe = platform.safe(1_080, 1_920);
            assert!(safe.bottom >= 0.2 && safe.right > safe.left, "{platform:?}");
        }
        assert!(Platform::Reels.safe(1_080, 1_920).bottom > 0.34);
        assert!(Platform::Shorts.safe(1_920, 1_080).bottom < 0.1);
    }
}
