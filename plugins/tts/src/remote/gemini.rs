//! Google's Gemini, by `generateContent`: JSON in, sound in base64 out.

use super::{Heard, Provider, common, encoded, unheeded};
use crate::types::Input;
use crate::voices;
use reelmill_http::{Answer, Service, Settings, encode};
use reelmill_sdk::prelude::*;
use std::time::Duration;

const SETTINGS: Settings = Settings {
    address: "voice.base_url",
    key: "voice.key",
    timeout: "timeout_seconds",
    subject: "voice.model",
    allow: "",
};
/// Models that are told how to speak within the text; newer ones have a place of its own for it.
const STYLED_BY_TEXT: [&str; 2] = ["gemini-2", "gemini-3.1"];
/// Samples a second where the answer does not say it.
const PCM_RATE: u32 = 24_000;

pub struct Gemini {
    service: Service,
    path: String,
    voice: String,
    /// How to speak, and whether that is said within the text.
    style: Option<(String, bool)>,
    notes: Vec<String>,
}

impl Gemini {
    pub fn open(gemini: &voices::Gemini, input: &Input) -> Result<Self, StageError> {
        let service = common(Service::new("Gemini", gemini.base_url.as_str()), input)
            .settings(SETTINGS)
            .secret_header("x-goog-api-key", &gemini.key)
            .open()?;
        let is_within = STYLED_BY_TEXT.iter().any(|name| gemini.model.starts_with(name));
        let style = gemini.instructions.as_deref().map(str::trim).filter(|style| !style.is_empty());
        let notes = [("rate", input.rate), ("pitch", input.pitch)]
            .into_iter()
            .filter_map(|(name, factor)| unheeded(name, factor, "Gemini"))
            .collect();
        Ok(Self {
            service,
            path: format!("/v1beta/models/{}:generateContent", encode(&gemini.model)),
            voice: gemini.voice.clone(),
            style: style.map(|style| (style.trim_end_matches(':').to_owned(), is_within)),
            notes,
        })
    }

    fn part(&self, text: &str) -> Value {
        match &self.style {
            None => json!({ "text": text }),
            Some((style, true)) => json!({ "text": format!("{style}: {text}") }),
            Some((style, false)) => json!({ "text": text, "speech_metadata": { "style": style } }),
        }
    }
}

impl Provider for Gemini {
    fn say(&self, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError> {
        let body = json!({
            "contents": [{ "role": "user", "parts": [self.part(text)] }],
            "generationConfig": {
                "responseModalities": ["AUDIO"],
                "speechConfig": { "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": self.voice } } }
            }
        });
        let answer = self.service.post(&self.path).json(&body).exchange(cx)?;
        if answer.status() != 200 {
            return Err(refused(&answer));
        }
        let json: Value = answer.json()?;
        let candidate = &json["candidates"][0];
        let parts = candidate["content"]["parts"].as_array();
        let sound = parts.into_iter().flatten().map(|part| &part["inlineData"]).find(|data| data.is_object());
        match sound {
            Some(sound) => {
                let kind = sound["mimeType"].as_str().unwrap_or_default();
                encoded(&answer, sound["data"].as_str().unwrap_or_default(), pcm_rate(kind), cx)
            }
            None => Err(silent(&answer, &json, candidate)),
        }
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

/// The rate of raw samples (`audio/L16;codec=pcm;rate=24000`); `None` for other forms. Their low byte is first, whatever
/// L16 means elsewhere.
fn pcm_rate(kind: &str) -> Option<u32> {
    let mut parts = kind.split(';').map(|part| part.trim().to_ascii_lowercase());
    let name = parts.next().unwrap_or_default();
    let rate = parts.find_map(|part| part.strip_prefix("rate=")?.parse().ok()).filter(|rate| *rate > 0);
    matches!(name.as_str(), "audio/l16" | "audio/pcm").then(|| rate.unwrap_or(PCM_RATE))
}

/// Google says with status 400 that a key is none, and how long to wait within the body.
fn refused(answer: &Answer) -> StageError {
    let Ok(json) = answer.json::<Value>() else { return answer.refused() };
    let details = || json["error"]["details"].as_array().into_iter().flatten();
    let said = json["error"]["message"].as_str().unwrap_or_default();
    if details().any(|detail| detail["reason"] == "API_KEY_INVALID") {
        return answer.told(401, "API_KEY_INVALID", said, None);
    }
    let pause = details()
        .find_map(|detail| detail["retryDelay"].as_str()?.strip_suffix('s')?.parse::<f64>().ok())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let error = answer.refused();
    match pause {
        Some(pause) if error.failure().retry_after_ms.is_none() && answer.status() == 429 => {
            error.retry_after(pause)
        }
        _ => error,
    }
}

/// An answer without sound: the service would not say this, or it is no answer of this service.
fn silent(answer: &Answer, json: &Value, candidate: &Value) -> StageError {
    let reasons = [&json["promptFeedback"]["blockReason"], &candidate["finishReason"]];
    match reasons.into_iter().find_map(Value::as_str) {
        // It stopped as it does at the end, and said nothing: that happens, and goes better another time.
        Some("STOP" | "OTHER") | None => answer.malformed("it has no `inlineData` with sound"),
        Some(reason) => answer.told(422, reason, "it does not say this text", None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_samples_are_told_from_other_forms() {
        for (kind, rate) in [
            ("audio/L16;codec=pcm;rate=24000", Some(24_000)),
            ("audio/l16; rate=16000", Some(16_000)),
            ("audio/L16", Some(PCM_RATE)),
            ("audio/pcm;rate=0", Some(PCM_RATE)),
            ("audio/wav", None),
            ("", None),
        ] {
            assert_eq!(pcm_rate(kind), rate, "{kind}");
        }
    }
}
