//! Where words stand in a recording whose text is known: forced proportional alignment.
//!
//! Time is shared among words by their syllables, over the time in which a voice is heard. Pauses in the sound are
//! matched with punctuation in the text, so that an error in one clause does not run on into the next.

use crate::activity::{self, Activity};
use crate::token::{Rest, rest_after};
use reelmill_text::syllables;

/// Pauses shorter than this are no pause of a speaker's, in milliseconds.
const PAUSE_MS: f64 = 120.0;
/// How many boundaries in a row may have no pause of their own.
const SKIPPED_MAX: usize = 4;
/// How many pauses in a row may have no boundary of their own.
const PAUSES_SKIPPED_MAX: usize = 30;

/// A span for each word, in milliseconds; ordered and within the sound.
pub fn spans(samples: &[i16], rate: u32, words: &[&str]) -> Vec<(f64, f64)> {
    let active = activity::of(samples, rate);
    let voiced = active.frames.iter().filter(|one| **one).count();
    let weights: Vec<f64> = words.iter().map(|word| syllables(word) as f64 + 0.3).collect();
    let whole: f64 = weights.iter().sum();
    if voiced == 0 || words.is_empty() {
        let duration = samples.len() as f64 * 1000.0 / f64::from(rate.max(1));
        return share(&weights, 0.0, duration);
    }
    let voiced_ms = voiced as f64 * active.frame_ms;
    let boundaries = boundaries(words, &weights, voiced_ms / whole);
    let anchors = matched(&boundaries, &pauses(&active), voiced_ms);
    let clock = Clock::new(&active);
    let mut spans = Vec::with_capacity(words.len());
    let (mut from_word, mut from_ms) = (0, 0.0);
    for (to_word, to_ms) in anchors.into_iter().chain([(words.len(), voiced_ms)]) {
        for (start, end) in share(&weights[from_word..to_word], from_ms, to_ms) {
            spans.push((clock.after(start), clock.before(end)));
        }
        (from_word, from_ms) = (to_word, to_ms);
    }
    spans
}

/// Shares a time by weight.
fn share(weights: &[f64], from: f64, to: f64) -> Vec<(f64, f64)> {
    let whole: f64 = weights.iter().sum();
    let mut at = from;
    weights
        .iter()
        .map(|weight| {
            let start = at;
            at += (to - from) * weight / whole;
            (start, at.min(to))
        })
        .collect()
}

/// A place in the text at which speakers rest.
struct Boundary {
    /// The word after it.
    word: usize,
    /// When it is expected, in milliseconds of voice.
    at_ms: f64,
    /// How likely they do: 1 after a clause, more after a sentence.
    strength: f32,
}

fn boundaries(words: &[&str], weights: &[f64], ms_per_weight: f64) -> Vec<Boundary> {
    let mut found = Vec::new();
    let mut at_ms = 0.0;
    for (place, word) in words.iter().enumerate() {
        at_ms += weights[place] * ms_per_weight;
        let strength = match rest_after(word) {
            Rest::Sentence => 1.6,
            Rest::Clause => 1.0,
            Rest::None => continue,
        };
        if place + 1 < words.len() {
            found.push(Boundary { word: place + 1, at_ms, strength });
        }
    }
    found
}

/// A pause in the sound.
struct Pause {
    /// When it is, in milliseconds of voice.
    at_ms: f64,
    length_ms: f64,
}

fn pauses(active: &Activity) -> Vec<Pause> {
    let mut found = Vec::new();
    let (mut voiced, mut silent) = (0_usize, 0_usize);
    for is_active in &active.frames {
        if *is_active {
            let length_ms = silent as f64 * active.frame_ms;
            if voiced > 0 && length_ms >= PAUSE_MS {
                found.push(Pause { at_ms: voiced as f64 * active.frame_ms, length_ms });
            }
            (voiced, silent) = (voiced + 1, 0);
        } else {
            silent += 1;
        }
    }
    found
}

/// How well a stretch of text fits a stretch of voice: 0 is perfectly.
#[expect(clippy::cast_possible_truncation, reason = "a small number")]
fn misfit(expected_ms: f64, heard_ms: f64) -> f32 {
    ((expected_ms - heard_ms).abs() / (150.0 + 0.25 * expected_ms)) as f32
}

/// How much a pause tells: the longer the more, up to a length.
#[expect(clippy::cast_possible_truncation, reason = "a small number")]
fn weight(length_ms: f64) -> f32 {
    (length_ms / 125.0).min(3.0) as f32
}

/// The best way that led to a boundary at a pause. Small, because a long recording has millions of pairs.
#[derive(Clone, Copy)]
struct Step {
    /// Infinitely bad where the two are no pair.
    score: f32,
    /// The pair before it, by its place among all pairs.
    before: u32,
}

/// No pair.
const NONE: u32 = u32::MAX;

