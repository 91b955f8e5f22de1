//! `music.generate`: music for a video, made on this machine or by services.
//!
//! What is made here (`offline/`) is simple: chords, plucked notes, a bass, and for lively moods a beat. It needs nothing
//! and nobody else has a right to it. Services are in `remote/`.

mod chain;
mod offline;
mod remote;
mod types;

use reelmill_sdk::prelude::*;

pub use types::{ElevenLabs, Fallback, Input, MiniMax, Mood, Output, Service, Source};

/// The stage `music.generate`.
pub struct Generate;

impl Stage for Generate {
    const ID: &'static str = "generate";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Makes music for a video, on this machine or by a service";
    type Input = Input;
    type Output = Output;

    fn traits() -> StageTraits {
        StageTraits {
            // Only services are reached over the network.
            needs: Needs { net: true, ..Needs::default() },
            tools: reelmill_media::tools(),
            examples: vec![
                Example { note: "Half a minute, made here".into(), with: json!({ "mood": "calm" }) },
                Example {
                    note: "A service, and music made here where it does not answer".into(),
                    with: json!({
                        "prompt": "warm lo-fi beat with soft piano", "mood": "calm", "seconds": 45,
                        "sources": [{ "provider": "elevenlabs", "key": "KEY" }, "offline"]
                    }),
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
        chain::make(&input, cx)
    }
}

reelmill_sdk::export_plugin! {
    name: "music",
    version: "1.0.0",
    license: "MIT OR Apache-2.0",
    description: "Music for videos: made offline, by ElevenLabs or by MiniMax",
    stages: [Generate],
}

#[cfg(test)]
mod tests;
