//! `tts.split`: one recording of a whole script, cut into its scenes in the pauses between them.

use crate::found::{self, Wish};
use crate::recognise::Recogniser;
use crate::speech::{samples_of, whole};
use crate::token::Tokens;
use crate::types::{Fallback, SpokenWord, TEXT_CHARS_MAX, Timing};
use crate::{decode, shape, wav};
use reelmill_media::{CHANNELS, RATE, StereoReader};
use reelmill_sdk::prelude::*;
use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

/// Scenes of one recording at the most.
const SCENES_MAX: usize = 200;
/// Seconds of a recording at the most.
const SECONDS_MAX: u32 = 3_600;
/// Alignment needs no more than a third of the samples: 16 kHz.
const EVERY: u32 = 3;
/// How long a recogniser may ask to wait before the words are aligned instead.
const PATIENCE: Duration = Duration::from_secs(10);

/// The stage `tts.split`.
pub struct Split;

/// A scene of the script that was read.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Scene {
    /// Its name.
    #[schemars(length(min = 1, max = 200))]
    pub id: String,
    /// What is said in it.
    #[schemars(length(min = 1))]
    pub narration: String,
}

/// `with` of `tts.split`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secrets" = "credentials"))]
pub struct SplitInput {
    /// The recording: all scenes, read in their order.
    #[schemars(extend("x-media-types" = ["audio/*", "video/*"]))]
    pub audio: Artifact,
    /// The scenes; what `script.write` puts out fits.
    #[schemars(length(min = 1, max = 200))]
    pub scenes: Vec<Scene>,
    /// Who recognises the words. Where this fails, they are aligned as without it, and `fallbacks` says why.
    #[serde(default)]
    pub recognition: Option<Recogniser>,
    /// Language of the scenes for the recogniser, which finds out when it is left out: a tag such as `en`.
    #[serde(default)]
    #[schemars(length(min = 2, max = 35))]
    pub language: Option<String>,
}

/// A scene with its part of the recording.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SplitScene {
    /// Its name.
    pub id: String,
    /// Its part: WAV, 16 bit, two channels, 48 kHz.
    pub audio: OutputFile,
    /// Its words, with times in its part.
    pub words: Vec<SpokenWord>,
    /// Length of its part, in milliseconds.
    pub duration_ms: u64,
}

/// What `tts.split` puts out. With fallbacks it is not kept in the cache: the next run asks the recogniser again.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("x-provisional" = "fallbacks"))]
pub struct SplitOutput {
    /// The scenes, in order; their parts together are the whole recording.
    pub scenes: Vec<SplitScene>,
    /// Length of the recording, in milliseconds.
    pub duration_ms: u64,
    /// Where the times come from.
    pub timing: Timing,
    /// Why the recogniser did not find the words; empty where it did, and where none was given.
    pub fallbacks: Vec<Fallback>,
}

impl Stage for Split {
    const ID: &'static str = "split";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str =
        "Cuts a recording of a whole script into its scenes, and says when each word is heard";
    type Input = SplitInput;
    type Output = SplitOutput;

    fn traits() -> StageTraits {
        // Only a recogniser is reached over the network.
        StageTraits { needs: Needs { net: true, ..Needs::default() }, ..StageTraits::default() }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: SplitInput, cx: &Cx<'_>) -> Result<SplitOutput, StageError> {
        check(&input.scenes)?;
        if let Some(recogniser) = &input.recognition {
            recogniser.check()?;
        }
        let (rate, samples) = decode::mono(input.audio.path(), EVERY, SECONDS_MAX, cx)?;
        let duration_ms = samples.len() as f64 * 1000.0 / f64::from(rate);
        let tokens: Vec<Tokens> = input.scenes.iter().map(|scene| Tokens::of(&scene.narration)).collect();
        let texts: Vec<&str> =
            tokens.iter().flat_map(|tokens| tokens.texts(0..tokens.ranges.len())).collect();
        let wish = Wish {
            recogniser: input.recognition.as_ref(),
            language: input.language.as_deref(),
            patience: PATIENCE,
        };
        let found = found::words(&samples, rate, &texts, &wish, cx)?;
        let spans = found.spans;
        drop(samples);
        let counts: Vec<usize> = tokens.iter().map(|tokens| tokens.ranges.len()).collect();
        let parts = parts(&counts, &spans, duration_ms);
        let files = cut(input.audio.path(), &parts, cx)?;
        let mut first = 0;
        let mut scenes = Vec::with_capacity(parts.len());
        for (((scene, audio), part), count) in input.scenes.iter().zip(files).zip(&parts).zip(counts) {
            let words = first..first + count;
            first += count;
            scenes.push(SplitScene {
                id: scene.id.clone(),
                audio,
                words: within(part, &texts[words.clone()], &spans[words]),
                duration_ms: whole(part.end - part.start),
            });
        }
        Ok(SplitOutput {
            scenes,
            duration_ms: whole(duration_ms),
            timing: found.timing,
            fallbacks: found.fallback.into_iter().collect(),
        })
    }
}

