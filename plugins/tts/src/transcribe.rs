//! `tts.transcribe`: what is said in a recording, and when; with the script at hand, the script's own words.

use crate::matching::{self, Matched, Said};
use crate::recognise::{Recogniser, recognise};
use crate::speech::whole;
use crate::token::Tokens;
use crate::types::{SpokenWord, TEXT_CHARS_MAX, Timing};
use crate::{decode, found};
use reelmill_sdk::prelude::*;

/// Seconds of a recording at the most.
const SECONDS_MAX: u32 = 3_600;
/// Recognisers work with a third of the samples: 16 kHz.
const EVERY: u32 = 3;

/// The stage `tts.transcribe`.
pub struct Transcribe;

/// `with` of `tts.transcribe`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secrets" = "credentials"))]
pub struct TranscribeInput {
    /// The recording.
    #[schemars(extend("x-media-types" = ["audio/*", "video/*"]))]
    pub audio: Artifact,
    /// Who recognises it.
    pub recognition: Recogniser,
    /// Language of what is said: a tag such as `en`. The recogniser finds out when it is left out.
    #[serde(default)]
    #[schemars(length(min = 2, max = 35))]
    pub language: Option<String>,
    /// What is said, where it is known: the words are then these, at the times at which they were heard.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub text: Option<String>,
}

/// A stretch of speech.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct SpokenSegment {
    /// What is said in it, as it was heard.
    pub text: String,
    /// When it begins, in milliseconds from the start of the audio.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

/// How the script differs from what was heard, in words.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Corrections {
    /// Heard as they stand in the script.
    pub same: u64,
    /// Heard as others; the script's stand in `words`.
    pub other: u64,
    /// In the script, and not heard; they stand in `words` between their neighbours.
    pub missing: u64,
    /// Heard, and not in the script; they are left out.
    pub extra: u64,
    /// How much of the script was heard, 0 to 1, by letters.
    pub agreement: f64,
}

/// What `tts.transcribe` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TranscribeOutput {
    /// What is said: the script where it was given, else what was heard.
    pub text: String,
    /// Its words in order; their times never run backwards and never go past the end.
    pub words: Vec<SpokenWord>,
    /// What was heard, in the recogniser's sentences.
    pub segments: Vec<SpokenSegment>,
    /// The language, by the recogniser's name of it; empty where it says none.
    pub language: String,
    /// Length of the recording, in milliseconds.
    pub duration_ms: u64,
    /// Where the times come from: `recognised`.
    pub timing: Timing,
    /// What was corrected by the script; null without one.
    pub corrections: Option<Corrections>,
    /// Requests that were made.
    pub pieces: u64,
}

impl Stage for Transcribe {
    const ID: &'static str = "transcribe";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Recognises what is said in a recording, and when each word is heard";
    type Input = TranscribeInput;
    type Output = TranscribeOutput;

    fn traits() -> StageTraits {
        StageTraits { needs: Needs { net: true, ..Needs::default() }, ..StageTraits::default() }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: TranscribeInput, cx: &Cx<'_>) -> Result<TranscribeOutput, StageError> {
        let script = script(&input)?;
        input.recognition.check()?;
        let (rate, samples) = decode::mono(input.audio.path(), EVERY, SECONDS_MAX, cx)?;
        let duration_ms = samples.len() as f64 * 1000.0 / f64::from(rate);
        let language = input.language.as_deref();
        let heard = recognise(&samples, rate, &input.recognition, language, cx)?;
        drop(samples);
        // Without a script the recogniser's own text has the punctuation that its words lack.
        let own = Tokens::of(&heard.text);
        let tokens = script.as_ref().unwrap_or(&own);
        let texts = tokens.texts(0..tokens.ranges.len());
        let matched = matching::of(&heard.words, &texts, duration_ms);
        if script.is_some() && !matched.is_believed() {
            return Err(found::another_text(matched.agreement).context("check `text` and `audio`"));
        }
        Ok(TranscribeOutput {
            words: texts.iter().zip(&matched.spans).map(|(text, span)| SpokenWord::at(text, *span)).collect(),
            segments: heard.segments.iter().map(|said| segment(said, duration_ms)).collect(),
            language: heard.language.unwrap_or_default(),
            duration_ms: whole(duration_ms),
            timing: Timing::Recognised,
            corrections: script.as_ref().map(|_| corrections(&matched)),
            pieces: heard.pieces as u64,
            text: tokens.text.clone(),
        })
    }
}

fn script(input: &TranscribeInput) -> Result<Option<Tokens>, StageError> {
    let Some(text) = &input.text else { return Ok(None) };
    if text.chars().count() > TEXT_CHARS_MAX {
        return Err(StageError::invalid_input(format!("`text` has more than {TEXT_CHARS_MAX} characters")));
    }
    let tokens = Tokens::of(text);
    if tokens.ranges.is_empty() {
        return Err(StageError::invalid_input(
            "`text` holds nothing that can be said; leave it out, or give the script",
        )
        .code("nothing_to_say"));
    }
    Ok(Some(tokens))
}

fn segment(said: &Said, duration_ms: f64) -> SpokenSegment {
    let start = said.start_ms.clamp(0.0, duration_ms);
    let end = said.end_ms.clamp(start, duration_ms);
    SpokenSegment { text: said.text.clone(), start_ms: whole(start), end_ms: whole(end) }
}

fn corrections(matched: &Matched) -> Corrections {
    Corrections {
        same: matched.same as u64,
        other: matched.other as u64,
        missing: matched.missing as u64,
        extra: matched.extra as u64,
        agreement: (matched.agreement * 1000.0).round() / 1000.0,
    }
}
