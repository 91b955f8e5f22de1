//! Loudness (EBU R 128) and true peak: measured, then corrected by one linear gain and a limiter.

use crate::control::Control;
use crate::error::{Error, Result};
use crate::limiter::Limiter;
use crate::pcm::{CHANNELS, PcmReader, PcmWriter, RATE};
use ebur128::{EbuR128, Mode};
use std::path::Path;

/// Samples of each channel handled at once.
const BLOCK: usize = 4_800;
/// Quieter than this is silence, which no gain makes louder (the absolute gate of EBU R 128).
const SILENCE_LUFS: f64 = -70.0;
/// What an AAC encoder may add to a peak; kept free below the ceiling.
const CODEC_MARGIN_DB: f64 = 1.0;
/// How far off the goal the limiter's loss may leave the loudness before another round.
const GOOD_ENOUGH_LU: f64 = 0.2;
/// Rounds of gain and limiter at most.
const ROUNDS_MAX: usize = 4;
/// The most a gain may be, either way.
const GAIN_DB_MAX: f64 = 40.0;

/// What a meter read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Loudness {
    /// Integrated loudness in LUFS; `None` for silence or less than 0.4 s.
    pub lufs: Option<f64>,
    /// True peak in dBTP; `None` for digital silence.
    pub true_peak_dbtp: Option<f64>,
}

/// What sound is brought to.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Target {
    /// Integrated loudness in LUFS.
    pub lufs: f64,
    /// True peak that encoded sound may have, in dBTP.
    pub true_peak_dbtp: f64,
}

/// Measures interleaved stereo at 48 kHz as it goes by.
pub struct Meter(EbuR128);

impl Meter {
    /// A meter at zero.
    pub fn new() -> Result<Self> {
        EbuR128::new(u32::try_from(CHANNELS).unwrap_or(2), RATE, Mode::I | Mode::TRUE_PEAK)
            .map(Self)
            .map_err(|e| Error::Setting(format!("the loudness meter does not start: {e}")))
    }

    /// Takes interleaved samples.
    pub fn add(&mut self, samples: &[f32]) -> Result<()> {
        self.0.add_frames_f32(samples).map_err(|e| Error::Setting(format!("the loudness meter stopped: {e}")))
    }

    /// What it read so far.
    #[must_use]
    pub fn read(&self) -> Loudness {
        let lufs = self.0.loudness_global().ok().filter(|l| l.is_finite() && *l > SILENCE_LUFS);
        let channels = u32::try_from(CHANNELS).unwrap_or(2);
        let peak = (0..channels).filter_map(|c| self.0.true_peak(c).ok()).fold(0.0_f64, f64::max);
        Loudness { lufs, true_peak_dbtp: (peak > 0.0).then(|| 20.0 * peak.log10()) }
    }
}

/// Writes `from` to `to` at the target's loudness; the answer is what `to` measures.
///
/// `measured` is what a meter read while `from` was written. Silence is copied as it is.
pub fn normalise(
    from: &Path,
    to: &Path,
    measured: Loudness,
    target: Target,
    control: &dyn Control,
) -> Result<Loudness> {
    let ceiling = target.true_peak_dbtp - CODEC_MARGIN_DB;
    let mut gain = measured.lufs.map_or(0.0, |lufs| target.lufs - lufs);
    let mut result = measured;
    for _ in 0..ROUNDS_MAX {
        gain = gain.clamp(-GAIN_DB_MAX, GAIN_DB_MAX);
        result = pass(from, to, gain, ceiling, control)?;
        let off = result.lufs.map_or(0.0, |lufs| target.lufs - lufs);
        if off.abs() <= GOOD_ENOUGH_LU {
            break;
        }
        gain += off;
    }
    Ok(result)
}

/// One round: gain, limiter, meter.
fn pass(from: &Path, to: &Path, gain_db: f64, ceiling_db: f64, control: &dyn Control) -> Result<Loudness> {
    let mut reader = PcmReader::open(from)?;
    let mut writer = PcmWriter::create(to)?;
    let mut meter = Meter::new()?;
    let mut limiter = Limiter::new(ceiling_db);
    let gain = linear(gain_db);
    let (mut block, mut out) = (Vec::new(), Vec::new());
    loop {
        control.check()?;
        reader.read(BLOCK, &mut block)?;
        out.clear();
        if block.is_empty() {
            limiter.finish(&mut out);
        } else {
            for sample in &mut block {
                *sample *= gain;
            }
            limiter.process(&block, &mut out);
        }
        meter.add(&out)?;
        writer.write(&out)?;
        if block.is_empty() {
            writer.finish()?;
            return Ok(meter.read());
        }
    }
}

/// Decibels as a factor.
#[expect(clippy::cast_possible_truncation, reason = "samples are 32-bit floats")]
pub(crate) fn linear(db: f64) -> f32 {
    10.0_f64.powf(db / 20.0) as f32
}
