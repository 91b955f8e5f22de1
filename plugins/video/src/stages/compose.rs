//! `video.compose`: scenes, music and captions become a timeline.

use super::common::{Watch, canvas, default_aspect, default_fps, default_height, failure, mezzanine, traits};
use super::source::{clip_of_file, sound_ms};
use crate::render::render;
use crate::style::CaptionStyle;
use crate::timeline::{Clip, Fit, Loudness, Media, Music, Timeline, Transition, TransitionKind};
use reelmill_sdk::prelude::*;

/// A scene.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "the `video` of video.clip, an artifact of a video file, or a path")]
enum Scene {
    /// What `video.clip` put out.
    Clip(Box<Clip>),
    /// A file, shown whole with its own sound.
    File(Media),
}

/// Captions on, off, or in a style.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "true, false or a caption style")]
enum Captions {
    /// In the usual style, or none.
    Switch(bool),
    /// In this style.
    Style(Box<CaptionStyle>),
}

/// A composition.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The scenes in order: `video` of `video.clip`, or video files.
    #[schemars(length(min = 1, max = 2000))]
    clips: Vec<Scene>,
    /// How one scene becomes the next.
    #[serde(default)]
    transition: TransitionKind,
    /// How long that takes.
    #[serde(default = "default_transition")]
    #[schemars(range(min = 30, max = 5000))]
    transition_ms: u64,
    /// Whether the words of the scenes are shown, and how.
    #[serde(default = "captions_on")]
    captions: Captions,
    /// Music under the whole video; it starts again when it is too short.
    #[serde(default)]
    music: Option<Media>,
    /// How loud the music is, in decibels.
    #[serde(default = "default_gain")]
    #[schemars(range(min = -60.0, max = 20.0))]
    music_gain_db: f64,
    /// Whether the music gives way while someone speaks.
    #[serde(default = "duck_on")]
    duck: bool,
    /// How long the music takes to come.
    #[serde(default = "default_fade_in")]
    music_fade_in_ms: u64,
    /// How long the music takes to go.
    #[serde(default = "default_fade_out")]
    music_fade_out_ms: u64,
    /// What the sound is brought to; `null` leaves it as it is.
    #[serde(default = "usual_loudness")]
    loudness: Option<Loudness>,
    /// How files of another shape fill the picture.
    #[serde(default)]
    fit: Fit,
    /// Make a file already. Costs a generation of quality when it is encoded again.
    #[serde(default)]
    render: bool,
    /// Aspect of that file.
    #[serde(default = "default_aspect")]
    aspect: String,
    /// Shorter side of that file, in pixels.
    #[serde(default = "default_height")]
    height: u32,
    /// Frames a second of that file.
    #[serde(default = "default_fps")]
    #[schemars(range(min = 1, max = 120))]
    fps: u32,
}

fn default_transition() -> u64 {
    400
}
fn captions_on() -> Captions {
    Captions::Switch(true)
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
        let file = input.render;
        let timeline = timeline(input, cx)?;
        let (duration_ms, clips) = (timeline.duration_ms(), timeline.clips.len());
        let video = if file {
            let to = cx.output("composition.mp4");
            render(&timeline, &mezzanine(canvas), &to, cx.scratch(), &Watch(cx)).map_err(failure)?;
            Video::File(OutputFile::new(cx, &to, "video/mp4")?)
        } else {
            Video::Timeline(Box::new(timeline))
        };
        Ok(Composed { video, duration_ms, clips })
    }
}

fn timeline(input: Input, cx: &Cx<'_>) -> Result<Timeline, StageError> {
    if input.clips.is_empty() {
        return Err(StageError::invalid_input("clips is empty: a video needs a scene").code("no_clips"));
    }
    let mut clips = Vec::new();
    for scene in input.clips {
        cx.check()?;
        clips.push(match scene {
            Scene::Clip(clip) => *clip,
            Scene::File(media) => clip_of_file(&media, input.fit)?.0,
        });
    }
    if let Some(music) = &input.music {
        sound_ms(music).context("music")?;
    }
    let music = input.music.map(|media| Music {
        media,
        gain_db: input.music_gain_db,
        duck: input.duck,
        fade_in_ms: input.music_fade_in_ms,
        fade_out_ms: input.music_fade_out_ms,
    });
    let captions = match input.captions {
        Captions::Switch(on) => on.then(CaptionStyle::default),
        Captions::Style(style) => Some(*style),
    };
    let transition = Transition { kind: input.transition, duration_ms: input.transition_ms };
    Ok(Timeline { clips, transition, captions, music, loudness: input.loudness })
}
