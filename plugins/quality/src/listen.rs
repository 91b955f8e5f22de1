//! What is heard: the sound is decoded to its end and metered.

use crate::look::{Span, Stretch};
use reelmill_media::{AudioReader, CHANNELS, Control, Loudness, Meter, RATE, Result, StereoReader};
use std::path::Path;

/// Samples of each channel metered at once.
const BLOCK: usize = 48_000;
/// Below this a second is silent, in dBFS (mean square).
const SILENT_DBFS: f64 = -60.0;

/// What was heard.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Heard {
    /// When the sound ends, in milliseconds.
    pub end_ms: f64,
    /// Loudness and true peak.
    pub loudness: Loudness,
    /// When the sound begins by the file's clock, in milliseconds.
    pub start_ms: f64,
    /// The longest stretch of silent seconds.
    pub silent: Span,
}

/// Listens to a video to its end.
pub fn listen(path: &Path, control: &dyn Control) -> Result<Heard> {
    let mut reader = StereoReader::open(path, 0)?;
    let mut meter = Meter::new()?;
    let (mut samples, mut frames) = (Vec::new(), 0_u64);
    let start_ms = AudioReader::open(path, 0)?.start_ms();
    let mut silent = Stretch::default();
    loop {
        control.check()?;
        reader.read(BLOCK, &mut samples)?;
        if samples.is_empty() {
            break;
        }
        meter.add(&samples)?;
        let count = (samples.len() / CHANNELS) as u64;
        frames += count;
        let power = samples.iter().map(|s| f64::from(s * s)).sum::<f64>() / samples.len() as f64;
        let quiet = 10.0 * power.max(1e-20).log10() < SILENT_DBFS;
        let ms = |frames: u64| frames as f64 * 1_000.0 / f64::from(RATE);
        silent.add(quiet, ms(frames - count), ms(count));
    }
    let end_ms = frames as f64 * 1_000.0 / f64::from(RATE);
    Ok(Heard { end_ms, loudness: meter.read(), start_ms, silent: silent.longest() })
}
