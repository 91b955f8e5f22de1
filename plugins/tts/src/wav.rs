//! WAV files: 16 bit PCM, one channel (the RIFF layout of Microsoft's 1991 specification).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes samples to a new file.
pub fn write(path: &Path, sample_rate: u32, samples: &[i16]) -> io::Result<()> {
    let too_long = || {
        io::Error::new(io::ErrorKind::InvalidInput, "speech of more than 4 GiB does not fit into a WAV file")
    };
    let data_bytes = u32::try_from(samples.len() * 2).map_err(|_| too_long())?;
    let riff_bytes = data_bytes.checked_add(36).ok_or_else(too_long)?;
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(b"RIFF")?;
    file.write_all(&riff_bytes.to_le_bytes())?;
    file.write_all(b"WAVEfmt ")?;
    file.write_all(&16_u32.to_le_bytes())?;
    // PCM, one channel.
    file.write_all(&1_u16.to_le_bytes())?;
    file.write_all(&1_u16.to_le_bytes())?;
    file.write_all(&sample_rate.to_le_bytes())?;
    file.write_all(&(sample_rate * 2).to_le_bytes())?;
    // Bytes a frame, bits a sample.
    file.write_all(&2_u16.to_le_bytes())?;
    file.write_all(&16_u16.to_le_bytes())?;
    file.write_all(b"data")?;
    file.write_all(&data_bytes.to_le_bytes())?;
    for sample in samples {
        file.write_all(&sample.to_le_bytes())?;
    }
    file.flush()
}
