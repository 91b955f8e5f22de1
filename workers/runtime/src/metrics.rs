//! The worker's own figures, for Prometheus. Names follow its conventions: `reelmill_`, base units, `_total`.

use prometheus::{GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use reelmill_model::{Outcome, Usage};
use reelmill_ports::StageUse;
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
    slots: IntGauge,
    slots_max: IntGauge,
    stage_cores: GaugeVec,
    stage_memory: GaugeVec,
}

/// Upper bounds of attempts' durations, in seconds: from inline stages to long encodes.
const SECONDS: &[f64] = &[0.001, 0.01, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0];

impl Metrics {
    /// Makes the figures and registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let counter = |name: &str, help: &str| IntCounter::with_opts(Opts::new(name, help));
        let family =
            |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let gauges = |name: &str, help: &str| GaugeVec::new(Opts::new(name, help), &["stage"]);
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
            slots: IntGauge::new("reelmill_slots", "Tasks that this worker takes at once")?,
            slots_max: IntGauge::new("reelmill_slots_max", "Tasks that it would take at once at most")?,
            stage_cores: gauges(
                "reelmill_stage_cores",
                "Cores that an attempt of the stage is reckoned with",
            )?,
            stage_memory: gauges(
                "reelmill_stage_memory_bytes",
                "Memory that an attempt of the stage is reckoned with",
            )?,
        };
        registry.register(Box::new(metrics.running.clone()))?;
        registry.register(Box::new(metrics.attempts.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.cpu_milliseconds.clone()))?;
        registry.register(Box::new(metrics.cache.clone()))?;
        registry.register(Box::new(metrics.settles_refused.clone()))?;
        registry.register(Box::new(metrics.queue_errors.clone()))?;
        registry.register(Box::new(metrics.slots.clone()))?;
        registry.register(Box::new(metrics.slots_max.clone()))?;
        registry.register(Box::new(metrics.stage_cores.clone()))?;
        registry.register(Box::new(metrics.stage_memory.clone()))?;
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

    /// Shows how many slots there are, how many there may be, and what these stages use.
    pub(crate) fn show_slots(&self, slots: u32, slots_max: u32, learned: &[StageUse]) {
        self.slots.set(slots.into());
        self.slots_max.set(slots_max.into());
        // Those that are shown no more leave.
        self.stage_cores.reset();
        self.stage_memory.reset();
        for stage in learned {
            let name = &[stage.stage.as_str()];
            self.stage_cores.with_label_values(name).set(f64::from(stage.cpu_milli) / 1_000.0);
            self.stage_memory.with_label_values(name).set(f64::from(stage.memory_mib) * 1_048_576.0);
        }
    }

    pub(crate) fn queue_error(&self) {
        self.queue_errors.inc();
    }
}
