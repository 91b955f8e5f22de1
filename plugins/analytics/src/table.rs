//! The report as text for people: plain lines and columns, no colours.

use crate::figures::{Report, StageFigures, VideoFigures};
use crate::types::Attempted;
use reelmill_sdk::prelude::*;
use std::fmt::Write as _;

/// Writes the report.
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    heading(&mut text, report);
    videos(&mut text, report);
    encoders(&mut text, report);
    stages(&mut text, report);
    slowest(&mut text, report);
    if !report.failed.is_empty() {
        let _ = writeln!(text, "\nFailed\n  {}", report.failed.join("\n  "));
    }
    text
}

fn heading(text: &mut String, report: &Report) {
    let fact = |name: &str| report.run.get(name).and_then(Value::as_str).filter(|fact| !fact.is_empty());
    let run = fact("id").map_or_else(|| "Run".to_owned(), |id| format!("Run {id}"));
    let pipeline =
        fact("pipeline").or_else(|| fact("name")).map(|name| format!(" of {name}")).unwrap_or_default();
    let _ = writeln!(text, "{run}{pipeline}");
    let summary = &report.summary;
    let _ = writeln!(
        text,
        "  {} tasks ended, {} failed, {} from the cache, {} attempts repeated",
        summary.tasks, summary.failed, summary.cached, summary.repeated_attempts
    );
    let saved = if summary.savings_estimated { ", about" } else { "," };
    let _ = writeln!(
        text,
        "  {:.1} s of CPU time, {:.1} s of work added up{saved} {:.1} s of CPU time saved by the cache",
        summary.cpu_seconds, summary.busy_seconds, summary.cpu_saved_seconds
    );
    if let Some(rate) = summary.cpu_seconds_a_video_second {
        let _ = writeln!(text, "  {:.1} s of video, {rate:.2} s of CPU time for each", summary.video_seconds);
    }
    if let Some(cost) = summary.cost {
        let _ = writeln!(text, "  cost by the price given: {cost:.4}");
    }
}

fn videos(text: &mut String, report: &Report) {
    if report.videos.is_empty() {
        return;
    }
    let or_dash = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
    let rows = report.videos.iter().map(|video| {
        vec![
            video.name.clone(),
            format!("{}x{}", video.width, video.height),
            format!("{:.2}", video.fps).trim_end_matches('0').trim_end_matches('.').to_owned(),
            format!("{:.1}", video.seconds),
            size(video.bytes),
            format!("{:.0}", video.kbit_per_second),
            if video.encoder.is_empty() {
                video.codec.clone()
            } else {
                format!("{} by {}", video.codec, video.encoder)
            },
            or_dash(video.loudness_lufs),
            or_dash(video.true_peak_dbtp),
        ]
    });
    let _ = writeln!(text, "\nVideos");
    columns(
        text,
        &["video", "size", "fps", "seconds", "bytes", "kbit/s", "codec", "LUFS", "dBTP"],
        rows.collect(),
    );
}

/// Encoders that did not make a video that they could have made, and why.
fn encoders(text: &mut String, report: &Report) {
    let failed = |video: &VideoFigures| -> Vec<String> {
        let name = &video.name;
        let others = video.encoders.iter().filter(|one| one.outcome != "used");
        others
            .map(|Attempted { encoder, outcome, frame, reason }| match (outcome.as_str(), frame) {
                ("failed", Some(frame)) => format!("  {name}: {encoder} failed at frame {frame}: {reason}"),
                ("failed", None) => format!("  {name}: {encoder} could not be opened: {reason}"),
                _ => format!("  {name}: {encoder} was left out: {reason}"),
            })
            .collect()
    };
    let lines: Vec<String> = report.videos.iter().flat_map(failed).collect();
    if !lines.is_empty() {
        let _ = writeln!(text, "\nEncoders\n{}", lines.join("\n"));
    }
}

fn stages(text: &mut String, report: &Report) {
    if report.stages.is_empty() {
        return;
    }
    let all: f64 = report.stages.iter().map(|stage| stage.cpu_seconds).sum();
    let row = |stage: &StageFigures| {
        let share = if all > 0.0 { stage.cpu_seconds / all * 100.0 } else { 0.0 };
        vec![
            stage.stage.clone(),
            stage.uses.clone(),
            stage.tasks.to_string(),
            stage.cached.to_string(),
            (stage.failed + stage.skipped).to_string(),
            format!("{:.2}", stage.busy_seconds),
            format!("{:.2}", stage.longest_seconds),
            format!("{:.2}", stage.cpu_seconds),
            format!("{share:.0} %"),
            size(stage.memory_peak_bytes),
        ]
    };
    let _ = writeln!(text, "\nStages");
    let names =
        ["stage", "uses", "tasks", "cached", "not run", "seconds", "longest", "CPU s", "share", "memory"];
    columns(text, &names, report.stages.iter().map(row).collect());
}

fn slowest(text: &mut String, report: &Report) {
    if report.slowest.is_empty() {
        return;
    }
    let rows = report.slowest.iter().map(|task| {
        vec![task.path.clone(), format!("{:.2}", task.seconds), format!("{:.2}", task.cpu_seconds)]
    });
    let _ = writeln!(text, "\nSlowest tasks");
    columns(text, &["task", "seconds", "CPU s"], rows.collect());
}

/// Columns under their names: text to the left, figures to the right.
fn columns(text: &mut String, names: &[&str], rows: Vec<Vec<String>>) {
    let header = names.iter().map(|name| (*name).to_owned()).collect();
    let is_figure =
        |text: &str| text.starts_with(|c: char| c.is_ascii_digit() || c == '-') && !text.contains('x');
    let right: Vec<bool> =
        (0..names.len()).map(|column| rows.iter().all(|row| is_figure(&row[column]))).collect();
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..names.len()).map(width).collect();
    for line in &lines {
        let mut row = String::from(" ");
        for ((cell, width), right) in line.iter().zip(&widths).zip(&right) {
            let _ = if *right { write!(row, " {cell:>width$}") } else { write!(row, " {cell:<width$}") };
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
}

/// Bytes in the largest unit that keeps them above one.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}
