//! The stage: with the real offline engines, against played services, and with recordings.

mod offline;
mod protocols;
mod recognition;
mod recordings;
mod services;

use crate::Speak;
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing;
use std::path::Path;

pub fn speak(with: Value) -> (Result<Value, StageError>, tempfile::TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    (testing::run::<Speak>(with, scratch.path()), scratch)
}

/// Sample rate and samples of a WAV file, read by its header.
pub fn wave(path: &Path) -> (u32, Vec<i16>) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!((&bytes[..4], &bytes[8..16], &bytes[36..40]), (&b"RIFF"[..], &b"WAVEfmt "[..], &b"data"[..]));
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(number(4) as usize, bytes.len() - 8);
    assert_eq!(number(40) as usize, bytes.len() - 44);
    (number(24), bytes[44..].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

pub fn loudness(samples: &[i16]) -> f64 {
    (samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len().max(1) as f64)
        .sqrt()
}

pub fn assert_times(output: &Value, text: &str) {
    let duration = output["duration_ms"].as_u64().unwrap();
    let mut before = 0;
    let mut said = String::new();
    for word in output["words"].as_array().unwrap() {
        let (start, end) = (word["start_ms"].as_u64().unwrap(), word["end_ms"].as_u64().unwrap());
        assert!(start >= before && end >= start && end <= duration, "{word} after {before}, of {duration}");
        before = start;
        reelmill_text::push_spaced(&mut said, word["text"].as_str().unwrap());
    }
    assert_eq!(said, text, "captions must show the text itself");
}
