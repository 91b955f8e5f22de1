//! Live bars on a terminal: one line for the run, one for each task that is being worked on.

use super::rate::{self, Pace};
use super::{Picture, Running, Show, sentence};
use crate::output::{Output, Tone};
use crate::words;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use reelmill_model::{Event, Progress, TaskNo};
use std::collections::BTreeMap;

/// Steps of a bar: tenths of a percent.
const STEPS: u64 = 1_000;

/// Bars on standard error.
pub struct Bars {
    output: Output,
    all: MultiProgress,
    run: ProgressBar,
    tasks: BTreeMap<TaskNo, Line>,
}

/// The bar of one task.
struct Line {
    bar: ProgressBar,
    pace: Pace,
}

impl Bars {
    /// Bars that appear with the first picture.
    pub fn new(output: Output) -> Self {
        let all = MultiProgress::new();
        let run = all.add(ProgressBar::new(STEPS));
        run.set_style(style("{prefix:.bold} {bar:30} {msg}"));
        Self { output, all, run, tasks: BTreeMap::new() }
    }

    fn show_task(&mut self, running: &Running, now_ms: u64) {
        let line = self.tasks.entry(running.task).or_insert_with(|| {
            let bar = self.all.add(ProgressBar::new(STEPS));
            bar.set_style(style("  {prefix:32!} {bar:20} {msg}"));
            bar.set_prefix(running.path.clone());
            Line { bar, pace: Pace::start(&running.progress, now_ms) }
        });
        line.bar.set_position(steps(rate::fraction(&running.progress).unwrap_or(0.0)));
        line.bar.set_message(describe(&running.progress, line.pace, now_ms));
    }
}

/// A style from a template that is known to be right.
fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    style.progress_chars("━╸─")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a fraction of 0 to 1 becomes 0 to 1000"
)]
fn steps(fraction: f64) -> u64 {
    (fraction.clamp(0.0, 1.0) * STEPS as f64) as u64
}

/// `encode 42 % · 180 frames/s · 12 s left`: what is known of it.
fn describe(progress: &Progress, pace: Pace, now_ms: u64) -> String {
    let mut parts = Vec::new();
    let what = if progress.message.is_empty() { &progress.phase } else { &progress.message };
    if !what.is_empty() {
        parts.push(what.clone());
    }
    if let Some(fraction) = rate::fraction(progress) {
        parts.push(format!("{:.0} %", fraction * 100.0));
    }
    if let Some(speed) = pace.speed(progress, now_ms).filter(|_| !progress.unit.is_empty()) {
        parts.push(format!("{speed:.0} {}/s", progress.unit));
    }
    if let Some(left) = pace.left_ms(progress, now_ms) {
        parts.push(format!("{} left", words::duration(left)));
    }
    parts.join(" · ")
}

impl Show for Bars {
    fn event(&mut self, event: &Event, path: &str) {
        let Some(sentence) = sentence(event, path) else { return };
        // What stays on the screen: whatever went wrong, and the stages of the main body; items have their bars.
        let is_item = path.contains('[');
        if is_item && matches!(sentence.tone, Tone::Good | Tone::Faint) {
            return;
        }
        let text = self.output.paint(sentence.tone, &sentence.text);
        // A terminal that has gone away is no reason to stop the run.
        let _ = self.all.println(format!("{} {text}", words::time_of_day(event.at_ms)));
    }

    fn picture(&mut self, picture: &Picture) {
        let (ended, total) = picture.tasks();
        let parts: f64 = picture.running.iter().filter_map(|running| rate::fraction(&running.progress)).sum();
        let fraction = if total == 0 { 0.0 } else { (ended as f64 + parts) / total as f64 };
        let left =
            picture.left_ms().map_or(String::new(), |left| format!(" · {} left", words::duration(left)));
        self.run.set_prefix(picture.run.new.name.clone());
        self.run.set_position(steps(fraction));
        self.run.set_message(format!("{ended}/{}{left}", words::count(total, "task")));
        let shown: Vec<TaskNo> = picture.running.iter().map(|running| running.task).collect();
        self.tasks.retain(|task, line| {
            let still = shown.contains(task);
            if !still {
                line.bar.finish_and_clear();
            }
            still
        });
        for running in &picture.running {
            self.show_task(running, picture.at_ms);
        }
    }

    fn end(&mut self) {
        for line in self.tasks.values() {
            line.bar.finish_and_clear();
        }
        self.run.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_says_what_is_known_and_no_more() {
        let silent = Progress::default();
        assert_eq!(describe(&silent, Pace::start(&silent, 0), 5_000), "");
        let then = rate::read(&json!({ "done": 0, "total": 600, "unit": "frames", "phase": "encode" }));
        let pace = Pace::start(&then, 0);
        let now = Progress { done: 150.0, ..then };
        assert_eq!(describe(&now, pace, 1_000), "encode · 25 % · 150 frames/s · 3.0 s left");
    }

    #[test]
    fn styles_are_well_formed() {
        for template in ["{prefix:.bold} {bar:30} {msg}", "  {prefix:32!} {bar:20} {msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
