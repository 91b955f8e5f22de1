//! A look-ahead limiter that sees the peaks between samples.
//!
//! The gain a sample needs is spread over a window: the smallest need within the window ahead, let go slowly,
//! then averaged over the same window. Because every averaged value already covers the peak, the average never
//! exceeds what the peak allows, and the gain has no steps that could be heard.

use crate::loudness::linear;
use crate::pcm::{CHANNELS, RATE};
use std::collections::VecDeque;
use std::f64::consts::PI;

/// Look-ahead in samples: 5 ms.
const WINDOW: usize = (RATE as usize) / 200;
/// Points looked at for each sample (itself and three between it and the next).
const PHASES: usize = 4;
/// Samples each point between samples is computed from.
const TAPS: usize = 12;
/// How many samples a point between samples lies behind the newest one.
const LAG: usize = TAPS / 2;
/// Time for the gain to come back by two thirds, in seconds.
const RELEASE_S: f32 = 0.12;

/// The limiter; feed it in blocks of any length.
pub struct Limiter {
    ceiling: f32,
    coefficients: [[f32; TAPS]; PHASES - 1],
    /// The last `TAPS` samples of each channel.
    history: [[f32; TAPS]; CHANNELS],
    /// Samples that wait for their gain.
    delay: VecDeque<[f32; CHANNELS]>,
    /// Needs within the window as (index, need), rising; the front is the smallest.
    smallest: VecDeque<(u64, f32)>,
    /// The last `WINDOW` released gains and their sum.
    gains: VecDeque<f32>,
    sum: f64,
    released: f32,
    release: f32,
    seen: u64,
    owed: u64,
}

impl Limiter {
    /// A limiter that keeps true peaks at or below so many dBTP.
    #[must_use]
    pub fn new(ceiling_db: f64) -> Self {
        Self {
            ceiling: linear(ceiling_db),
            coefficients: coefficients(),
            history: [[0.0; TAPS]; CHANNELS],
            delay: VecDeque::with_capacity(WINDOW + LAG + 1),
            smallest: VecDeque::with_capacity(WINDOW),
            gains: VecDeque::with_capacity(WINDOW),
            sum: 0.0,
            released: 1.0,
            release: 1.0 - (-1.0 / (RELEASE_S * RATE as f32)).exp(),
            seen: 0,
            owed: 0,
        }
    }

    /// Takes interleaved samples and appends those that are ready to `out`.
    pub fn process(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        for pair in samples.chunks_exact(CHANNELS) {
            self.owed += 1;
            self.step([pair[0], pair[1]], out);
        }
    }

