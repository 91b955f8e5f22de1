//! Speech as it grows part by part, and the file that it becomes.

use crate::shape;
use crate::types::{Fallback, Input, Output, SpokenWord, Timing};
use crate::wav;
use reelmill_sdk::prelude::*;

/// What has been said so far: mono samples, and the words in them.
pub struct Speech {
    pub samples: Vec<i16>,
    /// Samples a second; 0 before the first part.
    pub sample_rate: u32,
    pub words: Vec<SpokenWord>,
    pub timing: Timing,
    /// Who speaks, for the outputs.
    pub engine: String,
    pub voice: String,
    /// Characters that services were sent.
    pub characters: u64,
    pub notes: Vec<String>,
}

impl Speech {
    pub fn new(engine: &str, voice: &str) -> Self {
        Self {
            samples: Vec::new(),
            sample_rate: 0,
            words: Vec::new(),
            timing: Timing::Provider,
            engine: engine.to_owned(),
            voice: voice.to_owned(),
            characters: 0,
            notes: Vec::new(),
        }
    }

    /// Adds a part: its words with their spans in milliseconds within it, and where these come from.
    pub fn append(
        &mut self,
        texts: &[&str],
        samples: &[i16],
        rate: u32,
        spans: &[(f64, f64)],
        timing: Timing,
    ) {
        let offset_ms = self.samples.len() as f64 * 1000.0 / f64::from(rate.max(1));
        self.sample_rate = rate;
        self.samples.extend_from_slice(samples);
        self.timing = self.timing.max(timing);
        for (text, (start, end)) in texts.iter().zip(spans) {
            self.words.push(SpokenWord::at(text, (offset_ms + start, offset_ms + end)));
        }
    }

    /// Adds words that nobody could say: they stay in the captions, in no time.
    pub fn pass_over(&mut self, texts: &[&str]) {
        let at = self.millis();
        self.words.extend(texts.iter().map(|text| SpokenWord {
            text: (*text).to_owned(),
            start_ms: at,
            end_ms: at,
        }));
        self.timing = Timing::Estimated;
    }

    /// Gives all words other spans.
    pub fn retime(&mut self, spans: &[(f64, f64)], timing: Timing) {
        for (word, span) in self.words.iter_mut().zip(spans) {
            *word = SpokenWord::at(&word.text, *span);
        }
        self.timing = timing;
    }

    /// Adds silence.
    pub fn rest(&mut self, ms: f64) {
        let count = samples_of(ms, self.sample_rate);
        self.samples.extend(std::iter::repeat_n(0, count));
    }

    fn millis(&self) -> u64 {
        whole(self.samples.len() as f64 * 1000.0 / f64::from(self.sample_rate.max(1)))
    }

    /// Writes the file.
    pub fn finish(
        mut self,
        input: &Input,
        fallbacks: Vec<Fallback>,
        cx: &Cx<'_>,
    ) -> Result<Output, StageError> {
        shape::scale(&mut self.samples, input.volume);
        let duration_ms = self.millis();
        let path = cx.output("speech.wav");
        wav::write(&path, self.sample_rate, 1, &self.samples).context("write the speech")?;
        let audio = OutputFile::new(cx, path, "audio/wav")?;
        Ok(self.output(audio, duration_ms, fallbacks))
    }

    /// The outputs around a file of this length.
    pub fn output(mut self, audio: OutputFile, duration_ms: u64, fallbacks: Vec<Fallback>) -> Output {
        for word in &mut self.words {
            word.end_ms = word.end_ms.min(duration_ms);
            word.start_ms = word.start_ms.min(word.end_ms);
        }
        Output {
            audio,
            words: self.words,
            duration_ms,
            sample_rate: self.sample_rate,
            engine: self.engine,
            voice: self.voice,
            timing: self.timing,
            fallbacks,
            characters: self.characters,
            notes: self.notes,
        }
    }
}

/// Whole milliseconds; times here are never negative and far below 2^53.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to be neither")]
pub fn whole(millis: f64) -> u64 {
    millis.round().max(0.0) as u64
}

/// Samples of a time.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to be neither")]
pub fn samples_of(ms: f64, rate: u32) -> usize {
    (ms * f64::from(rate) / 1000.0).round().max(0.0) as usize
}
