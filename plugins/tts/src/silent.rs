//! No voice: silence as long as saying the text would take, for captions over music.

use crate::speech::{Speech, samples_of};
use crate::token::{Rest, Tokens, rest_after};
use crate::types::{Input, Timing};
use reelmill_text::{Language, spoken_seconds, syllables};

/// Samples a second of silence.
const RATE: u32 = 16_000;
/// How much longer a word with a comma, and one with a full stop, is shown: in syllables.
const COMMA: f64 = 1.0;
const STOP: f64 = 2.5;

/// Silence with the times that words would have.
pub fn speak(input: &Input, tokens: &Tokens) -> Speech {
    let texts = tokens.texts(0..tokens.ranges.len());
    let seconds = spoken_seconds(&tokens.text, &Language::of(&input.language)) / f64::from(input.rate);
    let weights: Vec<(f64, f64)> = texts.iter().map(|text| (syllables(text) as f64, rest(text))).collect();
    let whole: f64 = weights.iter().map(|(word, rest)| word + rest).sum();
    let ms_per_weight = seconds * 1000.0 / whole;
    let mut at = 0.0;
    let spans: Vec<(f64, f64)> = weights
        .iter()
        .map(|(word, rest)| {
            let start = at;
            at += (word + rest) * ms_per_weight;
            (start, start + word * ms_per_weight)
        })
        .collect();
    let mut speech = Speech::new("none", "none");
    let samples = vec![0; samples_of(seconds * 1000.0, RATE)];
    speech.append(&texts, &samples, RATE, &spans, Timing::Estimated);
    speech
}

fn rest(word: &str) -> f64 {
    match rest_after(word) {
        Rest::Sentence => STOP,
        Rest::Clause => COMMA,
        Rest::None => 0.0,
    }
}
