//! `video.clip`: one scene from footage and narration.

use super::common::{Watch, canvas, default_aspect, default_fps, default_height, failure, mezzanine, traits};
use super::cut::{Cut, Order, Piece, SHOT_MS_MIN, rounds, share};
use super::source::{pictures, sound_ms};
use crate::dice::Dice;
use crate::render::render;
use crate::timeline::{
    self, Fit, Media, Motion, Shot, Sound, Timeline, Transition, TransitionKind, WhenShort, Word, black, one,
};
use crate::transition::Choice;
use reelmill_sdk::prelude::*;

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
    /// In which order footage is shown.
    #[serde(default)]
    order: Order,
    /// What a random order follows from: the same seed, the same order. `run.seed` is another one in every run.
    #[serde(default)]
    seed: u64,
    /// The longest a piece of footage is shown before the next one cuts in; all of it comes again where the scene is
    /// longer, and clips go on where they were left. Without it each is shown once.
    #[serde(default)]
    #[schemars(range(min = 200, max = 600_000))]
    max_shot_ms: Option<u64>,
    /// How fast clips run; 2 is twice as fast.
    #[serde(default = "one")]
    #[schemars(range(min = 0.25, max = 4.0))]
    speed: f64,
    /// How one piece of footage becomes the next: the name of a transition, `random`, or a list of names.
    #[serde(default = "cut")]
    transition: Choice,
    /// How long that takes.
    #[serde(default = "default_transition")]
    #[schemars(range(min = 30, max = 5000))]
    transition_ms: u64,
    /// Louder (above 0) or quieter narration, in decibels.
    #[serde(default)]
    #[schemars(range(min = -60.0, max = 20.0))]
    audio_gain_db: f64,
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

pub(super) fn cut() -> Choice {
    Choice::One(TransitionKind::Cut)
}

fn default_transition() -> u64 {
    400
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
        let timeline = Timeline::new(vec![scene]);
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
    let mut pieces = Vec::new();
    for media in &input.footage {
        cx.check()?;
        let (info, video) = pictures(media)?;
        let length = if video.duration_ms > 0 { video.duration_ms } else { info.duration_ms };
        // As long as it is on screen.
        let length = super::cut::slower(length, input.speed);
        pieces.push(Piece {
            length: (!info.picture && length > 0).then_some(length),
            speed: input.speed,
            sound: info.audio.is_some(),
        });
    }
    let mut dice = Dice::new(input.seed);
    let cuts = match input.max_shot_ms {
        Some(most_ms) => rounds(&pieces, duration_ms, most_ms, input.order, &mut dice),
        None => once(&pieces, duration_ms, input.order, &mut dice, cx),
    };
    let joins = input.transition.kinds(cuts.len(), &mut dice);
    let narration =
        input.audio.iter().map(|m| Sound { gain_db: input.audio_gain_db, ..Sound::new(m.clone()) });
    let mut clip =
        timeline::Clip { duration_ms, words: input.words.clone(), ..timeline::Clip::silent(Vec::new()) };
    clip.sounds = narration.collect();
    let mut at_ms = 0;
    for (cut, kind) in cuts.iter().zip(joins) {
        let media = &input.footage[cut.piece];
        if let (Some(gain_db), true) = (input.footage_gain_db, pieces[cut.piece].sound) {
            let (in_ms, speed) = (cut.in_ms, input.speed);
            clip.sounds.push(Sound { at_ms, in_ms, gain_db, speed, ..Sound::new(media.clone()) });
        }
        let moving = kind != TransitionKind::Cut;
        clip.shots.push(Shot {
            in_ms: cut.in_ms,
            fit: input.fit,
            background: input.background.clone(),
            motion: input.motion,
            when_short: input.when_short,
            speed: input.speed,
            transition: moving.then_some(Transition { kind, duration_ms: input.transition_ms }),
            ..Shot::new(Some(media.clone()), cut.duration_ms)
        });
        at_ms += cut.duration_ms;
    }
    Ok(clip)
}

/// Every piece once, as far as the scene is long enough.
fn once(pieces: &[Piece], duration_ms: u64, order: Order, dice: &mut Dice, cx: &Cx<'_>) -> Vec<Cut> {
    let most = usize::try_from((duration_ms / SHOT_MS_MIN).max(1)).unwrap_or(usize::MAX);
    if most < pieces.len() {
        cx.info(format!("the scene is too short for all footage: {most} of it are shown"));
    }
    let shown: Vec<usize> = order.of(pieces.len(), dice).into_iter().take(most).collect();
    let lengths: Vec<Option<u64>> = shown.iter().map(|piece| pieces[*piece].length).collect();
    let shares = share(&lengths, duration_ms);
    shown.into_iter().zip(shares).map(|(piece, duration_ms)| Cut { piece, in_ms: 0, duration_ms }).collect()
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
