//! Adding up: from tasks and videos to the report. Pure.

use crate::types::{Attempted, Input, Summary, Task, Video};
use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;

/// Slowest tasks that are named.
const SLOWEST_MAX: usize = 10;
/// Failed tasks that are named; all are counted.
const FAILED_MAX: usize = 50;

/// The whole report.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// Facts of the run, as they were given.
    pub run: Value,
    /// The run in a few figures.
    pub summary: Summary,
    /// How many tasks are in which state.
    pub states: BTreeMap<String, u64>,
    /// Figures by stage, the one that took most CPU time first.
    pub stages: Vec<StageFigures>,
    /// The tasks that took longest.
    pub slowest: Vec<SlowTask>,
    /// Paths of failed tasks.
    pub failed: Vec<String>,
    /// The videos.
    pub videos: Vec<VideoFigures>,
}

/// Figures of one stage.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct StageFigures {
    /// The stage's path.
    pub stage: String,
    /// The plugin's stage.
    pub uses: String,
    /// Tasks that have ended.
    pub tasks: u64,
    /// Of these, those that failed.
    pub failed: u64,
    /// Of these, those that were skipped.
    pub skipped: u64,
    /// Of these, those from the cache.
    pub cached: u64,
    /// Attempts beyond the first.
    pub repeated_attempts: u64,
    /// Time of all tasks, in seconds.
    pub busy_seconds: f64,
    /// Time of a task that ran, on average, in seconds.
    pub mean_seconds: f64,
    /// Time of the slowest task, in seconds.
    pub longest_seconds: f64,
    /// CPU time, in seconds.
    pub cpu_seconds: f64,
    /// CPU time that the cache saved, in seconds.
    pub cpu_saved_seconds: f64,
    /// Largest memory of one task, in bytes.
    pub memory_peak_bytes: u64,
}

/// A task that took long.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct SlowTask {
    /// Its path.
    pub path: String,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Its CPU time, in seconds.
    pub cpu_seconds: f64,
}

/// A video.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct VideoFigures {
    /// Its file name.
    pub name: String,
    /// Where it is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Frames a second.
    pub fps: f64,
    /// Length, in seconds.
    pub seconds: f64,
    /// Size, in bytes.
    pub bytes: u64,
    /// Bits a second, sound included, in kilobits.
    pub kbit_per_second: f64,
    /// Codec of the pictures.
    pub codec: String,
    /// The encoder that made them; empty where it was not said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub encoder: String,
    /// How it went with each encoder that could have made them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encoders: Vec<Attempted>,
    /// Integrated loudness, in LUFS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loudness_lufs: Option<f64>,
    /// True peak, in dBTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub true_peak_dbtp: Option<f64>,
}

impl Report {
    /// Adds everything up.
    pub fn of(input: Input) -> Self {
        let Input { mut run, mut tasks, videos, cpu_hour_price } = input;
        // The tasks are the report's own subject: they are not repeated among the run's facts.
        let of_run = run.as_object_mut().and_then(|facts| facts.remove("tasks"));
        if let (true, Some(of_run)) = (tasks.is_empty(), of_run) {
            tasks = serde_json::from_value(of_run).unwrap_or_default();
        }
        let videos: Vec<VideoFigures> = videos.into_list().into_iter().map(VideoFigures::of).collect();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for task in &tasks {
            *counts.entry(task.state.clone()).or_default() += 1;
        }
        // What has not ended has no figures yet: at the least, the report's own task.
        tasks.retain(Task::has_ended);
        let (stages, savings_estimated) = by_stage(&tasks);
        let summary = summary(&tasks, &stages, &videos, savings_estimated, cpu_hour_price);
        let is_failed = |task: &&Task| task.state == "failed";
        let failed = tasks.iter().filter(is_failed).map(|task| task.path.clone()).take(FAILED_MAX).collect();
        Self { run, summary, states: counts, stages, slowest: slowest(&tasks), failed, videos }
    }
}

impl Task {
    fn has_ended(&self) -> bool {
        matches!(self.state.as_str(), "succeeded" | "failed" | "skipped" | "cancelled")
    }

    /// Whether it took an attempt of its own.
    fn has_run(&self) -> bool {
        !self.cached && self.state != "skipped"
    }

    fn repeated_attempts(&self) -> u64 {
        u64::from(self.attempts.saturating_sub(1))
    }
}

impl VideoFigures {
    fn of(video: Video) -> Self {
        let bytes = if video.bytes > 0 {
            video.bytes
        } else {
            video.file.as_ref().map_or(0, |file| file.reference.size)
        };
        let kbit_per_second =
            if video.duration_ms > 0 { tenths(bytes as f64 * 8.0 / video.duration_ms as f64) } else { 0.0 };
        Self {
            name: video.file.as_ref().map_or_else(|| "video".to_owned(), |file| file.name().to_owned()),
            artifact: video.file.as_ref().map(|file| file.reference.digest.to_string()),
            width: video.width,
            height: video.height,
            fps: video.fps,
            seconds: seconds(video.duration_ms),
            bytes,
            kbit_per_second,
            codec: video.codec,
            encoder: video.encoder,
            encoders: video.encoders,
            loudness_lufs: video.loudness_lufs,
            true_peak_dbtp: video.true_peak_dbtp,
        }
    }
}

