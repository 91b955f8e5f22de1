//! What the stages share: failures in the engine's classes, progress and cancellation, sizes.

use crate::plan::Canvas;
use crate::render::Output;
use reelmill_media::{Control, Decoding, Error, ErrorKind, Progress as Step, VideoCodec, tools};
use reelmill_sdk::model::Progress;
use reelmill_sdk::prelude::*;

/// Where fonts and their index lie, for captions.
const FONT_FOLDERS: [&str; 4] =
    ["/etc/fonts", "/usr/share/fonts", "/usr/local/share/fonts", "/var/cache/fontconfig"];

/// A media error in the engine's classes.
#[expect(clippy::needless_pass_by_value, reason = "handed to `map_err`")]
pub fn failure(error: Error) -> StageError {
    let text = error.to_string();
    match error.kind() {
        ErrorKind::Input => StageError::invalid_input(text).code("bad_media"),
        ErrorKind::Resource => StageError::resource(text).code("not_written"),
        ErrorKind::Setup => StageError::invalid_config(text).code("libav_lacks"),
        ErrorKind::Internal => StageError::internal(text).code("media"),
        ErrorKind::Cancelled => StageError::cancelled(),
    }
}

/// The attempt as the rooms beside see it.
pub struct Watch<'a, 'b>(pub &'a Cx<'b>);

impl Control for Watch<'_, '_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    fn progress(&self, step: &Step) {
        let message =
            if step.rate > 0.0 { format!("{:.1} {} a second", step.rate, step.unit) } else { String::new() };
        self.0.progress(&Progress {
            done: step.done as f64,
            total: Some(step.total as f64),
            unit: step.unit.to_owned(),
            phase: step.phase.to_owned(),
            message,
        });
    }
}

/// What all stages of this plugin say of themselves.
pub fn traits(cpus: u32, memory_mib: u64, examples: Vec<Example>) -> StageTraits {
    StageTraits {
        reuse: Reuse::Pool,
        needs: Needs { cpus, memory_mib, read: FONT_FOLDERS.map(str::to_owned).to_vec(), ..Needs::default() },
        tools: tools(),
        examples,
        ..StageTraits::default()
    }
}

/// The codec of the pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Codec {
    /// Plays everywhere.
    #[default]
    H264,
    /// About a third smaller, slower to make.
    H265,
    /// About half as large, for players of this decade.
    Av1,
}

impl Codec {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Av1 => "av1",
        }
    }
}

impl From<VideoCodec> for Codec {
    fn from(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::H264 => Self::H264,
            VideoCodec::H265 => Self::H265,
            VideoCodec::Av1 => Self::Av1,
        }
    }
}

impl From<Codec> for VideoCodec {
    fn from(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Self::H264,
            Codec::H265 => Self::H265,
            Codec::Av1 => Self::Av1,
        }
    }
}

/// A canvas from an aspect such as `9:16`, the length of its shorter side, and a frame rate.
pub fn canvas(aspect: &str, short_side: u32, fps: u32) -> Result<Canvas, StageError> {
    let sides =
        aspect.split_once(':').and_then(|(w, h)| Some((w.parse::<u32>().ok()?, h.parse::<u32>().ok()?)));
    let Some((w, h)) = sides.filter(|(w, h)| (1..=100).contains(w) && (1..=100).contains(h)) else {
        return Err(StageError::invalid_input(format!(
            "`{aspect}` is no aspect; write for example 9:16 or 16:9"
        )));
    };
    if !(64..=4_320).contains(&short_side) {
        return Err(StageError::invalid_input(format!("height {short_side} is not possible: 64 to 4320")));
    }
    let short = short_side / 2 * 2;
    let long = (u64::from(short) * u64::from(w.max(h)) / u64::from(w.min(h))).div_ceil(2) * 2;
    let long = u32::try_from(long).unwrap_or(u32::MAX);
    if long > 8_192 {
        return Err(StageError::invalid_input(format!(
            "{aspect} at height {short_side} is too large: 8192 at most"
        )));
    }
    let (width, height) = if w >= h { (long, short) } else { (short, long) };
    Ok(Canvas { width, height, fps })
}

/// How a file is encoded that will be encoded again: fast, large and nearly without loss.
pub fn mezzanine(canvas: Canvas) -> Output {
    Output {
        canvas,
        codec: VideoCodec::H264,
        crf: 14.0,
        preset: "ultrafast".into(),
        threads: 0,
        keyframe_s: 1.0,
        audio_bit_rate: 320_000,
        ten_bit: false,
        decoding: Decoding::default(),
    }
}

pub fn default_aspect() -> String {
    "9:16".into()
}

pub fn default_height() -> u32 {
    1_080
}

pub fn default_fps() -> u32 {
    30
}

#[cfg(test)]
mod tests {
    use super::canvas;

    #[test]
    fn height_is_the_shorter_side() {
        let size = |aspect, height| canvas(aspect, height, 30).map(|c| (c.width, c.height)).unwrap();
        assert_eq!(size("9:16", 1_080), (1_080, 1_920));
        assert_eq!(size("16:9", 1_080), (1_920, 1_080));
        assert_eq!(size("16:9", 2_160), (3_840, 2_160));
        assert_eq!(size("1:1", 1_080), (1_080, 1_080));
        assert_eq!(size("4:5", 1_080), (1_080, 1_350));
        assert_eq!(size("9:16", 180), (180, 320));
    }

    #[test]
    fn nonsense_is_refused_with_an_example() {
        for aspect in ["wide", "0:1", "16x9", "1000:1"] {
            assert!(canvas(aspect, 1_080, 30).unwrap_err().to_string().contains("9:16"), "{aspect}");
        }
        assert!(canvas("16:9", 10, 30).is_err());
    }
}
