//! What is heard: the sound is decoded to its end and metered.

use reelmill_media::{CHANNELS, Control, Loudness, Meter, RATE, Result, StereoReader};
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
    /// The longest stretch of silent seconds, in milliseconds.
    pub silent_ms: f64,
}

/// Listens to a video to its end.
pub fn listen(path: &Path, control: &dyn Control) -> Result<Heard> {
    let mut reader = StereoReader::open(path, 0)?;
    let mut meter = Meter::new()?;
    let (mut samples, mut frames) = (Vec::new(), 0_u64);
    let (mut silent, mut longest) = (0.0_f64, 0.0_f64);
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
        silent = if quiet { silent + count as f64 * 1_000.0 / f64::from(RATE) } else { 0.0 };
        longest = longest.max(silent);
    }
    let end_ms = frames as f64 * 1_000.0 / f64::from(RATE);
    Ok(Heard { end_ms, loudness: meter.read(), silent_ms: longest })
}
