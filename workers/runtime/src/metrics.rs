//! The worker's own figures, for Prometheus. Names follow its conventions: `reelmill_`, base units, `_total`.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use reelmill_model::{Outcome, Usage};
use std::time::Duration;

/// Figures of one worker.
#[derive(Clone, Debug)]
pub struct Metrics {
    running: IntGauge,
    attempts: IntCounterVec,
    failures: IntCounterVec,
    seconds: Histogram,
    cpu_milliseconds: IntCounter,
    cache: IntCounterVec,
    settles_refused: IntCounter,
    queue_errors: IntCounter,
}

/// Upper bounds of attempts' durations, in seconds: from inline stages to long encodes.
const SECONDS: &[f64] = &[0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0];

impl Metrics {
    /// Makes the figures and registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| IntCounter::with_opts(Opts::new(name, help));
        let family =
            |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            running: IntGauge::new("reelmill_attempts_running", "Attempts that run now")?,
            attempts: family("reelmill_attempts_total", "Attempts that ended, by outcome", "outcome")?,
            failures: family("reelmill_attempt_failures_total", "Attempts that failed, by class", "class")?,
            seconds: Histogram::with_opts(
                HistogramOpts::new("reelmill_attempt_seconds", "Time from lease to outcome")
                    .buckets(SECONDS.to_vec()),
            )?,
            cpu_milliseconds: counter("reelmill_attempt_cpu_milliseconds_total", "CPU time of attempts")?,
            cache: family("reelmill_cache_lookups_total", "Look-ups in the result cache", "result")?,
            settles_refused: counter(
                "reelmill_settles_refused_total",
                "Settles that came too late to count",
            )?,
            queue_errors: counter("reelmill_queue_errors_total", "Steps that the queue did not answer")?,
        };
        registry.register(Box::new(metrics.running.clone()))?;
        registry.register(Box::new(metrics.attempts.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.cpu_milliseconds.clone()))?;
        registry.register(Box::new(metrics.cache.clone()))?;
        registry.register(Box::new(metrics.settles_refused.clone()))?;
        registry.register(Box::new(metrics.queue_errors.clone()))?;
        Ok(metrics)
    }

    pub(crate) fn attempt_started(&self) {
        self.running.inc();
    }

    pub(crate) fn attempt_ended(&self, outcome: &Outcome, usage: &Usage, took: Duration) {
        self.running.dec();
        let word = match outcome {
            Outcome::Succeeded { cached: true, .. } => "cached",
            Outcome::Succeeded { .. } => "succeeded",
            Outcome::Failed(failure) => {
                self.failures.with_label_values(&[failure.class.word()]).inc();
                "failed"
            }
            Outcome::Skipped(_) => "skipped",
            Outcome::Cancelled => "cancelled",
            Outcome::Expand { .. } => "expanded",
            Outcome::Await { .. } => "awaits",
            Outcome::Parked => "parked",
            Outcome::Released => "released",
            Outcome::LeaseExpired => "lease_expired",
        };
        self.attempts.with_label_values(&[word]).inc();
        self.seconds.observe(took.as_secs_f64());
        self.cpu_milliseconds.inc_by(usage.cpu_ms);
    }

    pub(crate) fn cache_lookup(&self, hit: bool) {
        self.cache.with_label_values(&[if hit { "hit" } else { "miss" }]).inc();
    }

    pub(crate) fn settle_refused(&self) {
        self.settles_refused.inc();
    }

    pub(crate) fn queue_error(&self) {
        self.queue_errors.inc();
    }
}
