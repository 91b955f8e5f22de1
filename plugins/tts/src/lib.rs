//! `tts.speak`: narration as a WAV file with the time of each word, by voices that need no network.
//!
//! The engines are shared libraries of the system, opened when the first text needs them, within this plugin's own
//! process. Their quality is that of a placeholder: clear, and plainly a machine.

mod engine;
mod espeak;
mod flite;
mod speak;
mod timing;
mod token;
mod types;
mod wav;

use reelmill_sdk::prelude::*;

pub use types::{Input, Output, SpokenWord, Timing};

/// The stage `tts.speak`.
pub struct Speak;

impl Stage for Speak {
    const ID: &'static str = "speak";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Speaks a text with an offline voice and says when each word is heard";
    type Input = Input;
    type Output = Output;

    fn traits() -> StageTraits {
        StageTraits {
            // Both engines keep phase and noise from one text to the next: only in a process of its own does the
            // same text give the same file, bit for bit. Loading a voice takes some 30 ms.
            reuse: Reuse::Fresh,
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
            ],
            ..StageTraits::default()
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Output, StageError> {
        input.check()?;
        let voice = engine::choose(&input)?;
        engine::with(voice.kind, |engine| speak::speak(engine, &voice, &input, cx))
    }
}

reelmill_sdk::export_plugin! {
    name: "tts",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "Speech from text, offline: flite for English, espeak-ng for some hundred languages",
    stages: [Speak],
}
