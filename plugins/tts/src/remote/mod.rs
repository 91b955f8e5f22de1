//! Speech by services: the text in parts between sentences, and the parts joined.
//!
//! Each file here is one service: what it is sent, and what of its answer is speech. Waiting, failing and keys are the
//! client's (`reelmill-http`).

mod azure;
mod elevenlabs;
mod gemini;
mod mimo;
mod minimax;
mod openai;
mod sovits;

use crate::matching::{self, Said};
use crate::speech::Speech;
use crate::timing::{Mark, spans};
use crate::token::Tokens;
use crate::types::{Input, Timing};
use crate::voices::Service;
use crate::{align, decode, shape, wav};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reelmill_http::{Answer, Builder};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use std::ops::Range;
use std::time::Duration;

/// Bytes of one answer at the most: ten minutes of 16 bit at 48 kHz, and as much again in base64.
const ANSWER_BYTES_MAX: u64 = 128 << 20;
/// Seconds of one part at the most.
const PART_SECONDS_MAX: u32 = 1_200;
/// The rest between two parts at normal speed, in milliseconds.
const REST_MS: f64 = 220.0;

/// One part as a service said it.
struct Heard {
    samples: Vec<i16>,
    sample_rate: u32,
    times: Times,
}

/// What a service says about when a part is heard, in milliseconds.
enum Times {
    /// Nothing.
    Unsaid,
    /// Of each character of the part.
    Characters(Vec<(f64, f64)>),
    /// Of words, as the service writes them.
    Words(Vec<Said>),
}

