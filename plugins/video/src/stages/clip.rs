//! `video.clip`: one scene from footage and narration.

use super::common::{Watch, canvas, default_aspect, default_fps, default_height, failure, mezzanine, traits};
use super::source::{pictures, sound_ms};
use crate::render::render;
use crate::timeline::{self, Fit, Media, Motion, Shot, Sound, Timeline, WhenShort, Word, black};
use reelmill_sdk::prelude::*;

/// A shot is not cut shorter than this to make room for more footage.
const SHOT_MS_MIN: u64 = 1_500;
/// The longest scene.
const SCENE_MS_MAX: u64 = 4 * 3_600_000;

/// One scene.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Clips and pictures in the order they are shown; they share the scene's time.
    #[schemars(length(min = 1, max = 50))]
    footage: Vec<Media>,
    /// The narration. The scene is as long as it, plus `pad_ms`.
    #[serde(default)]
    audio: Option<Media>,
    /// Length of the scene in seconds, where there is no narration or it should be longer.
    #[serde(default)]
    #[schemars(range(min = 0.1))]
    seconds: Option<f64>,
    /// Silence after the narration.
    #[serde(default = "default_pad")]
    #[schemars(range(max = 60000))]
    pad_ms: u64,
    /// The words of the narration with their times (`words` of `tts.speak`), for captions.
    #[serde(default)]
    words: Vec<Word>,
    /// How material of another shape fills the picture.
    #[serde(default)]
    fit: Fit,
    /// How still pictures move.
    #[serde(default)]
    motion: Motion,
    /// What a clip does that is shorter than its share.
    #[serde(default)]
    when_short: WhenShort,
    /// Colour of the bars of `fit: fit`.
    #[serde(default = "black")]
    background: String,
    /// How loud the clips' own sound is, in decibels; without it they are silent.
    #[serde(default)]
    footage_gain_db: Option<f64>,
    /// Make a file of the scene already. Costs a generation of quality, and captions are lost: only for looking
    /// at scenes one by one.
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

fn default_pad() -> u64 {
    300
}

/// A scene or a file of it.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Video {
    /// What to show and when: nothing is encoded yet.
    Scene(Box<timeline::Clip>),
    /// A file (`render: true`).
    File(OutputFile),
}

/// The scene.
#[derive(Serialize, JsonSchema)]
pub struct Made {
    /// For `clips` of `video.compose`, or `source` of `video.encode`.
    video: Video,
    /// Its length.
    duration_ms: u64,
    /// How many pieces of footage are shown.
    shots: usize,
}

/// The stage.
pub struct Clip;

impl Stage for Clip {
    const ID: &'static str = "clip";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "One scene from footage and narration; a description, not yet a file";
    type Input = Input;
    type Output = Made;

