//! Xiaomi's `MiMo`: a chat whose answer is sound, in base64. What is to be said is the assistant's turn, how to say it
//! the user's.

use super::{Heard, Provider, common, encoded, unheeded};
use crate::types::Input;
use crate::voices;
use reelmill_http::{Service, Settings};
use reelmill_sdk::prelude::*;

const SETTINGS: Settings = Settings {
    address: "voice.base_url",
    key: "voice.key",
    timeout: "timeout_seconds",
    subject: "voice.model",
    allow: "",
};

pub struct MiMo {
    service: Service,
    voice: voices::MiMo,
    notes: Vec<String>,
}

impl MiMo {
    pub fn open(voice: &voices::MiMo, input: &Input) -> Result<Self, StageError> {
        let service = common(Service::new("MiMo", voice.base_url.as_str()), input)
            .settings(SETTINGS)
            .secret_header("api-key", &voice.key)
            .open()?;
        let notes = [("rate", input.rate), ("pitch", input.pitch)]
            .into_iter()
            .filter_map(|(name, factor)| unheeded(name, factor, "MiMo"))
            .collect();
        Ok(Self { service, voice: voice.clone(), notes })
    }
}

impl Provider for MiMo {
    fn say(&self, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError> {
        let style = self.voice.instructions.as_deref().map(str::trim).filter(|style| !style.is_empty());
        let mut messages: Vec<Value> =
            style.map(|style| json!({ "role": "user", "content": style })).into_iter().collect();
        messages.push(json!({ "role": "assistant", "content": text }));
        let body = json!({
            "model": self.voice.model, "messages": messages,
            "audio": { "format": "wav", "voice": self.voice.voice }
        });
        let answer = self.service.post("/chat/completions").json(&body).send(cx)?;
        let json: Value = answer.json()?;
        match json["choices"][0]["message"]["audio"]["data"].as_str() {
            Some(data) => encoded(&answer, data, None, cx),
            None => Err(answer.malformed("it has no choices[0].message.audio.data")),
        }
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}
