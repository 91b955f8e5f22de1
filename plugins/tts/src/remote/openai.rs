//! Anything with `OpenAI`'s `/audio/speech`: JSON in, sound out.

use super::{Heard, Provider, Times, common, sound, unheeded};
use crate::types::Input;
use crate::voices;
use crate::wav;
use reelmill_http::{Service, Settings};
use reelmill_sdk::prelude::*;

const SETTINGS: Settings = Settings {
    address: "voice.base_url",
    key: "voice.key",
    timeout: "timeout_seconds",
    subject: "voice.model",
    allow: "",
};
/// Samples a second of `pcm`, which has no header that says it.
const PCM_RATE: u32 = 24_000;

pub struct OpenAi {
    service: Service,
    /// The body without the text.
    body: Value,
    notes: Vec<String>,
}

impl OpenAi {
    pub fn open(openai: &voices::OpenAi, input: &Input) -> Result<Self, StageError> {
        let service = common(Service::new("the speech endpoint", openai.base_url.as_str()), input)
            .settings(SETTINGS)
            .bearer(openai.key.as_deref().unwrap_or_default())
            .open()?;
        let mut body =
            json!({ "model": openai.model, "voice": openai.voice, "response_format": openai.format });
        // Some servers refuse options that they do not know, so what is normal is not said.
        if (input.rate - 1.0).abs() > f32::EPSILON {
            body["speed"] = json!(input.rate);
        }
        if let Some(instructions) = &openai.instructions {
            body["instructions"] = json!(instructions);
        }
        let notes = unheeded("pitch", input.pitch, "the speech endpoint").into_iter().collect();
        Ok(Self { service, body, notes })
    }
}

impl Provider for OpenAi {
    fn say(&self, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError> {
        let mut body = self.body.clone();
        body["input"] = json!(text);
        let answer = self.service.post("/audio/speech").json(&body).send(cx)?;
        let is_sound =
            answer.media_type().starts_with("audio/") || answer.media_type() == "application/octet-stream";
        if self.body["response_format"] == "pcm" && is_sound && !wav::is_wave(answer.bytes()) {
            let samples = wav::samples(answer.bytes());
            return Ok(Heard { samples, sample_rate: PCM_RATE, times: Times::Unsaid });
        }
        sound(&answer, cx)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}
