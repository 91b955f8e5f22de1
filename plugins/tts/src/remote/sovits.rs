//! A GPT-SoVITS server (`api_v2.py`): JSON in, WAV out.

use super::{Heard, Provider, common, sound, unheeded};
use crate::types::Input;
use crate::voices;
use reelmill_http::{Service, Settings};
use reelmill_sdk::prelude::*;
use reelmill_text::Language;

const SETTINGS: Settings = Settings {
    address: "voice.base_url",
    key: "",
    timeout: "timeout_seconds",
    subject: "voice.reference_audio",
    allow: "",
};

pub struct GptSovits {
    service: Service,
    body: Value,
    notes: Vec<String>,
}

impl GptSovits {
    pub fn open(voice: &voices::GptSovits, input: &Input) -> Result<Self, StageError> {
        let service = common(Service::new("the GPT-SoVITS server", voice.base_url.as_str()), input)
            .settings(SETTINGS)
            .open()?;
        let reference = voice.reference_language.as_deref().unwrap_or(&input.language);
        let body = json!({
            "text_lang": language(&input.language),
            "ref_audio_path": voice.reference_audio,
            "prompt_text": voice.reference_text,
            "prompt_lang": language(reference),
            "text_split_method": "cut5",
            "speed_factor": input.rate,
            "media_type": "wav",
            "streaming_mode": false,
            // Without a seed of its own every attempt would sound different.
            "seed": 1,
        });
        let notes = unheeded("pitch", input.pitch, "GPT-SoVITS").into_iter().collect();
        Ok(Self { service, body, notes })
    }
}

impl Provider for GptSovits {
    fn say(&self, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError> {
        let mut body = self.body.clone();
        body["text"] = json!(text);
        sound(&self.service.post("/tts").json(&body).send(cx)?, cx)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// The server's names of languages; it finds out about others by itself.
fn language(tag: &str) -> &'static str {
    match Language::of(tag).tag() {
        "zh" => "zh",
        "en" => "en",
        "ja" => "ja",
        "ko" => "ko",
        "yue" => "yue",
        _ => "auto",
    }
}
