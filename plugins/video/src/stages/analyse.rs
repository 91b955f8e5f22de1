//! `video.analyse`: looks at a video once and says what it shows, scene by scene.

use super::common::{Watch, failure, traits};
use super::source::pictures;
use crate::timeline::Media;
use reelmill_content::{Class, Figures, Scene, analyse};
use reelmill_gpu::Cpu;
use reelmill_sdk::prelude::*;

/// A video to be looked at.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The video: an artifact, or a path.
    video: Media,
    /// Most scenes that are told of; of a video with more, the first ones are.
    #[serde(default = "most")]
    #[schemars(range(min = 1, max = 2000))]
    max_scenes: usize,
}

fn most() -> usize {
    200
}

/// What it shows.
#[derive(Serialize, JsonSchema)]
pub struct Shows {
    /// Its class: `static`, `slides`, `low_motion`, `high_motion`, `text_heavy` or `mixed`.
    class: Class,
    /// Its figures over all scenes.
    figures: Figures,
    /// Its scenes in order: from which frame to which, with class and figures.
    scenes: Vec<Scene>,
    /// When each scene begins, in milliseconds.
    starts_ms: Vec<u64>,
    /// How many scenes there are.
    scene_count: usize,
    /// Frames.
    frames: usize,
    /// Frames a second.
    fps: f64,
}

/// The stage.
pub struct Analyse;

impl Stage for Analyse {
    const ID: &'static str = "analyse";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "Says what a video shows: motion, detail, text, scenes, and the class they make";
    type Input = Input;
    type Output = Shows;

    fn traits() -> StageTraits {
        let note = "The class and the scenes of a file".to_owned();
        traits(2, 768, vec![Example { note, with: json!({ "video": "media/sea.mp4" }) }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Shows, StageError> {
        let (_, video) = pictures(&input.video)?;
        let fps = if video.fps > 0.0 { video.fps } else { 25.0 };
        let total = video.frames.unwrap_or(0);
        let found = analyse(input.video.path(), fps, total, &Cpu, &Watch(cx)).map_err(failure)?;
        let mut scenes = found.scenes;
        let scene_count = scenes.len();
        scenes.truncate(input.max_scenes);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds of a video"
        )]
        let starts_ms = scenes.iter().map(|s| (s.from as f64 * 1_000.0 / fps).round() as u64).collect();
        let (class, figures, frames) = (found.class, found.figures, found.frames);
        Ok(Shows { class, figures, scenes, starts_ms, scene_count, frames, fps })
    }
}