/// Figures by stage, and whether any saving is estimated. Groups and fan-outs have no work of their own.
fn by_stage(tasks: &[Task]) -> (Vec<StageFigures>, bool) {
    let mut by_stage: BTreeMap<&str, Vec<&Task>> = BTreeMap::new();
    for task in tasks.iter().filter(|task| !task.uses.is_empty() || task.cpu_ms > 0) {
        by_stage.entry(&task.stage).or_default().push(task);
    }
    let mut is_estimated = false;
    let mut stages: Vec<StageFigures> = by_stage
        .into_iter()
        .map(|(stage, tasks)| {
            let (figures, estimated) = figures(stage, &tasks);
            is_estimated |= estimated;
            figures
        })
        .collect();
    stages.sort_by(|a, b| b.cpu_seconds.total_cmp(&a.cpu_seconds).then_with(|| a.stage.cmp(&b.stage)));
    (stages, is_estimated)
}

fn figures(stage: &str, tasks: &[&Task]) -> (StageFigures, bool) {
    let count = |test: &dyn Fn(&Task) -> bool| tasks.iter().filter(|task| test(task)).count() as u64;
    let ran: Vec<&&Task> = tasks.iter().filter(|task| task.has_run()).collect();
    let wall_ms: u64 = ran.iter().map(|task| task.wall_ms).sum();
    let cpu_ms: u64 = ran.iter().map(|task| task.cpu_ms).sum();
    let mean = |total: u64| if ran.is_empty() { 0 } else { total / ran.len() as u64 };
    // A cached task that does not say what it saved would have cost about what its like cost.
    let cached: Vec<&&Task> = tasks.iter().filter(|task| task.cached).collect();
    let is_estimated = cached.iter().any(|task| task.cpu_saved_ms.is_none()) && !ran.is_empty();
    let saved_ms: u64 = cached.iter().map(|task| task.cpu_saved_ms.unwrap_or_else(|| mean(cpu_ms))).sum();
    let figures = StageFigures {
        stage: stage.to_owned(),
        uses: tasks.first().map_or_else(String::new, |task| task.uses.clone()),
        tasks: tasks.len() as u64,
        failed: count(&|task| task.state == "failed"),
        skipped: count(&|task| task.state == "skipped"),
        cached: cached.len() as u64,
        repeated_attempts: tasks.iter().map(|task| task.repeated_attempts()).sum(),
        busy_seconds: seconds(wall_ms),
        mean_seconds: seconds(mean(wall_ms)),
        longest_seconds: seconds(ran.iter().map(|task| task.wall_ms).max().unwrap_or(0)),
        cpu_seconds: seconds(cpu_ms),
        cpu_saved_seconds: seconds(saved_ms),
        memory_peak_bytes: tasks.iter().map(|task| task.rss_peak_bytes).max().unwrap_or(0),
    };
    (figures, is_estimated)
}

fn summary(
    tasks: &[Task],
    stages: &[StageFigures],
    videos: &[VideoFigures],
    savings_estimated: bool,
    cpu_hour_price: Option<f64>,
) -> Summary {
    let cpu_seconds: f64 = stages.iter().map(|stage| stage.cpu_seconds).sum();
    let video_seconds: f64 = videos.iter().map(|video| video.seconds).sum();
    let count = |test: fn(&Task) -> bool| tasks.iter().filter(|task| test(task)).count() as u64;
    Summary {
        tasks: tasks.len() as u64,
        failed: count(|task| task.state == "failed"),
        cached: count(|task| task.cached),
        repeated_attempts: tasks.iter().map(Task::repeated_attempts).sum(),
        videos: videos.len() as u64,
        video_seconds: thousandths(video_seconds),
        cpu_seconds: thousandths(cpu_seconds),
        busy_seconds: thousandths(stages.iter().map(|stage| stage.busy_seconds).sum()),
        cpu_saved_seconds: thousandths(stages.iter().map(|stage| stage.cpu_saved_seconds).sum()),
        savings_estimated,
        memory_peak_bytes: stages.iter().map(|stage| stage.memory_peak_bytes).max().unwrap_or(0),
        cpu_seconds_a_video_second: (video_seconds > 0.0).then(|| thousandths(cpu_seconds / video_seconds)),
        cost: cpu_hour_price.map(|price| cpu_seconds / 3600.0 * price),
    }
}

fn slowest(tasks: &[Task]) -> Vec<SlowTask> {
    let mut ran: Vec<&Task> = tasks.iter().filter(|task| task.has_run() && !task.uses.is_empty()).collect();
    ran.sort_by(|a, b| b.wall_ms.cmp(&a.wall_ms).then_with(|| a.path.cmp(&b.path)));
    ran.into_iter()
        .take(SLOWEST_MAX)
        .map(|task| SlowTask {
            path: task.path.clone(),
            seconds: seconds(task.wall_ms),
            cpu_seconds: seconds(task.cpu_ms),
        })
        .collect()
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

fn thousandths(value: f64) -> f64 {
    // Nothing adds up to a negative zero; adding zero makes it plain.
    (value * 1000.0).round() / 1000.0 + 0.0
}

#[cfg(test)]
mod tests;
