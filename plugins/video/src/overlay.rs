//! What lies over the pictures of a video: titles, logos, a bar that shows how far it is. Part of a timeline's JSON.
//! Pure.

use crate::plan::Canvas;
use crate::timeline::Media;
use reelmill_sdk::prelude::*;

/// Where a title stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TitlePlace {
    /// In the lower third, on the left: a name and who that is.
    #[default]
    LowerThird,
    /// Large, in the middle.
    Centre,
    /// In the upper part.
    Top,
}

/// How a title looks. Sizes are percent of the picture's shorter side.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TitleStyle {
    /// Where it stands.
    pub place: TitlePlace,
    /// Name of the font family, as for captions.
    pub font: Option<String>,
    /// A font file in place of an installed font.
    pub font_file: Option<Media>,
    /// Height of a line; by default 5 for a lower third and 10 elsewhere.
    #[schemars(range(min = 1.0, max = 40.0))]
    pub size_percent: Option<f64>,
    /// Colour of the letters, `#rrggbb`.
    pub colour: String,
    /// Colour of the letters' edge.
    pub stroke_colour: String,
    /// Width of the edge.
    #[schemars(range(min = 0.0, max = 5.0))]
    pub stroke_percent: f64,
    /// Colour of the line beside or under it; nothing means no line.
    pub accent: Option<String>,
    /// Colour of a box behind it; nothing means no box.
    pub background: Option<String>,
    /// How opaque the box is, 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub background_opacity: f64,
    /// Whether letters are made capitals.
    pub uppercase: bool,
}

impl Default for TitleStyle {
    fn default() -> Self {
        Self {
            place: TitlePlace::default(),
            font: None,
            font_file: None,
            size_percent: None,
            colour: "#ffffff".into(),
            stroke_colour: "#000000".into(),
            stroke_percent: 0.3,
            accent: Some("#ffcc00".into()),
            background: None,
            background_opacity: 0.7,
            uppercase: false,
        }
    }
}

/// A text over the pictures.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Title {
    /// What it says.
    #[schemars(length(min = 1, max = 300))]
    pub text: String,
    /// A smaller line under it.
    #[serde(default)]
    #[schemars(length(max = 300))]
    pub subtitle: Option<String>,
    /// When it comes, counted from the start of the video.
    #[serde(default)]
    pub at_ms: u64,
    /// How long it stays.
    #[serde(default = "four_seconds")]
    #[schemars(range(min = 100))]
    pub duration_ms: u64,
    /// How it looks.
    #[serde(default)]
    pub style: TitleStyle,
}

fn four_seconds() -> u64 {
    4_000
}

/// One of nine places of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Corner {
    /// In the corner above on the left.
    TopLeft,
    /// Above in the middle.
    Top,
    /// In the corner above on the right.
    #[default]
    TopRight,
    /// On the left.
    Left,
    /// In the middle.
    Centre,
    /// On the right.
    Right,
    /// In the corner below on the left.
    BottomLeft,
    /// Below in the middle.
    Bottom,
    /// In the corner below on the right.
    BottomRight,
}

impl Corner {
    /// The place as parts of what is left over, from the left and from above.
    #[must_use]
    pub const fn parts(self) -> (f64, f64) {
        match self {
            Self::TopLeft => (0.0, 0.0),
            Self::Top => (0.5, 0.0),
            Self::TopRight => (1.0, 0.0),
            Self::Left => (0.0, 0.5),
            Self::Centre => (0.5, 0.5),
            Self::Right => (1.0, 0.5),
            Self::BottomLeft => (0.0, 1.0),
            Self::Bottom => (0.5, 1.0),
            Self::BottomRight => (1.0, 1.0),
        }
    }
}

/// A picture over the pictures: a logo or a watermark. Sizes are percent of the picture's shorter side.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logo {
    /// A picture; what is transparent in it stays so.
    pub media: Media,
    /// Where it stands.
    #[serde(default)]
    pub place: Corner,
    /// Its width.
    #[serde(default = "logo_size")]
    #[schemars(range(min = 1.0, max = 100.0))]
    pub size_percent: f64,
    /// How far it stays from the sides.
    #[serde(default = "logo_margin")]
    #[schemars(range(min = 0.0, max = 50.0))]
    pub margin_percent: f64,
    /// How opaque it is, 0 to 1.
    #[serde(default = "logo_opacity")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub opacity: f64,
    /// When it comes, counted from the start of the video.
    #[serde(default)]
    pub at_ms: u64,
    /// How long it stays; to the end without it.
    #[serde(default)]
    pub duration_ms: Option<u64>,
}

fn logo_size() -> f64 {
    16.0
}
fn logo_margin() -> f64 {
    4.0
}
fn logo_opacity() -> f64 {
    0.9
}

impl Logo {
    /// A picture in the corner above on the right.
    #[must_use]
    pub fn usual(media: Media) -> Self {
        Self {
            media,
            place: Corner::default(),
            size_percent: logo_size(),
            margin_percent: logo_margin(),
            opacity: logo_opacity(),
            at_ms: 0,
            duration_ms: None,
        }
    }

    /// Its size on a canvas and its place, in pixels, for a picture of this shape.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes within the canvas")]
    pub fn area(&self, canvas: Canvas, width: f64, height: f64) -> (u32, u32, u32, u32) {
        let short = f64::from(canvas.short_side());
        let (across, down) = (f64::from(canvas.width), f64::from(canvas.height));
        let margin = short * self.margin_percent / 100.0;
        let wide = (short * self.size_percent / 100.0).min(across);
        let scale = (wide / width).min(down / height);
        let (w, h) = ((width * scale).max(2.0).round(), (height * scale).max(2.0).round());
        let (right, below) = self.place.parts();
        let place =
            |room: f64, part: f64| (margin + (room - 2.0 * margin).max(0.0) * part).min(room).max(0.0);
        (w as u32, h as u32, place(across - w, right).round() as u32, place(down - h, below).round() as u32)
    }
}

/// A bar along a side of the picture that grows with the time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProgressBar {
    /// Its colour, `#rrggbb`.
    pub colour: String,
    /// Colour of what is still to come; nothing leaves the picture free.
    pub background: Option<String>,
    /// Its height in percent of the picture's shorter side.
    #[schemars(range(min = 0.2, max = 10.0))]
    pub height_percent: f64,
    /// Whether it lies along the upper side.
    pub top: bool,
}

impl Default for ProgressBar {
    fn default() -> Self {
        Self { colour: "#ffcc00".into(), background: Some("#000000".into()), height_percent: 1.0, top: false }
    }
}

#[cfg(test)]
mod tests {
    use super::{Corner, Logo};
    use crate::plan::Canvas;
    use std::path::Path;

    #[test]
    fn a_logo_keeps_its_shape_and_its_distance() {
        let canvas = Canvas { width: 1_080, height: 1_920, fps: 30 };
        let logo = |place, size_percent| Logo {
            media: Path::new("/x.png").into(),
            place,
            size_percent,
            margin_percent: 5.0,
            opacity: 1.0,
            at_ms: 0,
            duration_ms: None,
        };
        assert_eq!(logo(Corner::TopRight, 20.0).area(canvas, 200.0, 100.0), (216, 108, 810, 54));
        assert_eq!(logo(Corner::BottomLeft, 20.0).area(canvas, 100.0, 100.0), (216, 216, 54, 1_650));
        assert_eq!(logo(Corner::Centre, 100.0).area(canvas, 1.0, 10.0), (192, 1_920, 444, 0));
    }
}
