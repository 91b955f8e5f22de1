//! `ElevenLabs`, with timestamps: JSON in, sound in base64 and the times of its characters out.

use super::{Heard, Provider, Times, common, encoded, unheeded};
use crate::types::Input;
use crate::voices;
use reelmill_http::{Answer, Service, Settings, encode};
use reelmill_sdk::prelude::*;

const SETTINGS: Settings = Settings {
    address: "voice.base_url",
    key: "voice.key",
    timeout: "timeout_seconds",
    subject: "voice.voice",
    allow: "",
};
/// The speeds that the service knows.
const SPEEDS: std::ops::RangeInclusive<f32> = 0.7..=1.2;

/// The answer, as far as it is read.
#[derive(Deserialize)]
struct Timed {
    audio_base64: String,
    #[serde(default)]
    alignment: Option<Alignment>,
}

#[derive(Deserialize)]
struct Alignment {
    characters: Vec<String>,
    character_start_times_seconds: Vec<f64>,
    character_end_times_seconds: Vec<f64>,
}

pub struct ElevenLabs {
    service: Service,
    path: String,
    format: String,
    /// The body without the text.
    body: Value,
    notes: Vec<String>,
}

impl ElevenLabs {
    pub fn open(voice: &voices::ElevenLabs, input: &Input) -> Result<Self, StageError> {
        let service = common(Service::new("ElevenLabs", voice.base_url.as_str()), input)
            .settings(SETTINGS)
            .secret_header("xi-api-key", &voice.key)
            .open()?;
        let mut settings = serde_json::Map::new();
        for (name, value) in
            [("stability", voice.stability), ("similarity_boost", voice.similarity), ("style", voice.style)]
        {
            settings.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        let mut notes: Vec<String> = unheeded("pitch", input.pitch, "ElevenLabs").into_iter().collect();
        if (input.rate - 1.0).abs() > f32::EPSILON {
            let speed = input.rate.clamp(*SPEEDS.start(), *SPEEDS.end());
            if (speed - input.rate).abs() > f32::EPSILON {
                notes.push(format!(
                    "ElevenLabs speaks at {speed} times the voice's speed at the most, not {}",
                    input.rate
                ));
            }
            settings.insert("speed".to_owned(), json!(speed));
        }
        let mut body = json!({ "model_id": voice.model });
        if !settings.is_empty() {
            body["voice_settings"] = Value::Object(settings);
        }
        let path = format!("/v1/text-to-speech/{}/with-timestamps", encode(&voice.voice));
        Ok(Self { service, path, format: voice.format.clone(), body, notes })
    }

    fn heard(&self, answer: &Answer, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError> {
        let reply: Timed = answer.json()?;
        let rate =
            self.format.strip_prefix("pcm_").and_then(|rate| rate.parse().ok()).filter(|rate| *rate > 0);
        let mut heard = encoded(answer, &reply.audio_base64, rate, cx)?;
        let times = reply.alignment.and_then(|alignment| alignment.times(text));
        heard.times = times.map_or(Times::Unsaid, Times::Characters);
        Ok(heard)
    }
}

impl Provider for ElevenLabs {
    fn say(&self, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError> {
        let mut body = self.body.clone();
        body["text"] = json!(text);
        let request = self.service.post(&self.path).query("output_format", self.format.as_str());
        self.heard(&request.json(&body).send(cx)?, text, cx)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

impl Alignment {
    /// The times in milliseconds, one pair a character; `None` when they are of another text.
    fn times(&self, text: &str) -> Option<Vec<(f64, f64)>> {
        let count = text.chars().count();
        let is_of_text = self.characters.concat() == text && self.characters.len() == count;
        let (starts, ends) = (&self.character_start_times_seconds, &self.character_end_times_seconds);
        let is_whole = starts.len() == count && ends.len() == count;
        let is_time = |seconds: &f64| seconds.is_finite() && *seconds >= 0.0;
        if !is_of_text || !is_whole || !starts.iter().chain(ends).all(is_time) {
            return None;
        }
        Some(starts.iter().zip(ends).map(|(start, end)| (start * 1000.0, end * 1000.0)).collect())
    }
}
