//! `tts.speak`: narration as a sound file with the time of each word, by offline voices, by services, or from a
//! recording; `tts.split`, which cuts a recording into scenes; and `tts.transcribe`, which says what is said in one.
//!
//! The offline engines are shared libraries of the system, opened when the first text needs them, within this plugin's
//! own process. Their quality is that of a placeholder: clear, and plainly a machine. Services are in `remote/`.

mod activity;
mod align;
mod chain;
mod decode;
mod engine;
mod espeak;
mod flite;
mod found;
mod local;
mod matching;
mod own;
mod recognise;
mod remote;
mod shape;
mod silent;
mod speech;
mod split;
mod timing;
mod token;
mod transcribe;
mod types;
mod voices;
mod wav;

use reelmill_sdk::prelude::*;

pub use recognise::Recogniser;
pub use split::{Split, SplitInput, SplitOutput, SplitScene};
pub use transcribe::{Corrections, SpokenSegment, Transcribe, TranscribeInput, TranscribeOutput};
pub use types::{Fallback, Input, Output, SpokenWord, Timing};
pub use voices::{Azure, ElevenLabs, Gemini, GptSovits, MiMo, MiniMax, OpenAi, Service, Voice};

/// The stage `tts.speak`.
pub struct Speak;

impl Stage for Speak {
    const ID: &'static str = "speak";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Speaks a text and says when each word is heard";
    type Input = Input;
    type Output = Output;

    fn traits() -> StageTraits {
        StageTraits {
            // Both engines keep phase and noise from one text to the next: only in a process of its own does the
            // same text give the same file, bit for bit. Loading a voice takes some 30 ms.
            reuse: Reuse::Fresh,
            // Only services are reached over the network; the offline engines never open a connection.
            needs: Needs { net: true, ..Needs::default() },
            tools: engine::versions(),
            examples: vec![
                Example {
                    note: "English, by the voice slt".into(),
                    with: json!({ "text": "The tide is coming in." }),
                },
                Example {
                    note: "Norwegian, a little slower".into(),
                    with: json!({ "text": "Tidevannet kommer.", "language": "no", "rate": 0.9 }),
                },
                Example {
                    note: "A voice by name".into(),
                    with: json!({ "text": "Good evening.", "voice": "flite/rms", "pitch": 0.95 }),
                },
                Example {
                    note: "A service, and an offline voice where it does not answer".into(),
                    with: json!({
                        "text": "Tidevannet kommer.", "language": "no",
                        "voices": [
                            {
                                "provider": "azure", "region": "westeurope", "key": "KEY",
                                "voice": "nb-NO-PernilleNeural", "style": "cheerful"
                            },
                            "espeak/nb"
                        ]
                    }),
                },
                Example {
                    note: "A server of one's own with OpenAI's interface".into(),
                    with: json!({
                        "text": "The tide is coming in.",
                        "voice": { "provider": "openai", "base_url": "http://127.0.0.1:8880/v1", "voice": "af_sky" }
                    }),
                },
                Example {
                    note: "Captions without a voice".into(),
                    with: json!({ "text": "The tide is coming in.", "voice": "none" }),
                },
            ],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Output, StageError> {
        input.check()?;
        let tokens = token::Tokens::of(&input.text);
        if tokens.ranges.is_empty() {
            return Err(
                StageError::invalid_input("the text holds nothing that can be said").code("nothing_to_say")
            );
        }
        match &input.audio {
            Some(recording) => own::speak(recording, &input, &tokens, cx),
            None => chain::speak(&input, &tokens, cx),
        }
    }
}

reelmill_sdk::export_plugin! {
    name: "tts",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "Speech from text by offline voices and services, with the time of each word; text from speech",
    stages: [Speak, Split, Transcribe],
}

#[cfg(test)]
mod tests;