/// A service, opened.
trait Provider {
    /// Says one part.
    fn say(&self, text: &str, cx: &Cx<'_>) -> Result<Heard, StageError>;
    /// What it cannot do of what was asked for.
    fn notes(&self) -> Vec<String>;
}

fn open(service: &Service, input: &Input) -> Result<Box<dyn Provider>, StageError> {
    Ok(match service {
        Service::Azure(azure) => Box::new(azure::Azure::open(azure, input)?),
        Service::Openai(openai) => Box::new(openai::OpenAi::open(openai, input)?),
        Service::Elevenlabs(elevenlabs) => Box::new(elevenlabs::ElevenLabs::open(elevenlabs, input)?),
        Service::GptSovits(sovits) => Box::new(sovits::GptSovits::open(sovits, input)?),
        Service::Gemini(gemini) => Box::new(gemini::Gemini::open(gemini, input)?),
        Service::Minimax(minimax) => Box::new(minimax::MiniMax::open(minimax, input)?),
        Service::Mimo(mimo) => Box::new(mimo::MiMo::open(mimo, input)?),
    })
}

/// What all services have in common.
fn common(builder: Builder, input: &Input) -> Builder {
    builder.timeout(Duration::from_secs(input.timeout_seconds.into())).answer_bytes_max(ANSWER_BYTES_MAX)
}

/// Says a text.
pub fn speak(service: &Service, input: &Input, tokens: &Tokens, cx: &Cx<'_>) -> Result<Speech, StageError> {
    let provider = open(service, input)?;
    let mut speech = Speech::new(service.provider(), service.voice());
    speech.notes = provider.notes();
    let parts = tokens.parts(input.part_chars as usize);
    for (done, part) in parts.iter().enumerate() {
        cx.progress(&Progress {
            done: done as f64,
            total: Some(parts.len() as f64),
            unit: "parts".into(),
            phase: "speaking".into(),
            ..Progress::default()
        });
        let text = tokens.stretch(part.clone());
        let heard = provider.say(text, cx)?;
        speech.characters += text.chars().count() as u64;
        join(&mut speech, heard, part, tokens, input.rate)?;
    }
    Ok(speech)
}

/// Adds a part: without the silence around it, its ends let down to nothing, after a rest.
fn join(
    speech: &mut Speech,
    mut heard: Heard,
    part: &Range<usize>,
    tokens: &Tokens,
    pace: f32,
) -> Result<(), StageError> {
    let rate = heard.sample_rate;
    if speech.sample_rate != 0 && speech.sample_rate != rate {
        return Err(StageError::dependency(format!(
            "{} speaks one part at {} Hz and another at {rate} Hz",
            speech.engine, speech.sample_rate
        ))
        .code("malformed_answer"));
    }
    let sounding = shape::sounding(&heard.samples, rate);
    if sounding.is_empty() {
        return Err(StageError::dependency(format!("{} sent silence for speech", speech.engine))
            .code("silent_answer"));
    }
    let cut_ms = sounding.start as f64 * 1000.0 / f64::from(rate);
    let samples = &mut heard.samples[sounding];
    shape::fade_ends(samples, rate);
    let texts = tokens.texts(part.clone());
    let duration_ms = samples.len() as f64 * 1000.0 / f64::from(rate);
    let said = match &heard.times {
        Times::Unsaid => None,
        Times::Characters(times) => marks(times, part, tokens, cut_ms).map(|marks| {
            let lengths: Vec<usize> = texts.iter().map(|text| text.chars().count()).collect();
            spans(&marks, &lengths, duration_ms)
        }),
        Times::Words(said) => {
            let said: Vec<Said> = said.iter().map(|said| said.earlier(cut_ms)).collect();
            let matched = matching::of(&said, &texts, duration_ms);
            matched.is_believed().then_some(matched.spans)
        }
    };
    let (spans, timing) = match said {
        Some(spans) => (spans, Timing::Provider),
        None => (align::spans(samples, rate, &texts), Timing::Aligned),
    };
    if !speech.samples.is_empty() {
        speech.rest(REST_MS / f64::from(pace));
    }
    speech.append(&texts, samples, rate, &spans, timing);
    Ok(())
}

/// When each token of a part begins and ends, from the times of its characters; `None` when they are of another text.
fn marks(times: &[(f64, f64)], part: &Range<usize>, tokens: &Tokens, cut_ms: f64) -> Option<Vec<Mark>> {
    let stretch = tokens.stretch(part.clone());
    if stretch.chars().count() != times.len() {
        return None;
    }
    let begin = tokens.ranges[part.start].start;
    let place = |byte: usize| tokens.text[begin..byte].chars().count();
    let marks = part.clone().enumerate().map(|(token, index)| {
        let range = &tokens.ranges[index];
        let (first, last) = (place(range.start), place(range.end) - 1);
        Mark { token, start_ms: times[first].0 - cut_ms, end_ms: Some(times[last].1 - cut_ms) }
    });
    Some(marks.collect())
}

/// The sound of an answer whose body is sound: WAV as it is, every other form through libav.
fn sound(answer: &Answer, cx: &Cx<'_>) -> Result<Heard, StageError> {
    let bytes = answer.bytes();
    let kind = answer.media_type();
    let is_sound = kind.starts_with("audio/") || kind == "application/octet-stream" || wav::is_wave(bytes);
    if !is_sound || bytes.is_empty() {
        return Err(answer.malformed(&format!("speech is wanted, but `{kind}` came: {}", answer.quote())));
    }
    sound_of(answer, bytes, cx)
}

/// Sound that an answer holds.
fn sound_of(answer: &Answer, bytes: &[u8], cx: &Cx<'_>) -> Result<Heard, StageError> {
    match wav::read(bytes) {
        Some((sample_rate, samples)) => Ok(Heard { samples, sample_rate, times: Times::Unsaid }),
        None => decoded(answer, bytes, cx),
    }
}

/// Sound that an answer holds in base64: samples without a head at a rate, or a file.
fn encoded(answer: &Answer, base64: &str, pcm_rate: Option<u32>, cx: &Cx<'_>) -> Result<Heard, StageError> {
    let bytes = BASE64_STANDARD
        .decode(base64.trim())
        .map_err(|error| answer.malformed(&format!("its sound is no base64: {error}")))?;
    match pcm_rate {
        Some(sample_rate) if !wav::is_wave(&bytes) => {
            Ok(Heard { samples: wav::samples(&bytes), sample_rate, times: Times::Unsaid })
        }
        _ => sound_of(answer, &bytes, cx),
    }
}

/// Sound of an answer in a form that libav knows.
fn decoded(answer: &Answer, bytes: &[u8], cx: &Cx<'_>) -> Result<Heard, StageError> {
    let path = cx.output("answer.audio");
    std::fs::write(&path, bytes).context("keep the answer")?;
    let result = decode::mono(&path, 1, PART_SECONDS_MAX, cx);
    let _ = std::fs::remove_file(&path);
    let (sample_rate, samples) = result.map_err(|error| match error.class() {
        FailureClass::InvalidInput => answer.malformed(&error.failure().message),
        _ => error,
    })?;
    Ok(Heard { samples, sample_rate, times: Times::Unsaid })
}

/// A note where a factor is not the voice's own and the service knows no such thing.
fn unheeded(name: &str, factor: f32, service: &str) -> Option<String> {
    ((factor - 1.0).abs() > f32::EPSILON)
        .then(|| format!("{service} knows no `{name}`: it is the voice's own"))
}
