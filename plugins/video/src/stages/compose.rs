//! `video.compose`: scenes, music and captions become a timeline.

use super::assemble::{Bar, Captions, Card, Mark, Scene, assemble};
use super::common::{Watch, canvas, default_aspect, default_fps, default_height, failure, mezzanine, traits};
use super::cut::Order;
use super::edl::{Edl, named};
use super::music;
use crate::overlay::Title;
use crate::render::render;
use crate::timeline::{Fit, Loudness, Media, Timeline, one};
use crate::transition::Choice;
use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;

/// A composition.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The scenes: `video` of `video.clip`, or video files.
    #[serde(default)]
    #[schemars(length(max = 2000))]
    pub clips: Vec<Scene>,
    /// An edit decision list to begin with, in place of `clips`: an object as in `schemas/edl.schema.json`, or a JSON
    /// file of it. What is said here besides replaces or adds to what it says.
    #[serde(default)]
    pub edl: Option<Edl>,
    /// Files that the list names, by these names.
    #[serde(default)]
    pub files: BTreeMap<String, Media>,
    /// The folder from which the paths of the list start.
    #[serde(default)]
    pub folder: Option<InputPath>,
    /// In which order scenes follow each other.
    #[serde(default)]
    pub order: Order,
    /// What a random order, random transitions and the choice of music follow from: the same seed, the same video.
    /// `run.seed` is another one in every run.
    #[serde(default)]
    pub seed: u64,
    /// The longest a file among the scenes is shown.
    #[serde(default)]
    #[schemars(range(min = 200, max = 14_400_000))]
    pub max_clip_ms: Option<u64>,
    /// How fast files among the scenes run; 2 is twice as fast.
    #[serde(default = "one")]
    #[schemars(range(min = 0.25, max = 4.0))]
    pub speed: f64,
    /// How one scene becomes the next: the name of a transition, `random`, or a list of names to be used in turn.
    #[serde(default)]
    pub transition: Option<Choice>,
    /// How long that takes.
    #[serde(default = "default_transition")]
    #[schemars(range(min = 30, max = 5000))]
    pub transition_ms: u64,
    /// Whether the words of the scenes are shown, and how. They are, by default.
    #[serde(default)]
    pub captions: Option<Captions>,
    /// A video file before the first scene, with its own sound.
    #[serde(default)]
    pub intro: Option<Media>,
    /// A video file after the last scene.
    #[serde(default)]
    pub outro: Option<Media>,
    /// A card with a title before the scenes.
    #[serde(default)]
    pub title_card: Option<Card>,
    /// A card after the scenes, for example with credits.
    #[serde(default)]
    pub end_card: Option<Card>,
    /// Texts over the pictures, such as lower thirds; their times count from the start of the video.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub titles: Vec<Title>,
    /// A logo or watermark: a picture, or one with its place, size and opacity.
    #[serde(default)]
    pub logo: Option<Mark>,
    /// A bar that grows with the time.
    #[serde(default)]
    pub progress: Option<Bar>,
    /// Music under the whole video, which starts again when it is too short: a file, a list of files, or
    /// `{ folder: … }`; of several one is taken.
    #[serde(default)]
    pub music: Option<music::Choice>,
    /// The mood of the music that is taken: a word of its file's name, or of the sidecar file beside it.
    #[serde(default)]
    pub music_mood: Option<String>,
    /// How loud the music is, in decibels.
    #[serde(default = "default_gain")]
    #[schemars(range(min = -60.0, max = 20.0))]
    pub music_gain_db: f64,
    /// Whether the music gives way while someone speaks.
    #[serde(default = "duck_on")]
    pub duck: bool,
    /// How long the music takes to come.
    #[serde(default = "default_fade_in")]
    pub music_fade_in_ms: u64,
    /// How long the music takes to go.
    #[serde(default = "default_fade_out")]
    pub music_fade_out_ms: u64,
    /// What the sound is brought to; `null` leaves it as it is.
    #[serde(default = "usual_loudness")]
    pub loudness: Option<Loudness>,
    /// How files of another shape fill the picture.
    #[serde(default)]
    pub fit: Fit,
    /// Write the edit decision list as a file too; `files` are then the files that it names.
    #[serde(default)]
    pub write_edl: bool,
    /// Make a file already. Costs a generation of quality when it is encoded again.
    #[serde(default)]
    pub render: bool,
    /// Aspect of that file.
    #[serde(default = "default_aspect")]
    pub aspect: String,
    /// Shorter side of that file, in pixels.
    #[serde(default = "default_height")]
    pub height: u32,
    /// Frames a second of that file.
    #[serde(default = "default_fps")]
    #[schemars(range(min = 1, max = 120))]
    pub fps: u32,
}

