//! Sound in every form that libav knows, as mono samples.

use reelmill_media::{CHANNELS, ErrorKind, RATE, StereoReader, probe};
use reelmill_sdk::prelude::*;
use std::path::Path;

/// Samples of each channel that are read at once: half a second.
const CHUNK: usize = 24_000;

/// Decodes the sound of a file into one channel, at [`RATE`] divided by `every` (by averages of as many samples), and
/// at most so many seconds of it.
#[expect(clippy::cast_possible_truncation, reason = "clamped to the range first")]
pub fn mono(path: &Path, every: u32, seconds_max: u32, cx: &Cx<'_>) -> Result<(u32, Vec<i16>), StageError> {
    let audio = probe(path).map_err(|error| failed(&error))?.audio;
    // libav spreads one channel over two at -3 dB each.
    let gain = if audio.is_some_and(|audio| audio.channels == 1) { std::f32::consts::SQRT_2 } else { 1.0 };
    let rate = RATE / every;
    let limit = rate as usize * seconds_max as usize;
    let mut reader = StereoReader::open(path, 0).map_err(|error| failed(&error))?;
    let mut samples = Vec::new();
    let mut chunk = Vec::new();
    loop {
        cx.check()?;
        reader.read(CHUNK, &mut chunk).map_err(|error| failed(&error))?;
        if chunk.is_empty() {
            return Ok((rate, samples));
        }
        let group = CHANNELS * every as usize;
        samples.extend(chunk.chunks_exact(group).map(|pairs| {
            let mean = pairs.iter().sum::<f32>() / group as f32 * gain;
            (mean * f32::from(i16::MAX)).clamp(f32::from(i16::MIN), f32::from(i16::MAX)).round() as i16
        }));
        if samples.len() > limit {
            return Err(StageError::invalid_input(format!(
                "the sound is longer than {seconds_max} s; give a part of it"
            ))
            .code("too_long"));
        }
    }
}

/// The failure of sound that cannot be read.
pub fn failed(error: &reelmill_media::Error) -> StageError {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::Input => StageError::invalid_input(text).code("bad_media"),
        ErrorKind::Resource => StageError::resource(text).code("not_written"),
        ErrorKind::Setup => StageError::invalid_config(text).code("libav_lacks"),
        ErrorKind::Internal => StageError::internal(text).code("media"),
        ErrorKind::Cancelled => StageError::cancelled(),
    }
}
