//! `video.probe`: whether a hardware encoder works on this machine. Workers ask it before they say what they have.

use super::common::traits;
use reelmill_media::{Error, Generation, Probed, try_encoder};
use reelmill_sdk::prelude::*;
use std::time::Instant;

/// An encoder to be tried.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name in libav: `h264_nvenc`.
    #[schemars(regex(pattern = r"^(h264|hevc|av1)_(nvenc|qsv|amf|vaapi)$"))]
    encoder: String,
    /// The GPU as the encoder names it; its own first unless set.
    #[serde(default)]
    device: Option<String>,
    /// What the GPU is: `ada`, `arc`.
    #[serde(default)]
    generation: String,
}

/// That it works.
#[derive(Serialize, JsonSchema)]
pub struct Works {
    /// How long its first frame took, opening included.
    milliseconds: u64,
}

/// The stage.
pub struct Probe;

impl Stage for Probe {
    const ID: &'static str = "probe";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Tries a hardware encoder with one frame; fails with libav's reason";
    type Input = Input;
    type Output = Works;

    fn traits() -> StageTraits {
        let note = "NVIDIA's H.264 encoder on the first GPU".to_owned();
        let with = json!({ "encoder": "h264_nvenc", "device": "0" });
        let traits = traits(1, 2_048, vec![Example { note, with }]);
        // A driver that failed may have left the process in disorder.
        StageTraits {
            reuse: Reuse::Fresh,
            effects: Effects::External,
            idempotent: true,
            needs: Needs { gpu: true, ..traits.needs },
            ..traits
        }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, _: &Cx<'_>) -> Result<Works, StageError> {
        let begun = Instant::now();
        let probed = Probed {
            encoder: input.encoder,
            generation: Generation::from_word(&input.generation),
            device: input.device,
            failure: None,
        };
        try_encoder(&probed).map_err(|error| match error {
            Error::Setting(text) => StageError::invalid_input(text).code("no_encoder"),
            // Whose reason it is everybody knows who asked.
            Error::Encoder { reason, log, .. } => {
                let log = if log.is_empty() { String::new() } else { format!(" ({})", log.join("; ")) };
                StageError::resource(format!("{reason}{log}")).code("encoder")
            }
            error => StageError::resource(error.to_string()).code("encoder"),
        })?;
        Ok(Works { milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX) })
    }
}
