//! What `tts.speak` takes and puts out.

use reelmill_sdk::prelude::*;

/// Characters of one text at the most: about an hour and a half of speech.
pub const TEXT_CHARS_MAX: usize = 80_000;

/// `with` of `tts.speak`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
    /// example `espeak/en-gb` or `espeak/nb+f3`.
    #[serde(default = "default_voice")]
    #[schemars(length(min = 1, max = 80))]
    pub voice: String,
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
}

fn default_language() -> String {
    "en".to_owned()
}

fn default_voice() -> String {
    "auto".to_owned()
}

const fn one() -> f32 {
    1.0
}

impl Input {
    /// Checks what an expression may have got wrong.
    pub(crate) fn check(&self) -> Result<(), StageError> {
        for (name, value, least, most) in [
            ("rate", self.rate, 0.5, 2.0),
            ("pitch", self.pitch, 0.5, 2.0),
            ("volume", self.volume, 0.0, 4.0),
        ] {
            if !(least..=most).contains(&value) {
                return Err(StageError::invalid_input(format!(
                    "`{name}` is {value}, but must be {least} to {most}"
                )));
            }
        }
        let chars = self.text.chars().count();
        if chars > TEXT_CHARS_MAX {
            return Err(StageError::invalid_input(format!(
                "the text has {chars} characters, but at most {TEXT_CHARS_MAX} are spoken at once; split it"
            )));
        }
        Ok(())
    }
}

/// Where the times of the words come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Timing {
    /// The engine says them.
    Engine,
    /// For a part of the text the engine said none: there they follow the length of the words.
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

/// What `tts.speak` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The speech: WAV, 16 bit, mono, at the voice's own rate.
    pub audio: OutputFile,
    /// The words in order; their times never run backwards and never go past the end.
    pub words: Vec<SpokenWord>,
    /// Length of the audio, in milliseconds.
    pub duration_ms: u64,
    /// Samples a second.
    pub sample_rate: u32,
    /// `flite` or `espeak-ng`.
    pub engine: String,
    /// The voice that spoke.
    pub voice: String,
    /// Where the times come from.
    pub timing: Timing,
}
