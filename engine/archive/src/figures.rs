//! What there is to measure of an archive.

use prometheus::{IntCounter, IntGauge, Registry};

/// Figures of one process.
#[derive(Clone, Debug)]
pub struct Figures {
    /// Runs that were moved.
    pub(crate) moved: IntCounter,
    /// Runs that could not be moved and are tried again later.
    pub(crate) stuck: IntGauge,
    /// Times that a store or the archive did not answer.
    pub(crate) failures: IntCounter,
    /// Runs that were deleted from the archive.
    pub(crate) deleted: IntCounter,
}

impl Figures {
    /// Makes the figures and registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let figures = Self {
            moved: IntCounter::new("reelmill_archive_moved_total", "Ended runs moved into the archive")?,
            stuck: IntGauge::new(
                "reelmill_archive_stuck",
                "Ended runs that the archive did not take; they are tried again later",
            )?,
            failures: IntCounter::new(
                "reelmill_archive_failures_total",
                "Times that ended runs were not moved or deleted because a store did not answer",
            )?,
            deleted: IntCounter::new(
                "reelmill_archive_deleted_total",
                "Runs deleted from the archive because of their age or number",
            )?,
        };
        registry.register(Box::new(figures.moved.clone()))?;
        registry.register(Box::new(figures.stuck.clone()))?;
        registry.register(Box::new(figures.failures.clone()))?;
        registry.register(Box::new(figures.deleted.clone()))?;
        Ok(figures)
    }
}
