//! What a composition is: the JSON that goes from `video.clip` to `video.compose` to `video.encode`.
//!
//! Files stand in it as artifact references (or paths), so that it is small and nothing is copied. All times
//! are milliseconds. Pure: nothing here opens a file.

use crate::overlay::{Logo, ProgressBar, Title};
use crate::style::CaptionStyle;
pub use crate::transition::{Transition, TransitionKind};
use reelmill_content::Filter;
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
    /// Like `cover`, but what is kept is where there is most to see: edges and movement, looked at once a shot.
    Smart,
}

/// A point of a picture, in percent from its left and upper side.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Focus {
    /// From the left.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub x: f64,
    /// From above.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub y: f64,
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
    /// The clip or picture; without one there is only `background`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Media>,
    /// Where in the clip it starts.
    #[serde(default)]
    pub in_ms: u64,
    /// How long it is on screen.
    pub duration_ms: u64,
    /// How it fills the picture.
    #[serde(default)]
    pub fit: Fit,
    /// What of it is kept in the middle of the picture, as near as its sides allow, where `cover` cuts it off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focus: Option<Focus>,
    /// Colour of the bars of `fit: fit`, or of a shot without material, as `#rrggbb` or a name.
    #[serde(default = "black")]
    pub background: String,
    /// How fast the clip runs; 2 is twice as fast.
    #[serde(default = "one")]
    #[schemars(range(min = 0.25, max = 4.0))]
    pub speed: f64,
    /// How it follows the shot before in its scene; without it, by a cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition: Option<Transition>,
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

pub(crate) fn one() -> f64 {
    1.0
}

impl Shot {
    /// Material for so long, as everything else usually is.
    #[must_use]
    pub fn new(media: Option<Media>, duration_ms: u64) -> Self {
        Self {
            media,
            in_ms: 0,
            duration_ms,
            fit: Fit::default(),
            focus: None,
            background: black(),
            speed: 1.0,
            transition: None,
            motion: Motion::default(),
            when_short: WhenShort::default(),
        }
    }
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
    /// How fast it is played, at the same pitch.
    #[serde(default = "one")]
    #[schemars(range(min = 0.25, max = 4.0))]
    pub speed: f64,
}

impl Sound {
    /// A file from its start, as it is.
    #[must_use]
    pub fn new(media: Media) -> Self {
        Self { media, at_ms: 0, in_ms: 0, gain_db: 0.0, speed: 1.0 }
    }
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
    /// How it follows the scene before; without it, as the timeline says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition: Option<Transition>,
}

impl Clip {
    /// What is seen, and nothing to be heard.
    #[must_use]
    pub fn silent(shots: Vec<Shot>) -> Self {
        let duration_ms = shots.iter().map(|shot| shot.duration_ms).sum();
        Self { duration_ms, shots, sounds: Vec::new(), words: Vec::new(), transition: None }
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

/// The form of timelines that this build writes and reads.
pub const VERSION: u32 = 1;

/// A whole video, or edit decision list: what `video.compose` puts out and `video.encode` renders. Other programs may
/// write it; `schemas/edl.schema.json` is its form.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// The form it is written in; 1 is the only one there is.
    #[serde(default = "version")]
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// The scenes in order.
    #[schemars(length(min = 1, max = 2000))]
    pub clips: Vec<Clip>,
    /// How scenes follow each other.
    #[serde(default)]
    pub transition: Transition,
    /// How the words are shown; nothing shows none.
    #[serde(default)]
    pub captions: Option<CaptionStyle>,
    /// What is done to the pictures before logos and texts are laid over them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub filters: Vec<Filter>,
    /// Texts over the pictures: lower thirds and titles.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub titles: Vec<Title>,
    /// Pictures over the pictures: a logo, a watermark.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub logos: Vec<Logo>,
    /// A bar that grows with the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressBar>,
    /// Music.
    #[serde(default)]
    pub music: Option<Music>,
    /// What the sound is brought to; nothing leaves it as it is.
    #[serde(default)]
    pub loudness: Option<Loudness>,
}

fn version() -> u32 {
    VERSION
}

impl Timeline {
    /// Scenes after each other, and nothing more.
    #[must_use]
    pub fn new(clips: Vec<Clip>) -> Self {
        Self {
            version: VERSION,
            clips,
            transition: Transition::default(),
            filters: Vec::new(),
            captions: None,
            titles: Vec::new(),
            logos: Vec::new(),
            progress: None,
            music: None,
            loudness: None,
        }
    }

    /// Calls with every file that it names.
    pub fn each_media(&mut self, take: &mut dyn FnMut(&mut Media)) {
        for clip in &mut self.clips {
            clip.shots.iter_mut().filter_map(|shot| shot.media.as_mut()).for_each(&mut *take);
            clip.sounds.iter_mut().for_each(|sound| take(&mut sound.media));
        }
        self.captions.iter_mut().filter_map(|style| style.font_file.as_mut()).for_each(&mut *take);
        self.titles.iter_mut().filter_map(|title| title.style.font_file.as_mut()).for_each(&mut *take);
        self.logos.iter_mut().for_each(|logo| take(&mut logo.media));
        self.music.iter_mut().for_each(|music| take(&mut music.media));
    }

    /// Length of the whole.
    #[must_use]
    pub fn duration_ms(&self) -> u64 {
        self.clips.iter().map(|clip| clip.duration_ms).sum()
    }
}