fn default_transition() -> u64 {
    400
}
fn default_gain() -> f64 {
    -14.0
}
fn duck_on() -> bool {
    true
}
fn default_fade_in() -> u64 {
    500
}
fn default_fade_out() -> u64 {
    3_000
}
#[expect(clippy::unnecessary_wraps, reason = "the default of a field that may be null")]
fn usual_loudness() -> Option<Loudness> {
    Some(Loudness::default())
}

/// A timeline or a file of it.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Video {
    /// What to show and play, and when: nothing is encoded yet.
    Timeline(Box<Timeline>),
    /// A file (`render: true`).
    File(OutputFile),
}

/// The composition.
#[derive(Serialize, JsonSchema)]
pub struct Composed {
    /// For `source` of `video.encode` and `video.thumbnail`.
    video: Video,
    /// Its length.
    duration_ms: u64,
    /// How many scenes it has.
    clips: usize,
    /// The edit decision list (`write_edl: true`).
    #[serde(skip_serializing_if = "Option::is_none")]
    edl: Option<OutputFile>,
    /// The files that the list names, for `files` of another `video.compose`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    files: BTreeMap<String, Media>,
}

/// The stage.
pub struct Compose;

impl Stage for Compose {
    const ID: &'static str = "compose";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "Scenes, music and captions as one timeline, ready to be encoded in one pass";
    type Input = Input;
    type Output = Composed;

    fn traits() -> StageTraits {
        let note = "Two files with a cross-fade and music".to_owned();
        let with = json!({
            "clips": ["media/sea.mp4", "media/moon.mp4"], "transition": "fade", "music": "media/calm.mp3",
            "captions": { "position": "bottom", "highlight": "#ffcc00" }
        });
        traits(1, 1_024, vec![Example { note, with }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Composed, StageError> {
        let canvas = canvas(&input.aspect, input.height, input.fps)?;
        let (file, write_edl) = (input.render, input.write_edl);
        let timeline = assemble(input, cx)?;
        let (duration_ms, clips) = (timeline.duration_ms(), timeline.clips.len());
        let (edl, files) = if write_edl { write(&timeline, cx)? } else { (None, BTreeMap::new()) };
        let video = if file {
            let to = cx.output("composition.mp4");
            render(&timeline, &mezzanine(canvas), &to, cx.scratch(), &Watch(cx)).map_err(failure)?;
            Video::File(OutputFile::new(cx, &to, "video/mp4")?)
        } else {
            Video::Timeline(Box::new(timeline))
        };
        Ok(Composed { video, duration_ms, clips, edl, files })
    }
}

/// The list as a file, and the files that it names.
fn write(
    timeline: &Timeline,
    cx: &Cx<'_>,
) -> Result<(Option<OutputFile>, BTreeMap<String, Media>), StageError> {
    let (list, files) = named(timeline.clone());
    let to = cx.output("edl.json");
    let text = serde_json::to_vec_pretty(&list).map_err(|e| StageError::internal(e.to_string()))?;
    std::fs::write(&to, text)
        .map_err(|e| StageError::resource(format!("edl.json: {e}")).code("not_written"))?;
    Ok((Some(OutputFile::new(cx, &to, "application/json")?), files))
}
