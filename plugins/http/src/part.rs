//! A download as far as it is there, and how it goes on.

use crate::download::{Digest, Fetched, Wanted};
use crate::exchange::{Head, Lost};
use crate::service::Facts;
use crate::sink::{Sink, too_large};
use crate::url;
use reelmill_sdk::StageError;
use sha2::Digest as _;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use ureq::http::{HeaderMap, HeaderValue, Uri};

/// The file as far as it is there.
pub struct Part {
    file: File,
    pub length: u64,
    max: u64,
    whole: Option<u64>,
    /// What tells whether the file is still the same: a strong `ETag`, or `Last-Modified`.
    validator: Option<String>,
    blake3: blake3::Hasher,
    /// Only where it is asked for: it is slower than the line may be.
    sha256: Option<sha2::Sha256>,
}

impl Part {
    pub fn new(file: File, wanted: &Wanted<'_>) -> Self {
        let sha256 = matches!(wanted.digest, Some(Digest::Sha256(_))).then(sha2::Sha256::new);
        Self {
            file,
            length: 0,
            max: wanted.bytes_max,
            whole: None,
            validator: None,
            blake3: blake3::Hasher::new(),
            sha256,
        }
    }

    pub fn start_over(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.length = 0;
        self.whole = None;
        self.validator = None;
        self.blake3.reset();
        self.sha256 = self.sha256.take().map(|_| sha2::Sha256::new());
        Ok(())
    }

    /// `Range` and `If-Range`; without a validator the whole file is asked for again.
    pub fn ask_for_the_rest(&self, headers: &mut HeaderMap) {
        if self.length == 0 {
            return;
        }
        let Some(validator) = self.validator.as_ref().and_then(|text| HeaderValue::try_from(text).ok())
        else {
            return;
        };
        if let Ok(range) = HeaderValue::try_from(format!("bytes={}-", self.length)) {
            headers.insert("range", range);
            headers.insert("if-range", validator);
        }
    }

    /// Bytes that are missing at the end of an answer, as a loss.
    pub fn shortfall(&self) -> Option<Lost> {
        let missing = self.whole.is_some_and(|whole| whole > self.length);
        missing.then(|| Lost::Line(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()))
    }

    pub fn finish(
        self,
        facts: &Facts,
        wanted: &Wanted<'_>,
        head: &Head,
        uri: &Uri,
        resumed: u32,
    ) -> Result<Fetched, StageError> {
        let kind = head.text("content-type").unwrap_or_default();
        let media_type = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let name = &facts.name;
        if !wanted.media_types.is_empty()
            && !wanted.media_types.iter().any(|kind| media_type.starts_with(kind))
        {
            return Err(StageError::invalid_input(format!(
                "{name} is `{media_type}`, but {} is wanted",
                wanted.media_types.join(" or ")
            ))
            .code("wrong_media_type"));
        }
        if self.length == 0 {
            return Err(StageError::dependency(format!("{name} is empty")).code("empty_file"));
        }
        let blake3 = self.blake3.finalize().to_hex().to_string();
        let (is, expected) = match wanted.digest {
            None => (String::new(), ""),
            Some(Digest::Blake3(expected)) => (blake3.clone(), expected),
            Some(Digest::Sha256(expected)) => {
                (hexadecimal(&self.sha256.map(sha2::Sha256::finalize).unwrap_or_default()), expected)
            }
        };
        if !is.eq_ignore_ascii_case(expected) {
            return Err(StageError::dependency(format!(
                "{name} has the digest {is}, but {expected} is expected"
            ))
            .code("wrong_digest"));
        }
        Ok(Fetched { bytes: self.length, blake3, media_type, url: url::shown(uri), resumed })
    }
}

impl Sink for Part {
    fn begin(&mut self, head: &Head) -> Result<(), Lost> {
        if head.status == 206 && self.length > 0 {
            let range = head.text("content-range").and_then(content_range).ok_or(Lost::Misplaced)?;
            if range.0 != self.length || self.whole.is_some_and(|whole| range.1 != Some(whole)) {
                return Err(Lost::Misplaced);
            }
            return Ok(());
        }
        self.start_over().map_err(Lost::Local)?;
        self.whole = head.content_length();
        self.validator = validator(head);
        too_large(self.whole.unwrap_or(0), self.max)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        too_large(self.length + bytes.len() as u64, self.max)?;
        self.file.write_all(bytes).map_err(Lost::Local)?;
        self.length += bytes.len() as u64;
        self.blake3.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        Ok(())
    }
}

fn validator(head: &Head) -> Option<String> {
    let strong = head.text("etag").filter(|tag| !tag.starts_with("W/") && tag.starts_with('"'));
    strong.or_else(|| head.text("last-modified")).map(str::to_owned)
}

/// `bytes 5-9/10`: the first byte, and the length of the whole when it is said.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    Some((from.trim().parse().ok()?, whole.trim().parse().ok()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
