//! What `tts.speak` takes and puts out; `voices.rs` has the voices.

use crate::found::Wish;
use crate::recognise::Recogniser;
use crate::speech::whole;
use crate::voices::Voice;
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// Characters of one text at the most: about an hour and a half of speech.
pub const TEXT_CHARS_MAX: usize = 80_000;
/// Voices of one chain at the most.
const VOICES_MAX: usize = 10;

/// `with` of `tts.speak`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-secrets" = "credentials"))]
pub struct Input {
    /// What to say. White space does not matter; punctuation makes the pauses.
    #[schemars(length(min = 1))]
    pub text: String,
    /// Language of the text: a tag such as `en`, `no`, `de-AT`, `zh`.
    #[serde(default = "default_language")]
    #[schemars(length(min = 2, max = 35))]
    pub language: String,
    /// `auto` takes flite's slt for English and espeak-ng for every other language. Others: `flite/slt`,
    /// `flite/rms`, `flite/awb`, `flite/kal`, `flite/kal16`, or `espeak/NAME` with any voice of espeak-ng, for
    /// example `espeak/en-gb` or `espeak/nb+f3`; `none` for silence of the length that saying the text would take; or
    /// a service: `{ provider: azure | openai | elevenlabs | gemini | minimax | mimo | gpt-sovits, … }`.
    #[serde(default = "default_voice")]
    pub voice: Voice,
    /// Voices in the place of `voice`: the first that can speaks the whole text, and `fallbacks` says why the ones
    /// before it did not. Scenes that are spoken one by one may so have different voices.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub voices: Vec<Voice>,
    /// A recording of the text in the place of a voice: its words are found in it.
    #[serde(default)]
    #[schemars(extend("x-media-types" = ["audio/*"]))]
    pub audio: Option<Artifact>,
    /// Who recognises the words of a recording, or of a voice that says no times. Where this fails, they are aligned as
    /// without it, and `fallbacks` says why.
    #[serde(default)]
    pub recognition: Option<Recogniser>,
    /// Speed; 1 is the voice's own.
    #[serde(default = "one")]
    #[schemars(range(min = 0.5, max = 2.0))]
    pub rate: f32,
    /// Pitch; 1 is the voice's own.
    #[serde(default = "one")]
    #[schemars(range(min = 0.5, max = 2.0))]
    pub pitch: f32,
    /// Loudness; 1 is the voice's own, 0 is silence.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0, max = 4.0))]
    pub volume: f32,
    /// Seconds to wait for one answer of a service.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: u32,
    /// Seconds that a service of a chain may ask to wait (`Retry-After`) before the next voice is tried instead.
    #[serde(default = "default_patience")]
    #[schemars(range(max = 300))]
    pub patience_seconds: u32,
    /// Characters that a service is sent at once; a longer text is cut between sentences, and the parts joined.
    #[serde(default = "default_part")]
    #[schemars(range(min = 50, max = 4000))]
    pub part_chars: u32,
}

fn default_language() -> String {
    "en".to_owned()
}

/// The voice where none is named.
pub const AUTO: &str = "auto";

fn default_voice() -> Voice {
    Voice::Name(AUTO.to_owned())
}

const fn default_timeout() -> u32 {
    120
}

const fn default_patience() -> u32 {
    10
}

const fn default_part() -> u32 {
    600
}

const fn one() -> f32 {
    1.0
}

