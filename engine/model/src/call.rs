//! What a plugin is told about the attempt it works on, and what it says while it works.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The circumstances of one attempt, as `call` in the input of a stage.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct CallInfo {
    /// The one folder the stage may write to; empty at the start, removed after the attempt.
    pub scratch: PathBuf,
    /// The run's id.
    #[serde(default)]
    pub run: String,
    /// The task's path: `scene[s1].clip`.
    #[serde(default)]
    pub task: String,
    /// Which attempt of the task this is, from 1.
    #[serde(default)]
    pub attempt: u32,
    /// The same for every attempt of the task, so that an outside service can see a repetition.
    #[serde(default)]
    pub idempotency_token: String,
    /// The only source of chance a stage may use: the same for every attempt of the task.
    #[serde(default)]
    pub seed: u64,
    /// The GPUs it may use, by the number their driver gives them; the best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<u32>,
    /// The hardware encoders that were tried on this machine, those of its GPUs first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encoders: Vec<EncoderSeen>,
}

/// A hardware encoder that was tried with a real frame.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct EncoderSeen {
    /// Its name in libav: `h264_nvenc`.
    pub encoder: String,
    /// The GPU as the encoder names it: a number for NVENC, a render node for VA-API. None where it has no choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// What the GPU is, in a word: `ada`, `arc`. Empty when it is not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub generation: String,
    /// Why it does not work; none where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How far an attempt is. The engine derives percent, speed and remaining time from it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Progress {
    /// How much is done, in `unit`.
    pub done: f64,
    /// How much there is, when that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<f64>,
    /// What is counted: `frames`, `bytes`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Which part of the work this is, when there are several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// A few words for the person who watches.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
