//! What a composition is: the JSON that goes from `video.clip` to `video.compose` to `video.encode`.
//!
//! Files stand in it as artifact references (or paths), so that it is small and nothing is copied. All times
//! are milliseconds. Pure: nothing here opens a file.

use crate::style::CaptionStyle;
use reelmill_sdk::prelude::*;
use std::path::Path;

/// A media file: an artifact, or a path on the worker's disk.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "an artifact (an output of a stage, or a file input) or a path")]
pub enum Media {
    /// A stored file.
    Stored(Artifact),
    /// A path.
    Path(InputPath),
}

impl Media {
    /// Where it can be read.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Stored(artifact) => artifact.path(),
            Self::Path(path) => path.as_path(),
        }
    }
}

impl From<&Path> for Media {
    fn from(path: &Path) -> Self {
        Self::Path(InputPath(path.to_owned()))
    }
}

/// How material of another shape fills the picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Fills the whole picture; what is too much is cut off at the sides.
    #[default]
    Cover,
    /// Shows all of the material; bars in `background` fill the rest.
    Fit,
    /// Shows all of the material over a blurred copy of itself.
    Blur,
}

/// How a still picture moves (the Ken Burns effect). Clips are not moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// Another one for each picture of a scene, in turn.
    #[default]
    Auto,
    /// It stands still.
    None,
    /// Slowly closer.
    ZoomIn,
    /// Slowly farther.
    ZoomOut,
    /// The view goes to the left.
    PanLeft,
    /// The view goes to the right.
    PanRight,
    /// The view goes up.
    PanUp,
    /// The view goes down.
    PanDown,
}

/// What a clip that is shorter than its shot does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhenShort {
    /// It starts again.
    #[default]
    Loop,
    /// Its last frame stays.
    Freeze,
}

/// One piece of material on screen, until the next shot cuts in.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shot {
    /// The clip or picture.
    pub media: Media,
    /// Where in the clip it starts.
    #[serde(default)]
    pub in_ms: u64,
    /// How long it is on screen.
    pub duration_ms: u64,
    /// How it fills the picture.
    #[serde(default)]
    pub fit: Fit,
    /// Colour of the bars of `fit: fit`, as `#rrggbb` or a name.
    #[serde(default = "black")]
    pub background: String,
    /// How a still picture moves.
    #[serde(default)]
    pub motion: Motion,
    /// What a clip does that is too short.
    #[serde(default)]
    pub when_short: WhenShort,
}

pub(crate) fn black() -> String {
    "black".into()
}

/// A sound within a scene: its narration, or the sound of a clip.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sound {
    /// The file.
    pub media: Media,
    /// When it starts, counted from the start of the scene.
    #[serde(default)]
    pub at_ms: u64,
    /// Where in the file it starts.
    #[serde(default)]
    pub in_ms: u64,
    /// Louder (above 0) or quieter, in decibels.
    #[serde(default)]
    pub gain_db: f64,
}

/// A spoken word and when it is said, counted from the start of the scene.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Word {
    /// The word with its punctuation.
    pub text: String,
    /// When it starts.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

/// One scene: what `video.clip` puts out and `video.compose` joins.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clip {
    /// Length of the scene.
    pub duration_ms: u64,
    /// What is seen, in order; together as long as the scene.
    pub shots: Vec<Shot>,
    /// What is heard.
    #[serde(default)]
    pub sounds: Vec<Sound>,
    /// The words said, for captions.
    #[serde(default)]
    pub words: Vec<Word>,
}

/// How one scene becomes the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransitionKind {
    /// At once.
    #[default]
    Cut,
    /// One picture fades into the other.
    Fade,
    /// Through black.
    FadeBlack,
    /// Through white.
    FadeWhite,
    /// Grain by grain.
    Dissolve,
    /// An edge goes to the left.
    WipeLeft,
    /// An edge goes to the right.
    WipeRight,
    /// The new picture comes from the right.
    SlideLeft,
    /// The new picture comes from the left.
    SlideRight,
    /// The new picture comes from below.
    SlideUp,
    /// The new picture comes from above.
    SlideDown,
    /// A soft edge goes to the left.
    SmoothLeft,
    /// A soft edge goes to the right.
    SmoothRight,
    /// A circle opens.
    CircleOpen,
}

impl TransitionKind {
    /// libav's name in the filter `xfade`; nothing for a cut.
    #[must_use]
    pub fn xfade(self) -> Option<&'static str> {
        Some(match self {
            Self::Cut => return None,
            Self::Fade => "fade",
            Self::FadeBlack => "fadeblack",
            Self::FadeWhite => "fadewhite",
            Self::Dissolve => "dissolve",
            Self::WipeLeft => "wipeleft",
            Self::WipeRight => "wiperight",
            Self::SlideLeft => "slideleft",
            Self::SlideRight => "slideright",
            Self::SlideUp => "slideup",
            Self::SlideDown => "slidedown",
            Self::SmoothLeft => "smoothleft",
            Self::SmoothRight => "smoothright",
            Self::CircleOpen => "circleopen",
        })
    }
}

/// How scenes follow each other. A transition runs at the start of the new scene, over which the old one goes
/// on, so that scenes keep their lengths and narrations their places.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Transition {
    /// In which way.
    pub kind: TransitionKind,
    /// How long; half of the shorter scene at most.
    pub duration_ms: u64,
}

impl Default for Transition {
    fn default() -> Self {
        Self { kind: TransitionKind::Cut, duration_ms: 400 }
    }
}

/// Music under the whole video; it starts again when it is too short.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Music {
    /// The file.
    pub media: Media,
    /// Louder (above 0) or quieter than it is, in decibels.
    #[serde(default = "music_gain")]
    pub gain_db: f64,
    /// Whether it gives way while someone speaks.
    #[serde(default = "yes")]
    pub duck: bool,
    /// How long it takes to come.
    #[serde(default = "fade_in")]
    pub fade_in_ms: u64,
    /// How long it takes to go.
    #[serde(default = "fade_out")]
    pub fade_out_ms: u64,
}

fn music_gain() -> f64 {
    -14.0
}
fn yes() -> bool {
    true
}
fn fade_in() -> u64 {
    500
}
fn fade_out() -> u64 {
    3_000
}

/// What the sound is brought to.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Loudness {
    /// Integrated loudness in LUFS (EBU R 128).
    #[schemars(range(min = -40.0, max = -5.0))]
    pub lufs: f64,
    /// Highest true peak of the finished video, in dBTP.
    #[schemars(range(min = -20.0, max = 0.0))]
    pub true_peak_dbtp: f64,
}

impl Default for Loudness {
    fn default() -> Self {
        Self { lufs: -14.0, true_peak_dbtp: -1.0 }
    }
}

/// A whole video: what `video.compose` puts out and `video.encode` renders.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// The scenes in order.
    pub clips: Vec<Clip>,
    /// How scenes follow each other.
    #[serde(default)]
    pub transition: Transition,
    /// How the words are shown; nothing shows none.
    #[serde(default)]
    pub captions: Option<CaptionStyle>,
    /// Music.
    #[serde(default)]
    pub music: Option<Music>,
    /// What the sound is brought to; nothing leaves it as it is.
    #[serde(default)]
    pub loudness: Option<Loudness>,
}

impl Timeline {
    /// Length of the whole.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.clips.iter().map(|clip| clip.duration_ms).sum()
    }
}