impl Input {
    /// Checks what an expression may have got wrong.
    pub(crate) fn check(&self) -> Result<(), StageError> {
        let refuse = |message: String| Err(StageError::invalid_input(message));
        for (name, value, least, most) in [
            ("rate", self.rate, 0.5, 2.0),
            ("pitch", self.pitch, 0.5, 2.0),
            ("volume", self.volume, 0.0, 4.0),
        ] {
            if !(least..=most).contains(&value) {
                return refuse(format!("`{name}` is {value}, but must be {least} to {most}"));
            }
        }
        for (name, value, least, most) in [
            ("timeout_seconds", self.timeout_seconds, 1, 600),
            ("patience_seconds", self.patience_seconds, 0, 300),
            ("part_chars", self.part_chars, 50, 4000),
        ] {
            if !(least..=most).contains(&value) {
                return refuse(format!("`{name}` is {value}, but must be {least} to {most}"));
            }
        }
        if let Some(recogniser) = &self.recognition {
            recogniser.check()?;
        }
        let chars = self.text.chars().count();
        if chars > TEXT_CHARS_MAX {
            return refuse(format!(
                "the text has {chars} characters, but at most {TEXT_CHARS_MAX} are spoken at once; split it"
            ));
        }
        if self.voices.len() > VOICES_MAX {
            return refuse(format!("`voices` has {}, but at most {VOICES_MAX} are tried", self.voices.len()));
        }
        let is_auto = matches!(&self.voice, Voice::Name(name) if name.trim().eq_ignore_ascii_case(AUTO));
        if !is_auto && !self.voices.is_empty() {
            return refuse("both `voice` and `voices` are given; leave one out".to_owned());
        }
        if self.audio.is_some() && !(is_auto && self.voices.is_empty()) {
            return refuse("both a voice and `audio` are given; leave one out".to_owned());
        }
        Ok(())
    }

    /// How long a service may ask to be left alone.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.patience_seconds.into())
    }

    /// Who finds the words in a recording.
    pub(crate) fn wish(&self) -> Wish<'_> {
        Wish {
            recogniser: self.recognition.as_ref(),
            language: Some(&self.language),
            patience: self.patience(),
        }
    }

    /// The voices to try, in turn.
    pub(crate) fn chain(&self) -> &[Voice] {
        if self.voices.is_empty() { std::slice::from_ref(&self.voice) } else { &self.voices }
    }
}

/// Where the times of the words come from, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// Whoever spoke says them.
    Provider,
    /// A recogniser heard them.
    Recognised,
    /// For a part at least they were found in the sound: by its pauses, and between them by syllables.
    Aligned,
    /// For a part at least there is no sound to find them in: they follow syllables and punctuation.
    Estimated,
}

/// A word as it stands in the text, and when it is heard.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct SpokenWord {
    /// The word with the punctuation around it.
    pub text: String,
    /// When it begins, in milliseconds from the start of the audio.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

impl SpokenWord {
    /// A word with its span in milliseconds.
    pub(crate) fn at(text: &str, (start, end): (f64, f64)) -> Self {
        Self { text: text.to_owned(), start_ms: whole(start), end_ms: whole(end) }
    }
}

/// A voice that did not speak, or a recogniser that did not hear.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Fallback {
    /// The voice: `azure/nb-NO-PernilleNeural`; of a recogniser `recognition/MODEL`.
    pub voice: String,
    /// A short word for why: `rate_limited`.
    pub code: String,
    /// Why.
    pub reason: String,
}

/// What `tts.speak` puts out. With fallbacks it is not kept in the cache: the next run tries the first voice again.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(extend("x-provisional" = "fallbacks"))]
pub struct Output {
    /// The speech: WAV, 16 bit, mono, at the voice's own rate; of a recording, the recording.
    pub audio: OutputFile,
    /// The words in order; their times never run backwards and never go past the end.
    pub words: Vec<SpokenWord>,
    /// Length of the audio, in milliseconds.
    pub duration_ms: u64,
    /// Samples a second.
    pub sample_rate: u32,
    /// `flite`, `espeak-ng`, or the service's `provider`; `none` for silence, `recording` for `audio`.
    pub engine: String,
    /// The voice that spoke.
    pub voice: String,
    /// Where the times come from.
    pub timing: Timing,
    /// The voices before it in the chain, and why they did not speak; the recogniser, where it did not find the words.
    pub fallbacks: Vec<Fallback>,
    /// Characters that services were sent, which is what most of them bill.
    pub characters: u64,
    /// What is not as it was asked for, one sentence each.
    pub notes: Vec<String>,
}