/// Boundaries with the pauses that are theirs, in order: word after it, and time of voice. Found by dynamic programming
/// over pairs, each judged by the stretch since the pair before.
fn matched(boundaries: &[Boundary], pauses: &[Pause], voiced_ms: f64) -> Vec<(usize, f64)> {
    let band = (0.15 * voiced_ms).max(2_000.0);
    let mut steps = vec![Step { score: f32::NEG_INFINITY, before: NONE }; boundaries.len() * pauses.len()];
    // No pair at all is a way too, and the only one without boundaries or pauses.
    let mut end = (0.0_f32, NONE);
    for (b, boundary) in boundaries.iter().enumerate() {
        for (p, pause) in pauses.iter().enumerate() {
            if (boundary.at_ms - pause.at_ms).abs() > band {
                continue;
            }
            let step = best_step(boundaries, pauses, &steps, (b, p));
            let pair = b * pauses.len() + p;
            steps[pair] = step;
            let score = step.score - misfit(voiced_ms - boundary.at_ms, voiced_ms - pause.at_ms);
            if score > end.0 {
                end = (score, u32::try_from(pair).unwrap_or(NONE));
            }
        }
    }
    let mut anchors = Vec::new();
    let mut at = end.1;
    while at != NONE {
        let (b, p) = (at as usize / pauses.len(), at as usize % pauses.len());
        anchors.push((boundaries[b].word, pauses[p].at_ms));
        at = steps[at as usize].before;
    }
    anchors.reverse();
    anchors
}

fn best_step(boundaries: &[Boundary], pauses: &[Pause], steps: &[Step], (b, p): (usize, usize)) -> Step {
    let (boundary, pause) = (&boundaries[b], &pauses[p]);
    let mut best = Step { score: -misfit(boundary.at_ms, pause.at_ms), before: NONE };
    for (before_b, before) in boundaries.iter().enumerate().take(b).skip(b.saturating_sub(SKIPPED_MAX)) {
        let expected = boundary.at_ms - before.at_ms;
        for before_p in p.saturating_sub(PAUSES_SKIPPED_MAX)..p {
            let pair = before_b * pauses.len() + before_p;
            let score = steps[pair].score - misfit(expected, pause.at_ms - pauses[before_p].at_ms);
            if score > best.score {
                best = Step { score, before: u32::try_from(pair).unwrap_or(NONE) };
            }
        }
    }
    best.score += boundary.strength * weight(pause.length_ms);
    best
}

/// From time of voice to time of the sound.
struct Clock {
    /// When each voiced frame begins, in milliseconds.
    begins: Vec<f64>,
    frame_ms: f64,
}

impl Clock {
    fn new(active: &Activity) -> Self {
        let voiced = active.frames.iter().enumerate().filter(|(_, one)| **one);
        let frame_ms = active.frame_ms;
        Self { begins: voiced.map(|(at, _)| at as f64 * frame_ms).collect(), frame_ms }
    }

    /// The time at which the voice goes on after so much of it: behind a pause that is just there.
    fn after(&self, voiced_ms: f64) -> f64 {
        self.at(voiced_ms, 1e-6)
    }

    /// The time at which so much of the voice is over: before a pause that is just there.
    fn before(&self, voiced_ms: f64) -> f64 {
        self.at(voiced_ms, -1e-6)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the frames")]
    fn at(&self, voiced_ms: f64, side: f64) -> f64 {
        let last = self.begins.len().saturating_sub(1);
        let frame = ((voiced_ms / self.frame_ms + side).floor().max(0.0) as usize).min(last);
        self.begins[frame] + (voiced_ms - frame as f64 * self.frame_ms).clamp(0.0, self.frame_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 16_000;

    fn tone(ms: usize) -> Vec<i16> {
        (0..ms * 16).map(|at| if at % 40 < 20 { 9000 } else { -9000 }).collect()
    }

    fn hush(ms: usize) -> Vec<i16> {
        vec![0; ms * 16]
    }

    #[test]
    fn pauses_hold_the_clauses_in_place() {
        // The second clause is said twice as fast as the first: without the pause its words would begin too late.
        let sound = [hush(300), tone(2000), hush(400), tone(1000), hush(300)].concat();
        let words = ["one", "two", "three", "four,", "five", "six", "seven", "eight."];
        let spans = spans(&sound, RATE, &words);
        assert_eq!(spans.len(), words.len());
        assert!((spans[0].0 - 300.0).abs() < 15.0, "{spans:?}");
        assert!((spans[3].1 - 2300.0).abs() < 15.0, "the clause ends before the pause: {spans:?}");
        assert!((spans[4].0 - 2700.0).abs() < 15.0, "and the next begins behind it: {spans:?}");
        assert!((spans[7].1 - 3700.0).abs() < 15.0, "{spans:?}");
    }

    #[test]
    fn a_pause_without_punctuation_is_no_boundary() {
        let sound = [tone(1000), hush(400), tone(1000)].concat();
        let spans = spans(&sound, RATE, &["one", "one", "one", "one"]);
        for (word, start) in [0.0, 500.0, 1400.0, 1900.0].into_iter().enumerate() {
            assert!((spans[word].0 - start).abs() < 15.0, "{spans:?}");
        }
    }

    #[test]
    fn spans_are_in_order_whatever_is_heard() {
        let words: Vec<&str> = "a, b. c, d, e. f! g? h: i".split(' ').collect();
        for sound in
            [hush(500), tone(30), [tone(50), hush(900)].concat(), [tone(90), hush(200)].concat().repeat(40)]
        {
            let length = sound.len() as f64 / 16.0 + 10.0;
            let mut before = 0.0;
            for (start, end) in spans(&sound, RATE, &words) {
                assert!(
                    start >= before - 1e-6 && end >= start - 1e-6 && end <= length,
                    "{start} {end} {before}"
                );
                before = start;
            }
        }
        assert!(spans(&tone(100), RATE, &[]).is_empty());
    }
}
