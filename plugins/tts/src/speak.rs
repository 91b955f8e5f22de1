//! A text into a WAV file and timed words, piece by piece. Never holds more than the finished samples.

use crate::engine::{Engine, Manner, Spoken, Voice};
use crate::timing::spans;
use crate::token::Tokens;
use crate::types::{Input, Output, SpokenWord, Timing};
use crate::wav;
use reelmill_sdk::prelude::*;

/// What has been said so far.
struct Speech {
    samples: Vec<i16>,
    sample_rate: u32,
    words: Vec<SpokenWord>,
    timing: Timing,
}

/// Says a text.
pub fn speak(
    engine: &mut dyn Engine,
    voice: &Voice,
    input: &Input,
    cx: &Cx<'_>,
) -> Result<Output, StageError> {
    let tokens = Tokens::of(&input.text);
    if tokens.ranges.is_empty() {
        return Err(
            StageError::invalid_input("the text holds nothing that can be said").code("nothing_to_say")
        );
    }
    let manner = Manner { rate: input.rate, pitch: input.pitch };
    let mut speech =
        Speech { samples: Vec::new(), sample_rate: 0, words: Vec::new(), timing: Timing::Engine };
    for (done, piece) in tokens.pieces.iter().enumerate() {
        cx.check()?;
        cx.progress(&Progress {
            done: done as f64,
            total: Some(tokens.pieces.len() as f64),
            unit: "sentences".into(),
            phase: "speaking".into(),
            ..Progress::default()
        });
        let texts: Vec<&str> = piece.clone().map(|index| tokens.token(index)).collect();
        let spoken = engine.say(&voice.name, manner, &texts)?;
        speech.append(&texts, &spoken);
    }
    if speech.samples.is_empty() {
        return Err(StageError::invalid_input(format!(
            "the voice `{}` of {} cannot read this text; set `language` to the language it is in",
            voice.name,
            voice.kind.name()
        ))
        .code("unreadable_text"));
    }
    speech.finish(voice, input.volume, cx)
}

impl Speech {
    fn append(&mut self, texts: &[&str], spoken: &Spoken) {
        if spoken.samples.is_empty() {
            // The voice cannot read this piece: its words stay in the captions, in no time.
            let at = self.millis(self.samples.len());
            self.words.extend(texts.iter().map(|text| word(text, at, at)));
            self.timing = Timing::Estimated;
            return;
        }
        let offset = self.samples.len();
        self.sample_rate = spoken.sample_rate;
        self.samples.extend_from_slice(&spoken.samples);
        if spoken.marks.is_empty() {
            self.timing = Timing::Estimated;
        }
        let lengths: Vec<usize> = texts.iter().map(|text| text.chars().count()).collect();
        let duration_ms = spoken.samples.len() as f64 * 1000.0 / f64::from(spoken.sample_rate);
        let offset_ms = offset as f64 * 1000.0 / f64::from(spoken.sample_rate);
        for (text, (start, end)) in texts.iter().zip(spans(&spoken.marks, &lengths, duration_ms)) {
            self.words.push(word(text, whole(offset_ms + start), whole(offset_ms + end)));
        }
    }

    fn millis(&self, samples: usize) -> u64 {
        whole(samples as f64 * 1000.0 / f64::from(self.sample_rate.max(1)))
    }

    fn finish(mut self, voice: &Voice, volume: f32, cx: &Cx<'_>) -> Result<Output, StageError> {
        scale(&mut self.samples, volume);
        let duration_ms = self.millis(self.samples.len());
        let path = cx.output("speech.wav");
        wav::write(&path, self.sample_rate, &self.samples).context("write the speech")?;
        for word in &mut self.words {
            word.end_ms = word.end_ms.min(duration_ms);
            word.start_ms = word.start_ms.min(word.end_ms);
        }
        Ok(Output {
            audio: OutputFile::new(cx, path, "audio/wav")?,
            words: self.words,
            duration_ms,
            sample_rate: self.sample_rate,
            engine: voice.kind.name().to_owned(),
            voice: voice.name.clone(),
            timing: self.timing,
        })
    }
}

fn word(text: &str, start_ms: u64, end_ms: u64) -> SpokenWord {
    SpokenWord { text: text.to_owned(), start_ms, end_ms }
}

/// Whole milliseconds; times here are never negative and far below 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to be neither")]
fn whole(millis: f64) -> u64 {
    millis.round().max(0.0) as u64
}

/// Louder or softer, cut at full scale.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range first")]
fn scale(samples: &mut [i16], volume: f32) {
    if (volume - 1.0).abs() < f32::EPSILON {
        return;
    }
    for sample in samples {
        *sample =
            (f32::from(*sample) * volume).clamp(f32::from(i16::MIN), f32::from(i16::MAX)).round() as i16;
    }
}

#[cfg(test)]
mod tests;
