//! Sound between two steps of the work: raw interleaved 32-bit floats, 48 kHz, stereo, in a scratch file, so
//! that memory stays flat whatever the length.

use crate::error::{Error, Result};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Samples a second of all sound here.
pub const RATE: u32 = 48_000;
/// Channels of all sound here.
pub const CHANNELS: usize = 2;

/// Writes such a file.
pub struct PcmWriter {
    file: BufWriter<File>,
    path: PathBuf,
    frames: u64,
}

impl PcmWriter {
    /// Creates the file.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::output(path, e))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file), path: path.to_owned(), frames: 0 })
    }

    /// Appends interleaved samples.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        for sample in samples {
            self.file.write_all(&sample.to_le_bytes()).map_err(|e| Error::output(&self.path, e))?;
        }
        self.frames += (samples.len() / CHANNELS) as u64;
        Ok(())
    }

    /// Samples of each channel so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Flushes the file.
    pub fn finish(mut self) -> Result<u64> {
        self.file.flush().map_err(|e| Error::output(&self.path, e))?;
        Ok(self.frames)
    }
}

/// Reads such a file.
pub struct PcmReader {
    file: BufReader<File>,
    path: PathBuf,
}

impl PcmReader {
    /// Opens the file.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::input(path, e))?;
        Ok(Self { file: BufReader::with_capacity(1 << 16, file), path: path.to_owned() })
    }

    /// Reads up to so many samples of each channel into `into`; fewer only at the end, none after it.
    pub fn read(&mut self, frames: usize, into: &mut Vec<f32>) -> Result<()> {
        let mut bytes = vec![0; frames * CHANNELS * 4];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read(&mut bytes[filled..]).map_err(|e| Error::input(&self.path, e))? {
                0 => break,
                n => filled += n,
            }
        }
        into.clear();
        into.extend(
            bytes[..filled - filled % (4 * CHANNELS)]
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
        );
        Ok(())
    }
}
