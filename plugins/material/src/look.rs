//! Looking into files, each at most once and only when its turn comes: a folder may hold hours of video.

use crate::types::{Kind, Orientation};
use reelmill_media::probe;
use std::path::Path;

/// What a file turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Look {
    /// What it is, whatever its name says.
    pub kind: Kind,
    /// Width as seen, in pixels.
    pub width: u32,
    /// Height as seen, in pixels.
    pub height: u32,
    /// Length of a clip, in milliseconds.
    pub duration_ms: u64,
}

impl Look {
    /// Whether its shape is the preferred one.
    pub const fn fits(&self, orientation: Orientation) -> bool {
        orientation.is_of(self.width, self.height)
    }
}

/// Looks into a file; the error says why it cannot be footage.
pub fn look(path: &Path) -> Result<Look, String> {
    let info = probe(path).map_err(|error| error.to_string())?;
    let Some(video) = info.video else { return Err("it has sound, but no pictures".to_owned()) };
    let (width, height) = video.display_size();
    let kind = if info.picture { Kind::Picture } else { Kind::Clip };
    Ok(Look { kind, width: whole(width), height: whole(height), duration_ms: info.duration_ms })
}

/// Pixels; sizes are positive and small.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to be neither")]
const fn whole(pixels: f64) -> u32 {
    pixels.round().clamp(0.0, 1e6) as u32
}
