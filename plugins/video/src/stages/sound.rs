//! `video.sound`: the sound of a long video, encoded once as a whole, beside its chunks.

use super::common::{Watch, failure, traits};
use super::encode::round;
use super::settings::Settings;
use super::source::Source;
use crate::render::render_sound;
use crate::timeline::{Fit, Loudness};
use reelmill_sdk::prelude::*;

/// A video whose sound is wanted.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The source that `video.split` was given.
    source: Source,
    /// `settings` of `video.split`.
    settings: Settings,
    /// What the sound is brought to, in place of what the timeline says.
    #[serde(default)]
    loudness: Option<Loudness>,
}

/// The sound.
#[derive(Serialize, JsonSchema)]
pub struct Made {
    /// Sound and soft captions, as an MP4; nothing where the video has neither.
    #[schemars(extend("x-media-types" = ["video/mp4"]))]
    sound: Option<OutputFile>,
    /// Integrated loudness of the sound before encoding; nothing for silence.
    loudness_lufs: Option<f64>,
    /// Its true peak.
    true_peak_dbtp: Option<f64>,
}

/// The stage.
pub struct SoundStage;

impl Stage for SoundStage {
    const ID: &'static str = "sound";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "The sound of a long video as a whole, and its soft captions";
    type Input = Input;
    type Output = Made;

    fn traits() -> StageTraits {
        traits(1, 1_024, Vec::new())
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Made, StageError> {
        let mut ready = input.source.ready(Fit::default())?;
        ready.timeline.loudness = input.loudness.or(ready.timeline.loudness);
        let to = cx.output("sound.mp4");
        let output = input.settings.output();
        let made = render_sound(&ready.timeline, &output, &to, cx.scratch(), &Watch(cx)).map_err(failure)?;
        let loudness = made.flatten();
        let sound = made.map(|_| OutputFile::new(cx, &to, "video/mp4")).transpose()?;
        Ok(Made {
            sound,
            loudness_lufs: loudness.and_then(|l| l.lufs).map(round),
            true_peak_dbtp: loudness.and_then(|l| l.true_peak_dbtp).map(round),
        })
    }
}
