//! `MiniMax`, by its T2A v2: JSON in, sound in hexadecimal digits out, and the address of a list that says when each word
//! is heard.

use super::{Heard, Provider, Times, common, sound_of};
use crate::matching::Said;
use crate::types::Input;
use crate::voices;
use reelmill_http::{Service, Settings, minimax};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;

const SETTINGS: Settings = Settings {
    address: "voice.base_url",
    key: "voice.key",
    timeout: "timeout_seconds",
    subject: "voice.model",
    allow: "",
};
/// Semitones of an octave, in which the service counts pitch.
const SEMITONES: f32 = 12.0;

/// A sentence of the list; times are milliseconds.
#[derive(Deserialize)]
struct Sentence {
    text: String,
    time_begin: f64,
    time_end: f64,
    #[serde(default)]
    timestamped_words: Option<Vec<Timed>>,
}

#[derive(Deserialize)]
struct Timed {
    word: String,
    /// Where the word stands in the text. A word that is read as several comes several times.
    #[serde(default)]
    word_begin: Option<i64>,
    time_begin: f64,
    time_end: f64,
}

pub struct MiniMax {
    service: Service,
    /// The body without the text.
    body: Value,
    group: Option<String>,
}

impl MiniMax {
    pub fn open(voice: &voices::MiniMax, input: &Input) -> Result<Self, StageError> {
        let service = common(Service::new("MiniMax", voice.base_url.as_str()), input)
            .settings(SETTINGS)
            .bearer(&voice.key)
            .open()?;
        let mut setting =
            json!({ "voice_id": voice.voice, "speed": input.rate, "pitch": semitones(input.pitch) });
        if let Some(emotion) = &voice.emotion {
            setting["emotion"] = json!(emotion);
        }
        let mut body = json!({
            "model": voice.model, "stream": false, "output_format": "hex", "voice_setting": setting,
            "audio_setting": { "sample_rate": 32_000, "format": "wav", "channel": 1 },
            "subtitle_enable": true, "subtitle_type": "word"
        });
        if let Some(language) = &voice.language_boost {
            body["language_boost"] = json!(language);
        }
        Ok(Self { service, body, group: voice.group_id.clone() })
    }

    /// When words are heard. Without a usable list they are aligned, so that no speech is lost for want of it.
    fn words(&self, data: &Value, cx: &Cx<'_>) -> Result<Option<Vec<Said>>, StageError> {
        let Some(address) = data["subtitle_file"].as_str().filter(|address| address.starts_with("http"))
        else {
            return Ok(None);
        };
        match self.service.get(address).send(cx).and_then(|answer| answer.json::<Vec<Sentence>>()) {
            Ok(sentences) => Ok(Some(words(sentences))),
            Err(error) if error.class() == FailureClass::Cancelled => Err(error),
            Err(error) => {
                cx.warn(format!("MiniMax said no times of words: {}", error.failure().message));
                Ok(None)
            }
        }
    }
}

impl Provider for MiniMax {
    fn say(&self, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError> {
        let mut body = self.body.clone();
        body["text"] = json!(text);
        let mut request = self.service.post("/v1/t2a_v2").json(&body);
        if let Some(group) = &self.group {
            request = request.query("GroupId", group.as_str());
        }
        let answer = request.send(cx)?;
        let data = minimax::data(&answer)?;
        let mut heard = sound_of(&answer, &minimax::sound(&answer, &data)?, cx)?;
        heard.times = self.words(&data, cx)?.map_or(Times::Unsaid, Times::Words);
        Ok(heard)
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to an octave either way")]
fn semitones(pitch: f32) -> i32 {
    (SEMITONES * pitch.log2()).round().clamp(-SEMITONES, SEMITONES) as i32
}

/// The words of all sentences; a sentence without words is one.
fn words(sentences: Vec<Sentence>) -> Vec<Said> {
    let mut said: Vec<Said> = Vec::new();
    for sentence in sentences {
        let Some(words) = sentence.timestamped_words.filter(|words| !words.is_empty()) else {
            said.push(Said::new(&sentence.text, sentence.time_begin, sentence.time_end));
            continue;
        };
        let mut before = None;
        for timed in words {
            let place = timed.word_begin.map(|begin| (begin, timed.word.clone()));
            match said.last_mut() {
                Some(last) if place.is_some() && place == before => last.end_ms = timed.time_end,
                _ => said.push(Said::new(&timed.word, timed.time_begin, timed.time_end)),
            }
            before = place;
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_read_as_several_is_one() {
        let list = json!([
            { "text": "In 1953", "time_begin": 0, "time_end": 900, "timestamped_words": [
                { "word": "In", "word_begin": 0, "time_begin": 0, "time_end": 200 },
                { "word": "1953", "word_begin": 3, "time_begin": 200, "time_end": 600 },
                { "word": "1953", "word_begin": 3, "time_begin": 600, "time_end": 900 }
            ]},
            { "text": "it rose.", "time_begin": 900, "time_end": 1500, "timestamped_words": null }
        ]);
        let said = words(serde_json::from_value(list).unwrap());
        let said: Vec<_> = said.iter().map(|said| (said.text.as_str(), said.start_ms, said.end_ms)).collect();
        assert_eq!(said, [("In", 0.0, 200.0), ("1953", 200.0, 900.0), ("it rose.", 900.0, 1500.0)]);
    }

    #[test]
    fn pitch_is_counted_in_semitones() {
        for (pitch, steps) in [(1.0, 0), (2.0, 12), (0.5, -12), (1.06, 1), (0.95, -1)] {
            assert_eq!(semitones(pitch), steps, "{pitch}");
        }
    }
}
