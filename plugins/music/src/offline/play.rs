//! From a score to samples: simple waves with soft ends. A note that sounds over the end of the round goes on at its
//! start, so that the round can be played again and again without a seam.

use super::score::{Note, Score, Voice};
use reelmill_media::{CHANNELS, RATE};
use reelmill_sdk::prelude::*;
use std::f64::consts::TAU;

/// How loud the loudest sample is: 3 dB below full scale.
const PEAK: f32 = 0.7;

/// One round, two channels in turn.
pub fn round(score: &Score, cx: &Cx<'_>) -> Result<Vec<f32>, StageError> {
    let frames = frames_of(score.seconds).max(1);
    let mut samples = vec![0.0_f32; frames * CHANNELS];
    for note in &score.notes {
        cx.check()?;
        play(note, &mut samples);
    }
    let loudest = samples.iter().fold(f32::MIN_POSITIVE, |loudest, sample| loudest.max(sample.abs()));
    for sample in &mut samples {
        *sample *= PEAK / loudest;
    }
    Ok(samples)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few seconds, and never negative"
)]
fn frames_of(seconds: f64) -> usize {
    (seconds.max(0.0) * f64::from(RATE)).round() as usize
}

/// Adds a note.
#[expect(clippy::cast_possible_truncation, reason = "samples are small")]
fn play(note: &Note, samples: &mut [f32]) {
    let frames = samples.len() / CHANNELS;
    let length = frames_of(note.length);
    // What begins before the round begins at its end.
    let seconds = frames as f64 / f64::from(RATE);
    let start = frames_of(note.start.rem_euclid(seconds));
    let sides = [(1.0 - note.side) / 2.0, f32::midpoint(1.0, note.side)];
    let mut noise = 1_u32;
    for frame in 0..length {
        let at = frame as f64 / f64::from(RATE);
        let part = frame as f64 / length as f64;
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = (wave(note, at, noise) * shape(note.voice, part, at)) as f32 * note.loud;
        let place = (start + frame) % frames * CHANNELS;
        for (channel, side) in sides.into_iter().enumerate() {
            samples[place + channel] += value * side;
        }
    }
}

/// The wave of a voice, `at` seconds into a note.
fn wave(note: &Note, at: f64, noise: u32) -> f64 {
    let sine = |factor: f64| (TAU * note.hertz * factor * at).sin();
    match note.voice {
        // Two a little apart, so that it breathes.
        Voice::Pad => 0.5 * sine(0.998) + 0.5 * sine(1.002) + 0.15 * sine(2.0),
        Voice::Pluck => {
            sine(1.0) + 0.35 * sine(2.0) * (-6.0 * at).exp() + 0.15 * sine(3.0) * (-12.0 * at).exp()
        }
        Voice::Bass => sine(1.0) + 0.25 * sine(2.0),
        // Its pitch falls.
        Voice::Kick => (TAU * (note.hertz * at + 2.5 * (1.0 - (-30.0 * at).exp()))).sin(),
        Voice::Brush => f64::from(noise >> 8) / f64::from(1_u32 << 23) - 1.0,
    }
}

/// How loud a note is within its length: nothing at both ends.
fn shape(voice: Voice, part: f64, at: f64) -> f64 {
    let end = ((1.0 - part) * 12.0).min(1.0);
    let begin = (at * 200.0).min(1.0);
    match voice {
        Voice::Pad => 0.5 - 0.5 * (TAU * part).cos(),
        Voice::Pluck => begin * end * (-2.6 * at).exp(),
        Voice::Bass => begin * end * (-1.2 * at).exp(),
        Voice::Kick => begin * end * (-11.0 * at).exp(),
        Voice::Brush => begin * end * (-22.0 * at).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offline::score::compose;
    use crate::types::Mood;
    use reelmill_sdk::testing::Bench;

    #[test]
    fn a_round_is_loud_enough_never_too_loud_and_has_no_seam() {
        let scratch = tempfile::tempdir().unwrap();
        let bench = Bench::new(scratch.path());
        for mood in [Mood::Calm, Mood::Driving] {
            let score = compose(mood, 3);
            let samples = round(&score, &bench.cx()).unwrap();
            assert_eq!(samples.len(), frames_of(score.seconds) * CHANNELS);
            let power =
                samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64;
            assert!(power.sqrt() > 0.03, "{mood:?}: {}", power.sqrt());
            assert!(samples.iter().all(|sample| sample.abs() <= PEAK + 1e-3));
            // Two samples in a row differ no more across the seam than anywhere else.
            let step = |one: usize, two: usize| (samples[one] - samples[two]).abs();
            let largest = (CHANNELS..samples.len()).map(|at| step(at, at - CHANNELS)).fold(0.0, f32::max);
            assert!(step(0, samples.len() - CHANNELS) <= largest, "{mood:?}");
        }
    }

    #[test]
    fn it_stops_when_it_is_cancelled() {
        let scratch = tempfile::tempdir().unwrap();
        let bench = Bench::new(scratch.path()).cancel_at_question(2);
        assert!(round(&compose(Mood::Calm, 3), &bench.cx()).is_err());
    }
}