    /// Appends the samples still held back; as many come out as went in.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        while self.owed > 0 {
            self.step([0.0; CHANNELS], out);
        }
    }

    fn step(&mut self, sample: [f32; CHANNELS], out: &mut Vec<f32>) {
        self.delay.push_back(sample);
        let peak = self.peak(sample);
        self.seen += 1;
        // The peak just seen belongs to a sample `LAG` ago; before that there is nothing.
        if self.seen <= LAG as u64 {
            return;
        }
        let index = self.seen;
        let need = if peak > self.ceiling { self.ceiling / peak } else { 1.0 };
        while self.smallest.back().is_some_and(|(_, other)| *other >= need) {
            self.smallest.pop_back();
        }
        self.smallest.push_back((index, need));
        while self.smallest.front().is_some_and(|(at, _)| at + (WINDOW as u64) <= index) {
            self.smallest.pop_front();
        }
        let floor = self.smallest.front().map_or(1.0, |(_, need)| *need);
        self.released = floor.min(self.released + (1.0 - self.released) * self.release);
        self.gains.push_back(self.released);
        self.sum += f64::from(self.released);
        if self.gains.len() < WINDOW {
            return;
        }
        self.emit(out);
        if let Some(oldest) = self.gains.pop_front() {
            self.sum -= f64::from(oldest);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a mean of factors between 0 and 1")]
    fn emit(&mut self, out: &mut Vec<f32>) {
        if self.owed == 0 {
            return;
        }
        let Some(sample) = self.delay.pop_front() else { return };
        let gain = ((self.sum / WINDOW as f64) as f32).min(1.0);
        out.extend(sample.map(|s| s * gain));
        self.owed -= 1;
    }

    /// The largest magnitude at and just after the sample `LAG` ago.
    fn peak(&mut self, sample: [f32; CHANNELS]) -> f32 {
        let mut peak = 0.0_f32;
        for (history, value) in self.history.iter_mut().zip(sample) {
            history.copy_within(1.., 0);
            history[TAPS - 1] = value;
            peak = peak.max(history[TAPS - 1 - LAG].abs());
            // Far below the ceiling no point between samples can reach it.
            if history.iter().all(|s| s.abs() < self.ceiling * 0.4) {
                continue;
            }
            for phase in &self.coefficients {
                let between: f32 = phase.iter().zip(history.iter()).map(|(c, s)| c * s).sum();
                peak = peak.max(between.abs());
            }
        }
        peak
    }
}

/// Windowed-sinc weights for the points one, two and three quarters after the sample `LAG` ago.
#[expect(clippy::cast_possible_truncation, reason = "weights are used as 32-bit floats")]
fn coefficients() -> [[f32; TAPS]; PHASES - 1] {
    let mut all = [[0.0; TAPS]; PHASES - 1];
    for (phase, weights) in all.iter_mut().enumerate() {
        let point = (TAPS - 1 - LAG) as f64 + (phase + 1) as f64 / PHASES as f64;
        let mut sum = 0.0;
        let mut raw = [0.0; TAPS];
        for (tap, weight) in raw.iter_mut().enumerate() {
            let x = tap as f64 - point;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) };
            let window = 0.5 + 0.5 * (PI * x / (TAPS as f64 / 2.0 + 0.5)).cos();
            *weight = sinc * window;
            sum += *weight;
        }
        for (weight, value) in weights.iter_mut().zip(raw) {
            *weight = (value / sum) as f32;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::Limiter;
    use crate::loudness::{Meter, linear};

    /// A tone at a quarter of the sample rate whose true peak lies between its samples.
    fn between_samples(level: f32) -> Vec<f32> {
        let one = [1.0, 1.0, -1.0, -1.0].map(|s: f32| s * level * std::f32::consts::FRAC_1_SQRT_2);
        one.iter().cycle().take(48_000).flat_map(|s| [*s, *s]).collect()
    }

    #[test]
    fn peaks_between_samples_are_held() {
        let input = between_samples(1.0);
        let (mut limiter, mut out) = (Limiter::new(-3.0), Vec::new());
        limiter.process(&input, &mut out);
        limiter.finish(&mut out);
        let mut meter = Meter::new().unwrap();
        meter.add(&out).unwrap();
        let peak = meter.read().true_peak_dbtp.unwrap();
        assert!((-3.4..=-2.8).contains(&peak), "{peak}");
    }

    #[test]
    fn as_many_samples_come_out_as_went_in_and_in_place() {
        let mut input = vec![0.0; 2 * 3_000];
        input[2 * 700] = 0.25;
        let (mut limiter, mut out) = (Limiter::new(-1.0), Vec::new());
        for block in input.chunks(2 * 77) {
            limiter.process(block, &mut out);
        }
        limiter.finish(&mut out);
        assert_eq!(out.len(), input.len());
        assert!((out[2 * 700] - 0.25).abs() < 1e-6, "a sample below the ceiling stays where and what it was");
    }

    #[test]
    fn the_gain_before_a_peak_falls_without_a_step() {
        let mut input = vec![0.1; 2 * 4_000];
        input[2 * 2_000] = 2.0;
        let (mut limiter, mut out) = (Limiter::new(-6.0), Vec::new());
        limiter.process(&input, &mut out);
        limiter.finish(&mut out);
        let ceiling = linear(-6.0);
        assert!(out.iter().all(|s| s.abs() <= ceiling + 1e-4));
        let quiet: Vec<f32> = out.chunks(2).map(|p| p[1]).collect();
        let step = quiet.windows(2).map(|w| (w[1] - w[0]).abs()).fold(0.0, f32::max);
        assert!(step < 0.1 / 100.0, "largest step {step}");
    }
}
