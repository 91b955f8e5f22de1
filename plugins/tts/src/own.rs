//! A recording in the place of a voice: its words are found in it, and it stays as it is.

use crate::speech::{Speech, whole};
use crate::token::Tokens;
use crate::types::{Input, Output};
use crate::{decode, found};
use reelmill_sdk::prelude::*;
use std::path::Path;

/// Seconds of a recording at the most.
const SECONDS_MAX: u32 = 3_600;
/// Alignment needs no more than a third of the samples: 16 kHz.
const EVERY: u32 = 3;

/// Finds the words.
pub fn speak(
    recording: &Artifact,
    input: &Input,
    tokens: &Tokens,
    cx: &Cx<'_>,
) -> Result<Output, StageError> {
    let (rate, samples) = decode::mono(recording.path(), EVERY, SECONDS_MAX, cx)?;
    let info = reelmill_media::probe(recording.path()).map_err(|error| decode::failed(&error))?;
    let texts = tokens.texts(0..tokens.ranges.len());
    let found = found::words(&samples, rate, &texts, &input.wish(), cx)?;
    let mut speech = Speech::new("recording", recording.name());
    let is_as_it_was =
        [input.rate, input.pitch, input.volume].iter().all(|factor| (factor - 1.0).abs() < f32::EPSILON);
    if !is_as_it_was {
        speech.notes.push("`rate`, `pitch` and `volume` do not change a recording".to_owned());
    }
    let duration_ms = whole(samples.len() as f64 * 1000.0 / f64::from(rate));
    speech.append(&texts, &[], rate, &found.spans, found.timing);
    speech.sample_rate = info.audio.map_or(rate, |audio| audio.rate);
    let kept = cx.output(&format!("speech.{}", extension(recording)));
    std::fs::copy(recording.path(), &kept).context("keep the recording")?;
    let audio =
        OutputFile::new(cx, kept, recording.media_type().to_owned())?.named(recording.name().to_owned());
    Ok(speech.output(audio, duration_ms, found.fallback.into_iter().collect()))
}

fn extension(recording: &Artifact) -> String {
    let named = Path::new(recording.name()).extension().and_then(|extension| extension.to_str());
    let is_plain = |text: &&str| text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    named.filter(is_plain).unwrap_or("audio").to_ascii_lowercase()
}
