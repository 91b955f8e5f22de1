//! The last resort: a slow gradient, made by libav's generator. Always marked as generated.

use crate::look::Look;
use crate::types::{Kind, Orientation};
use reelmill_media::{Control, Progress as MediaProgress, VideoCodec, VideoSettings, synth};
use reelmill_sdk::prelude::*;
use std::path::Path;

/// Length in seconds; a longer scene shows it again.
const SECONDS: u32 = 12;
const FPS: u32 = 30;

/// Colours that go together, dark enough for captions.
const PALETTES: &[[&str; 4]] = &[
    ["0x0b1d3a", "0x12456b", "0x1f7a8c", "0x0a2540"],
    ["0x2b0f3a", "0x5b2a6e", "0x914a7a", "0x1d0b29"],
    ["0x0d2b1f", "0x1c5c45", "0x3a8a68", "0x0a1f18"],
    ["0x3a160b", "0x7a3217", "0xb3602a", "0x260d07"],
    ["0x101420", "0x2a3350", "0x4c5c86", "0x0b0e18"],
];

/// Writes a background; the same words give the same colours.
pub fn generate(
    path: &Path,
    words: &[String],
    orientation: Orientation,
    cx: &Cx<'_>,
) -> Result<Look, StageError> {
    let (width, height) = if orientation == Orientation::Portrait { (360, 640) } else { (640, 360) };
    let number = number_of(words);
    let [a, b, c, d] = PALETTES[usize::try_from(number % PALETTES.len() as u64).unwrap_or(0)];
    let graph = format!(
        "gradients=size={small_width}x{small_height}:rate={FPS}:duration={SECONDS}:speed=0.006:nb_colors=4:c0={a}:c1={b}:c2={c}:\
         c3={d}:seed={seed}:type=linear,setsar=1,setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,\
         scale={width}:{height}:flags=bicubic:out_color_matrix=bt709:out_range=tv,format=yuv420p[out]",
        seed = number % 1_000_000,
        // A gradient holds no detail: drawn small and scaled, it looks the same in a tenth of the time.
        small_width = width / 4,
        small_height = height / 4,
    );
    let settings = VideoSettings {
        codec: VideoCodec::H264,
        width,
        height,
        fps: FPS,
        crf: 20.0,
        preset: "veryfast".to_owned(),
        // One thread gives the same bytes every time.
        threads: 1,
        keyframe_interval: FPS,
        ten_bit: false,
    };
    synth(path, Some((&graph, &settings)), None, &Watch(cx)).map_err(|error| failed(&error))?;
    Ok(Look { kind: Kind::Clip, width, height, duration_ms: u64::from(SECONDS) * 1000 })
}

/// The attempt, as libav's callers see it.
struct Watch<'a>(&'a Cx<'a>);

impl Control for Watch<'_> {
    fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    fn progress(&self, progress: &MediaProgress) {
        self.0.progress(&Progress {
            done: progress.done as f64,
            total: Some(progress.total as f64),
            unit: progress.unit.to_owned(),
            phase: "background".to_owned(),
            ..Progress::default()
        });
    }
}

fn failed(error: &reelmill_media::Error) -> StageError {
    use reelmill_media::ErrorKind;
    let message = format!("the background could not be made: {error}");
    match error.kind() {
        ErrorKind::Cancelled => StageError::cancelled(),
        ErrorKind::Resource => StageError::resource(message),
        ErrorKind::Setup => StageError::invalid_config(message),
        ErrorKind::Input | ErrorKind::Internal => StageError::internal(message),
    }
}

/// FNV-1a (Fowler, Noll, Vo) over the words: any spread of numbers will do, as long as it stays the same.
fn number_of(words: &[String]) -> u64 {
    words
        .iter()
        .flat_map(|word| word.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