    fn traits() -> StageTraits {
        let note = "A clip and a picture for six seconds".to_owned();
        let with = json!({ "footage": ["media/sea.mp4", "media/moon.jpg"], "seconds": 6, "fit": "cover" });
        traits(1, 1_024, vec![Example { note, with }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Made, StageError> {
        let scene = scene(&input, cx)?;
        let (duration_ms, shots) = (scene.duration_ms, scene.shots.len());
        if !input.render {
            return Ok(Made { video: Video::Scene(Box::new(scene)), duration_ms, shots });
        }
        let canvas = canvas(&input.aspect, input.height, input.fps)?;
        let timeline = Timeline {
            clips: vec![scene],
            transition: timeline::Transition::default(),
            captions: None,
            music: None,
            loudness: None,
        };
        let to = cx.output("clip.mp4");
        render(&timeline, &mezzanine(canvas), &to, cx.scratch(), &Watch(cx)).map_err(failure)?;
        let file = OutputFile::new(cx, &to, "video/mp4")?;
        Ok(Made { video: Video::File(file), duration_ms, shots })
    }
}

fn scene(input: &Input, cx: &Cx<'_>) -> Result<timeline::Clip, StageError> {
    if input.footage.is_empty() {
        return Err(StageError::invalid_input("footage is empty: a scene needs a clip or a picture")
            .code("no_footage"));
    }
    let narration_ms = input.audio.as_ref().map(sound_ms).transpose()?;
    let duration_ms = length(narration_ms.map(|ms| ms + input.pad_ms), input.seconds)?;
    let mut lengths = Vec::new();
    for media in &input.footage {
        cx.check()?;
        let (info, video) = pictures(media)?;
        let length = if video.duration_ms > 0 { video.duration_ms } else { info.duration_ms };
        lengths.push(Piece {
            length: (!info.picture && length > 0).then_some(length),
            sound: info.audio.is_some(),
        });
    }
    let most = usize::try_from((duration_ms / SHOT_MS_MIN).max(1)).unwrap_or(usize::MAX);
    if most < input.footage.len() {
        cx.info(format!("the scene is too short for all footage: the first {most} are shown"));
    }
    let shares = share(&lengths[..most.min(lengths.len())], duration_ms);
    let mut sounds: Vec<Sound> =
        input.audio.iter().map(|m| Sound { media: m.clone(), at_ms: 0, in_ms: 0, gain_db: 0.0 }).collect();
    let mut shots = Vec::new();
    let mut at_ms = 0;
    for ((media, piece), duration_ms) in input.footage.iter().zip(&lengths).zip(shares) {
        if let (Some(gain_db), true) = (input.footage_gain_db, piece.sound) {
            sounds.push(Sound { media: media.clone(), at_ms, in_ms: 0, gain_db });
        }
        shots.push(Shot {
            media: media.clone(),
            in_ms: 0,
            duration_ms,
            fit: input.fit,
            background: input.background.clone(),
            motion: input.motion,
            when_short: input.when_short,
        });
        at_ms += duration_ms;
    }
    Ok(timeline::Clip { duration_ms, shots, sounds, words: input.words.clone() })
}

/// How long the scene is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a length in range"
)]
fn length(narration_ms: Option<u64>, seconds: Option<f64>) -> Result<u64, StageError> {
    let wanted = seconds.map(|s| (s * 1_000.0).clamp(0.0, 1e12).round() as u64);
    let Some(ms) = narration_ms.max(wanted) else {
        return Err(StageError::invalid_input("a scene needs `audio` or `seconds`").code("no_length"));
    };
    if !(100..=SCENE_MS_MAX).contains(&ms) {
        return Err(StageError::invalid_input(format!("a scene of {ms} ms is not possible: 0.1 s to 4 h")));
    }
    Ok(ms)
}

/// A piece of footage as far as sharing time is concerned.
struct Piece {
    /// Length of a clip; nothing for a picture.
    length: Option<u64>,
    sound: bool,
}

/// Shares the scene's time: evenly, but clips that are too short for their share give the rest to the others.
fn share(pieces: &[Piece], total_ms: u64) -> Vec<u64> {
    let mut shares = vec![None; pieces.len()];
    loop {
        let taken: u64 = shares.iter().flatten().sum();
        let open = shares.iter().filter(|s| s.is_none()).count() as u64;
        if open == 0 {
            break;
        }
        let even = total_ms.saturating_sub(taken) / open;
        let short: Vec<usize> = (0..pieces.len())
            .filter(|i| {
                shares[*i].is_none() && pieces[*i].length.is_some_and(|l| l < even && l >= SHOT_MS_MIN)
            })
            .collect();
        // When all that is left is too short, they repeat, in equal parts.
        if short.is_empty() || short.len() as u64 == open {
            shares.iter_mut().filter(|s| s.is_none()).for_each(|s| *s = Some(even));
            break;
        }
        for index in short {
            shares[index] = pieces[index].length;
        }
    }
    let mut shares: Vec<u64> = shares.into_iter().flatten().collect();
    let sum: u64 = shares.iter().sum();
    if let Some(last) = shares.last_mut() {
        *last += total_ms.saturating_sub(sum);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::{Piece, share};

    fn shares(lengths: &[Option<u64>], total: u64) -> Vec<u64> {
        let pieces: Vec<Piece> = lengths.iter().map(|l| Piece { length: *l, sound: false }).collect();
        share(&pieces, total)
    }

    #[test]
    fn time_is_shared_evenly_and_to_the_last_millisecond() {
        assert_eq!(shares(&[None, None, None], 10_000), [3_333, 3_333, 3_334]);
        assert_eq!(shares(&[Some(60_000)], 4_200), [4_200]);
    }

    #[test]
    fn a_short_clip_leaves_its_rest_to_the_others() {
        assert_eq!(shares(&[Some(2_000), None, Some(60_000)], 12_000), [2_000, 5_000, 5_000]);
    }

    #[test]
    fn clips_that_are_all_too_short_repeat_in_equal_parts() {
        assert_eq!(shares(&[Some(2_000), Some(2_000)], 10_000), [5_000, 5_000]);
    }
}
