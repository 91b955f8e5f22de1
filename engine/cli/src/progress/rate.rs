//! From counts to percent, speed and time left. Plugins say how much is done; everything else is derived here.

use reelmill_model::Progress;
use serde_json::Value;

/// Reads what a plugin said; odd progress is no progress, for it is never worth a failure.
pub fn read(value: &Value) -> Progress {
    let said = serde_json::from_value::<Progress>(value.clone()).unwrap_or_default();
    let sound = |number: f64| number.is_finite() && number >= 0.0;
    Progress {
        done: if sound(said.done) { said.done } else { 0.0 },
        total: said.total.filter(|t| sound(*t)),
        ..said
    }
}

/// The part that is done, 0 to 1; none when the stage does not know its total.
pub fn fraction(progress: &Progress) -> Option<f64> {
    progress.total.filter(|total| *total > 0.0).map(|total| (progress.done / total).clamp(0.0, 1.0))
}

/// The speed of one attempt, from when it was first seen.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    since_ms: u64,
    done_then: f64,
}

impl Pace {
    /// Starts to measure.
    pub fn start(progress: &Progress, now_ms: u64) -> Self {
        Self { since_ms: now_ms, done_then: progress.done }
    }

    /// Units a second; none before there is something to measure.
    pub fn speed(self, progress: &Progress, now_ms: u64) -> Option<f64> {
        let seconds = now_ms.saturating_sub(self.since_ms) as f64 / 1000.0;
        let done = progress.done - self.done_then;
        (seconds > 0.0 && done > 0.0).then(|| done / seconds)
    }

    /// Milliseconds until the total is reached at this speed.
    pub fn left_ms(self, progress: &Progress, now_ms: u64) -> Option<u64> {
        let total = progress.total.filter(|total| *total > 0.0)?;
        whole_ms((total - progress.done).max(0.0) / self.speed(progress, now_ms)?)
    }
}

/// Milliseconds left of a run that took `elapsed_ms` for `done` of `total` tasks, parts of running ones counted.
pub fn run_left_ms(elapsed_ms: u64, done: f64, total: f64) -> Option<u64> {
    if done <= 0.0 || total <= done {
        return None;
    }
    whole_ms(elapsed_ms as f64 / 1000.0 * (total - done) / done)
}

/// Seconds as whole milliseconds; none when they are no time anyone waits for.
fn whole_ms(seconds: f64) -> Option<u64> {
    const YEAR: f64 = 366.0 * 86_400.0;
    (0.0..YEAR)
        .contains(&seconds)
        .then(|| std::time::Duration::from_secs_f64(seconds))
        .and_then(|time| u64::try_from(time.as_millis()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn speed_and_time_left_follow_from_two_looks() {
        let then = read(&json!({ "done": 100, "total": 900, "unit": "frames" }));
        let pace = Pace::start(&then, 1_000);
        assert_eq!(pace.speed(&then, 1_000), None, "one look has no speed");
        let now = Progress { done: 300.0, ..then };
        assert_eq!(pace.speed(&now, 3_000), Some(100.0));
        assert_eq!(pace.left_ms(&now, 3_000), Some(6_000));
        assert_eq!(fraction(&now), Some(300.0 / 900.0));
    }

    #[test]
    fn odd_progress_is_no_progress() {
        for odd in [json!(null), json!({ "done": -1, "total": "x" }), json!([1]), json!({ "done": 5 })] {
            let progress = read(&odd);
            assert_eq!(fraction(&progress), None, "{odd}");
            assert_eq!(Pace::start(&progress, 0).left_ms(&progress, 1_000), None, "{odd}");
        }
        assert_eq!(fraction(&read(&json!({ "done": 7, "total": 5 }))), Some(1.0));
    }

    #[test]
    fn a_run_half_done_takes_as_long_again() {
        assert_eq!(run_left_ms(10_000, 2.0, 4.0), Some(10_000));
        assert_eq!(run_left_ms(10_000, 0.0, 4.0), None);
        assert_eq!(run_left_ms(10_000, 4.0, 4.0), None);
        assert_eq!(run_left_ms(u64::MAX, 1e-9, 1e9), None, "no time anyone waits for");
    }
}
