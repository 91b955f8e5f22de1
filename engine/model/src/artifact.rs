//! Artifacts: files that stages put out, addressed by what is in them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The BLAKE3 hash of a file's content; printed as `blake3:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The 64 hexadecimal digits, without the prefix.
    #[must_use]
    pub fn hex(&self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blake3:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a digest (`blake3:` and 64 hexadecimal digits)")]
pub struct BadDigest(pub String);

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(text.to_owned());
        let hex = text.strip_prefix("blake3:").ok_or_else(bad)?;
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A stored file, as it stands in the outputs and inputs of stages.
///
/// In JSON: `{"$artifact": "blake3:…", "name": "clip.mp4", "size": 12345, "media_type": "video/mp4"}`.
/// While an attempt runs, the worker adds `"path"`, where the plugin can read it.
/// A plugin puts a file out as `{"$file": "relative/to/scratch.mp4", "media_type": "video/mp4"}`;
/// the worker stores it and writes the reference in its place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ArtifactRef {
    /// Its address.
    #[serde(rename = "$artifact")]
    pub digest: Digest,
    /// A file name for people; the extension is right for the media type.
    pub name: String,
    /// Length in bytes.
    pub size: u64,
    /// What it is, for example `video/mp4`.
    pub media_type: String,
}

/// The key that marks an artifact reference in JSON.
pub const ARTIFACT_KEY: &str = "$artifact";
/// The key that marks a file a plugin puts out.
pub const FILE_KEY: &str = "$file";
/// The key that marks a secret in `with`: `{"$secret": "tts_key"}`; resolved by the worker, never stored.
pub const SECRET_KEY: &str = "$secret";
