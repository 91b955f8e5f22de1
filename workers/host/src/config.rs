//! How a host works: places, limits and patience.

use std::path::PathBuf;
use std::time::Duration;

/// How a host works. [`HostConfig::new`] has sensible values for all but the places.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// The `reelmill-runner` program.
    pub runner: PathBuf,
    /// The folder in which attempts have their folders; plugins may write below it.
    pub scratch_root: PathBuf,
    /// The folder of stored artifacts; plugins may read below it.
    pub artifact_root: PathBuf,
    /// From asking a stage to stop until it is killed.
    pub grace: Duration,
    /// How long a plugin may take to load and a stage to open.
    pub open_limit: Duration,
    /// Opened processes kept ready for a stage that wants a fresh one for every attempt, once it is used often.
    pub spares: usize,
    /// Idle processes of all stages together; the longest idle are closed first.
    pub idle_max: usize,
    /// Attempts after which a pooled process is replaced.
    pub recycle_calls: u32,
    /// Growth of its resident memory after which a pooled process is replaced, in bytes.
    pub recycle_growth_bytes: u64,
    /// Memory of a stage whose manifest asks for none, in bytes.
    pub default_memory_bytes: u64,
    /// Crashes of one plugin within `quarantine_window` after which it is no longer started.
    pub quarantine_crashes: usize,
    /// The window; a quarantine lasts as long, counted from the last crash.
    pub quarantine_window: Duration,
}

impl HostConfig {
    /// Sensible values for these places.
    #[must_use]
    pub fn new(
        runner: impl Into<PathBuf>,
        scratch_root: impl Into<PathBuf>,
        artifact_root: impl Into<PathBuf>,
    ) -> Self {
        Self {
            runner: runner.into(),
            scratch_root: scratch_root.into(),
            artifact_root: artifact_root.into(),
            grace: Duration::from_secs(5),
            open_limit: Duration::from_mins(1),
            spares: 1,
            idle_max: 16,
            recycle_calls: 1_000,
            recycle_growth_bytes: 512 << 20,
            default_memory_bytes: 4 << 30,
            quarantine_crashes: 20,
            quarantine_window: Duration::from_mins(1),
        }
    }
}
