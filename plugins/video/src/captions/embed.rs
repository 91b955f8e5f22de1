//! Font files within an ASS file: its `[Fonts]` section, in which three bytes stand as four letters. Pure but for
//! reading the files.

use reelmill_media::{Error, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Bytes of fonts that are embedded at most.
const FONTS_MAX: u64 = 64 * 1024 * 1024;
/// Letters of a line.
const LINE: usize = 80;

/// The section with these files; empty for none.
pub fn fonts_section(files: &[PathBuf]) -> Result<String> {
    let mut text = String::new();
    let mut all = 0;
    for (number, file) in files.iter().enumerate() {
        let bytes = read(file)?;
        all += bytes.len() as u64;
        if all > FONTS_MAX {
            return Err(Error::Setting(format!(
                "the fonts of the captions have more than {} MiB together; set `embed_fonts: false` or choose a smaller \
                 font",
                FONTS_MAX / 1_048_576
            )));
        }
        let ending = file.extension().and_then(|e| e.to_str()).unwrap_or("ttf").to_lowercase();
        text.push_str(if number == 0 { "[Fonts]\n" } else { "" });
        let _ = writeln!(text, "fontname: font{number}_0.{ending}");
        for line in encode(&bytes).chunks(LINE) {
            text.extend(line.iter().map(|b| char::from(*b)));
            text.push('\n');
        }
        text.push('\n');
    }
    Ok(text)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|e| Error::Input {
        path: file.to_owned(),
        reason: e.to_string(),
        log: Vec::new(),
    })
}

/// Six bits a letter, from `!` on.
fn encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 3 * 4 + 4);
    for three in bytes.chunks(3) {
        let all = three.iter().fold(0_u32, |sum, b| sum << 8 | u32::from(*b)) << (8 * (3 - three.len()));
        for at in 0..=three.len() {
            out.push((all >> (18 - 6 * at) & 63) as u8 + 33);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn three_bytes_are_four_letters_and_the_rest_as_many_as_it_needs() {
        assert_eq!(encode(&[0, 0, 0]), b"!!!!");
        assert_eq!(encode(&[255, 255, 255]), b"````");
        assert_eq!(encode(&[0b0000_0100, 0b0010_0000, 0b1100_0100]), [34, 35, 36, 37]);
        assert_eq!(encode(&[255]).len(), 2);
        assert_eq!(encode(&[255, 0]), [96, 81, 33]);
    }
}
