//! What `analytics.report` takes and puts out.

use reelmill_sdk::prelude::*;

/// `with` of `analytics.report`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// Facts of the run to print: `${{ run }}`, or an object of one's own. Its `tasks` are used when `tasks` is left
    /// out.
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub run: Value,
    /// The run's tasks: `${{ run.tasks }}`.
    pub tasks: Vec<Task>,
    /// Videos the run made: outputs of `video.encode`, one or a list.
    pub videos: Videos,
    /// Price of an hour of CPU time, to turn seconds into money.
    #[schemars(range(min = 0.0))]
    pub cpu_hour_price: Option<f64>,
}

/// One task, as `run.tasks` has it; what is left out counts as nothing.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Task {
    /// Its path with the items of fan-outs: `scene[s1].speech`.
    pub path: String,
    /// The stage's path: `scene.speech`.
    pub stage: String,
    /// The plugin's stage: `tts.speak`; empty for a group.
    pub uses: String,
    /// Its state.
    pub state: String,
    /// Attempts made.
    pub attempts: u32,
    /// Whether its outputs came from the cache.
    pub cached: bool,
    /// From its lease to its end, in milliseconds.
    pub wall_ms: u64,
    /// CPU time of its plugin, in milliseconds.
    pub cpu_ms: u64,
    /// CPU time that the cache saved, where it is known, in milliseconds.
    pub cpu_saved_ms: Option<u64>,
    /// Largest memory of its plugin, in bytes.
    pub rss_peak_bytes: u64,
}

/// One video or many; null when there is none.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Videos {
    /// Many, with nulls for those that were not made.
    Many(Vec<Option<Video>>),
    /// One or none.
    One(Option<Box<Video>>),
}

impl Default for Videos {
    fn default() -> Self {
        Self::One(None)
    }
}

impl Videos {
    /// Those that were made.
    pub(crate) fn into_list(self) -> Vec<Video> {
        match self {
            Self::Many(list) => list.into_iter().flatten().collect(),
            Self::One(video) => video.into_iter().map(|video| *video).collect(),
        }
    }
}

/// Facts of a video, as `video.encode` puts them out.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Video {
    /// The file.
    #[serde(rename = "video")]
    pub file: Option<Artifact>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames a second.
    pub fps: f64,
    /// Length, in milliseconds.
    pub duration_ms: u64,
    /// Size, in bytes.
    pub bytes: u64,
    /// Codec of the pictures.
    pub codec: String,
    /// The encoder that made the pictures.
    pub encoder: String,
    /// How it went with each encoder that could have made them.
    pub encoders: Vec<Attempted>,
    /// Integrated loudness, in LUFS.
    pub loudness_lufs: Option<f64>,
    /// True peak, in dBTP.
    pub true_peak_dbtp: Option<f64>,
}

/// How it went with an encoder.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Attempted {
    /// Its name in libav.
    pub encoder: String,
    /// `used`, `failed` or `left_out`.
    pub outcome: String,
    /// The frame at which it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame: Option<u64>,
    /// Why.
    pub reason: String,
}

/// The run in a few figures.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct Summary {
    /// Tasks that have ended.
    pub tasks: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Of these, those whose outputs came from the cache.
    pub cached: u64,
    /// Attempts beyond the first.
    pub repeated_attempts: u64,
    /// Videos made.
    pub videos: u64,
    /// Seconds of video made.
    pub video_seconds: f64,
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
    /// Time that tasks were worked on, added up, in seconds.
    pub busy_seconds: f64,
    /// CPU time that the cache saved, in seconds.
    pub cpu_saved_seconds: f64,
    /// Whether a part of the savings is estimated from other tasks of the same stage.
    pub savings_estimated: bool,
    /// Largest memory of one task, in bytes.
    pub memory_peak_bytes: u64,
    /// CPU seconds for each second of video; nothing without videos.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_seconds_a_video_second: Option<f64>,
    /// What the CPU time cost, by the price given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// What `analytics.report` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The whole report, as JSON.
    pub report: OutputFile,
    /// The report to read, as text.
    pub table: OutputFile,
    /// The run in a few figures.
    pub summary: Summary,
}
