//! WAV files: written as 16 bit PCM, read as what services send (the RIFF layout of Microsoft's 1991
//! specification).

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes samples, those of several channels in turn, to a new file.
pub fn write(path: &Path, sample_rate: u32, channels: u16, samples: &[i16]) -> io::Result<()> {
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
    // PCM.
    file.write_all(&1_u16.to_le_bytes())?;
    file.write_all(&channels.to_le_bytes())?;
    file.write_all(&sample_rate.to_le_bytes())?;
    file.write_all(&(sample_rate * 2 * u32::from(channels)).to_le_bytes())?;
    // Bytes a frame, bits a sample.
    file.write_all(&(2 * channels).to_le_bytes())?;
    file.write_all(&16_u16.to_le_bytes())?;
    file.write_all(b"data")?;
    file.write_all(&data_bytes.to_le_bytes())?;
    for sample in samples {
        file.write_all(&sample.to_le_bytes())?;
    }
    file.flush()
}

/// Whether bytes begin as a WAV file does.
pub fn is_wave(bytes: &[u8]) -> bool {
    bytes.len() >= 12 && &bytes[..4] == b"RIFF" && &bytes[8..12] == b"WAVE"
}

/// Reads 16 bit PCM of one channel: the rate and the samples. `None` for every other form, which libav reads.
///
/// A service that sends while it still speaks cannot know the length: 0, or more than there is, means all that came.
pub fn read(bytes: &[u8]) -> Option<(u32, Vec<i16>)> {
    if !is_wave(bytes) {
        return None;
    }
    let mut rate = None;
    let mut at = 12;
    while at + 8 <= bytes.len() {
        let name = &bytes[at..at + 4];
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().ok()?) as usize;
        let body = &bytes[at + 8..];
        match name {
            b"fmt " => {
                let word = |from: usize| Some(u16::from_le_bytes(body.get(from..from + 2)?.try_into().ok()?));
                let is_plain = word(0)? == 1 && word(2)? == 1 && word(14)? == 16;
                rate = Some(u32::from_le_bytes(body.get(4..8)?.try_into().ok()?))
                    .filter(|rate| is_plain && *rate > 0);
                rate?;
            }
            b"data" => {
                let length = if length == 0 { body.len() } else { length.min(body.len()) };
                return Some((rate?, samples(&body[..length])));
            }
            _ => {}
        }
        // Chunks lie on even bytes.
        at = at.checked_add(8 + length + length % 2)?;
    }
    None
}

/// Raw samples of 16 bit, low byte first.
pub fn samples(bytes: &[u8]) -> Vec<i16> {
    bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(samples: &[i16]) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), 24_000, 1, samples).unwrap();
        std::fs::read(file.path()).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&file(&[1, -2, 3])), Some((24_000, vec![1, -2, 3])));
    }

    #[test]
    fn lengths_that_nobody_could_know_are_not_believed() {
        for length in [0, 5_000, u32::MAX] {
            let mut bytes = file(&[1, -2, 3]);
            bytes[40..44].copy_from_slice(&length.to_le_bytes());
            assert_eq!(read(&bytes), Some((24_000, vec![1, -2, 3])), "{length}");
        }
        let mut extra = file(&[7]);
        let list = [b"LIST".as_slice(), &3_u32.to_le_bytes(), b"abc\0"].concat();
        extra.splice(36..36, list);
        assert_eq!(read(&extra), Some((24_000, vec![7])));
    }

    #[test]
    fn other_forms_are_left_to_others() {
        let mut stereo = file(&[1, 2]);
        stereo[22] = 2;
        let cut = &file(&[1, 2])[..30];
        for bytes in [
            stereo.as_slice(),
            cut,
            b"ID3",
            b"",
            b"RIFF\0\0\0\0WAVE",
            b"RIFF\0\0\0\0WAVEdata\xff\xff\xff\xff",
        ] {
            assert_eq!(read(bytes), None);
        }
    }
}
