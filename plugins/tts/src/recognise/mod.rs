//! What is said in a recording, by a recogniser behind an OpenAI-compatible `/audio/transcriptions`: whisper.cpp's and
//! faster-whisper's servers, Groq, `OpenAI`.
//!
//! A recogniser is sent WAV of one channel, which all of them read, in pieces that are cut where the sound is quietest.

mod answer;
mod cut;

use crate::matching::Said;
use crate::wav;
use reelmill_http::{Endpoint, Form, Service, Settings};
use reelmill_sdk::prelude::*;
use reelmill_text::{Language, push_spaced};
use std::ops::Range;

const SETTINGS: Settings = Settings {
    address: "recognition.base_url",
    key: "recognition.api_key",
    timeout: "recognition.timeout_seconds",
    subject: "recognition.model",
    allow: "",
};
/// Bytes of one answer at the most: words of 13 minutes, with what is said about each.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
/// Bytes of samples in one request at the most; services take 25 MB.
const PIECE_BYTES_MAX: usize = 24_900_000;
/// Characters of `prompt` at the most; models heed the last 224 tokens.
const PROMPT_CHARS_MAX: usize = 1_000;

/// A recogniser of speech behind an OpenAI-compatible `/audio/transcriptions` that answers with times
/// (`verbose_json`): whisper.cpp's and faster-whisper's servers, Groq, `OpenAI`'s `whisper-1`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recogniser {
    /// Where it is.
    #[serde(flatten)]
    pub endpoint: Endpoint<300>,
    /// Names and words as they are to be written, for models that heed it.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub prompt: Option<String>,
    /// Seconds of one request at the most: a longer recording is cut where it is quietest.
    #[serde(default = "default_piece")]
    #[schemars(range(min = 10, max = 780))]
    pub piece_seconds: u32,
}

const fn default_piece() -> u32 {
    600
}

impl Recogniser {
    /// Its name among fallbacks: `recognition/whisper-1`.
    pub fn label(&self) -> String {
        format!("recognition/{}", self.endpoint.model)
    }

    /// Checks what an expression may have got wrong.
    pub fn check(&self) -> Result<(), StageError> {
        let refuse = |message: String| Err(StageError::invalid_input(message));
        if !(10..=780).contains(&self.piece_seconds) {
            return refuse(format!(
                "`recognition.piece_seconds` is {}, but must be 10 to 780",
                self.piece_seconds
            ));
        }
        let prompt = self.prompt.as_deref().unwrap_or_default();
        if prompt.chars().count() > PROMPT_CHARS_MAX {
            return refuse(format!("`recognition.prompt` has more than {PROMPT_CHARS_MAX} characters"));
        }
        Ok(())
    }
}

/// What was heard; times are milliseconds.
#[derive(Default, Debug)]
pub struct Heard {
    /// All of it, as the recogniser writes it.
    pub text: String,
    /// Its words.
    pub words: Vec<Said>,
    /// Its sentences, or what the recogniser takes for them.
    pub segments: Vec<Said>,
    /// The language, by the recogniser's name of it.
    pub language: Option<String>,
    /// Requests that were made.
    pub pieces: usize,
}

/// Has a recording of one channel recognised.
pub fn recognise(
    samples: &[i16],
    rate: u32,
    recogniser: &Recogniser,
    language: Option<&str>,
    cx: &Cx<'_>,
) -> Result<Heard, StageError> {
    recogniser.check()?;
    let service = recogniser
        .endpoint
        .service("the recogniser", SETTINGS)
        .answer_bytes_max(ANSWER_BYTES_MAX)
        .bearer(recogniser.endpoint.key())
        .open()?;
    let longest = (recogniser.piece_seconds as usize * rate as usize).min(PIECE_BYTES_MAX / 2);
    let pieces = cut::pieces(samples, rate, longest);
    let mut heard = Heard { pieces: pieces.len(), ..Heard::default() };
    for (done, piece) in pieces.iter().enumerate() {
        cx.progress(&Progress {
            done: done as f64,
            total: Some(pieces.len() as f64),
            unit: "pieces".into(),
            phase: "recognising".into(),
            ..Progress::default()
        });
        one(&service, recogniser, language, (samples, rate, piece), &mut heard, cx)?;
    }
    Ok(heard)
}

/// Has one piece recognised.
fn one(
    service: &Service,
    recogniser: &Recogniser,
    language: Option<&str>,
    (samples, rate, piece): (&[i16], u32, &Range<usize>),
    heard: &mut Heard,
    cx: &Cx<'_>,
) -> Result<(), StageError> {
    let path = cx.output("piece.wav");
    wav::write(&path, rate, 1, &samples[piece.clone()]).context("write a piece of the recording")?;
    let mut form = Form::new()
        .file("file", "piece.wav", "audio/wav", &path)
        .text("model", recogniser.endpoint.model.as_str())
        .text("response_format", "verbose_json")
        .text("timestamp_granularities[]", "word")
        .text("timestamp_granularities[]", "segment")
        .text("temperature", "0");
    if let Some(language) = language {
        form = form.text("language", Language::of(language).tag());
    }
    if let Some(prompt) = recogniser.prompt.as_deref().map(str::trim).filter(|prompt| !prompt.is_empty()) {
        form = form.text("prompt", prompt);
    }
    let request = service.post(recogniser.endpoint.path("/audio/transcriptions")).form(form);
    let sent = request.send(cx);
    let _ = std::fs::remove_file(&path);
    let answer = sent?;
    let part = answer::read(&answer)?;
    let begin = piece.start as f64 * 1000.0 / f64::from(rate);
    push_spaced(&mut heard.text, part.text.trim());
    heard.words.extend(part.words.iter().map(|said| said.earlier(-begin)));
    heard.segments.extend(part.segments.iter().map(|said| said.earlier(-begin)));
    heard.language = heard.language.take().or(part.language);
    Ok(())
}
