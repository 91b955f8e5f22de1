//! What there is to measure of triggers. No label names a trigger: there may be thousands.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

/// Figures of one scheduler.
#[derive(Clone, Debug)]
pub struct Figures {
    firings: IntCounterVec,
    late: Histogram,
    triggers: IntGauge,
    beyond: IntGauge,
}

/// Upper bounds of lateness, in seconds: from on time to made up for days later.
const SECONDS: &[f64] = &[0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 600.0, 3_600.0, 86_400.0];

impl Figures {
    /// Makes the figures and registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let figures = Self {
            firings: IntCounterVec::new(
                Opts::new("reelmill_firings_total", "Firings of schedules and files, by what came of them"),
                &["outcome"],
            )?,
            late: Histogram::with_opts(
                HistogramOpts::new(
                    "reelmill_firing_late_seconds",
                    "Time from when a schedule was due to its run",
                )
                .buckets(SECONDS.to_vec()),
            )?,
            triggers: IntGauge::new("reelmill_triggers", "Triggers that this scheduler looks after")?,
            beyond: IntGauge::new(
                "reelmill_triggers_beyond_limit",
                "Triggers that do not fire because there are too many",
            )?,
        };
        registry.register(Box::new(figures.firings.clone()))?;
        registry.register(Box::new(figures.late.clone()))?;
        registry.register(Box::new(figures.triggers.clone()))?;
        registry.register(Box::new(figures.beyond.clone()))?;
        Ok(figures)
    }

    /// Firings came to this: `started`, `known` (another scheduler was faster), `skipped` or `failed`.
    pub(super) fn fired(&self, outcome: &str, count: u64) {
        self.firings.with_label_values(&[outcome]).inc_by(count);
    }

    /// A schedule started its run so long after it was due.
    pub(super) fn late(&self, ms: u64) {
        self.late.observe(ms as f64 / 1_000.0);
    }

    /// So many triggers are looked after, and so many are not.
    pub(super) fn triggers(&self, looked_after: usize, beyond: usize) {
        self.triggers.set(i64::try_from(looked_after).unwrap_or(i64::MAX));
        self.beyond.set(i64::try_from(beyond).unwrap_or(i64::MAX));
    }
}