fn check(scenes: &[Scene]) -> Result<(), StageError> {
    let refuse = |message: String| Err(StageError::invalid_input(message));
    if scenes.is_empty() || scenes.len() > SCENES_MAX {
        return refuse(format!("`scenes` has {}, but must have 1 to {SCENES_MAX}", scenes.len()));
    }
    let mut seen = HashSet::new();
    for scene in scenes {
        if !seen.insert(&scene.id) {
            return refuse(format!("two scenes have the id `{}`", scene.id));
        }
        if Tokens::of(&scene.narration).ranges.is_empty() {
            return refuse(format!("the narration of scene `{}` holds nothing that can be said", scene.id));
        }
    }
    let chars: usize = scenes.iter().map(|scene| scene.narration.chars().count()).sum();
    if chars > TEXT_CHARS_MAX {
        return refuse(format!(
            "the scenes have {chars} characters together, but at most {TEXT_CHARS_MAX} are read"
        ));
    }
    Ok(())
}

/// Where each scene begins and ends, in milliseconds: cut in the middle between its last word and the next scene's first.
fn parts(counts: &[usize], spans: &[(f64, f64)], duration_ms: f64) -> Vec<Range<f64>> {
    let mut parts = Vec::with_capacity(counts.len());
    let (mut start, mut word) = (0.0, 0);
    for count in counts {
        word += count;
        let cut = spans.get(word).map_or(duration_ms, |next| f64::midpoint(spans[word - 1].1, next.0));
        parts.push(start..cut.max(start));
        start = cut.max(start);
    }
    parts
}

/// The words of a part, with times from its start.
fn within(part: &Range<f64>, texts: &[&str], spans: &[(f64, f64)]) -> Vec<SpokenWord> {
    let length = part.end - part.start;
    let time = |ms: f64| whole((ms - part.start).clamp(0.0, length));
    texts
        .iter()
        .zip(spans)
        .map(|(text, (start, end))| SpokenWord {
            text: (*text).to_owned(),
            start_ms: time(*start),
            end_ms: time(*end),
        })
        .collect()
}

/// Writes the parts, one after another: never more than one is in memory.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range first")]
fn cut(recording: &Path, parts: &[Range<f64>], cx: &Cx<'_>) -> Result<Vec<OutputFile>, StageError> {
    let mut reader = StereoReader::open(recording, 0).map_err(|error| decode::failed(&error))?;
    let mut files = Vec::with_capacity(parts.len());
    let (mut read, mut chunk) = (0, Vec::new());
    for (place, part) in parts.iter().enumerate() {
        cx.check()?;
        let is_last = place + 1 == parts.len();
        let until = if is_last { usize::MAX } else { samples_of(part.end, RATE) };
        let mut samples: Vec<i16> = Vec::new();
        while read < until {
            reader
                .read((until - read).min(RATE as usize), &mut chunk)
                .map_err(|error| decode::failed(&error))?;
            if chunk.is_empty() {
                break;
            }
            read += chunk.len() / CHANNELS;
            let scale =
                |sample: &f32| (sample * f32::from(i16::MAX)).clamp(-32_768.0, 32_767.0).round() as i16;
            samples.extend(chunk.iter().map(scale));
        }
        shape::fade_ends(&mut samples, RATE * CHANNELS as u32);
        let path = cx.output(&format!("scene{}.wav", place + 1));
        wav::write(&path, RATE, CHANNELS as u16, &samples).context("write a scene")?;
        files.push(OutputFile::new(cx, path, "audio/wav")?);
    }
    Ok(files)
}
