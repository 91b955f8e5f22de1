//! Keeping the archive within its bounds: the oldest runs are deleted, a few at a time. The artifacts that only they named
//! are named by nothing then, and collected like others.

use crate::Figures;
use reelmill_model::limits::ARCHIVE_DELETED_AT_ONCE;
use reelmill_ports::{Archive, Clock, Old, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time between two looks: counting a large archive takes a while.
const LOOK_EVERY: Duration = Duration::from_mins(5);

/// What an archive keeps; everything unless it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Runs that ended within this time.
    pub age: Option<Duration>,
    /// As many runs, the newest.
    pub runs: Option<u64>,
}

/// Deletes what is beyond it. Any number of processes may do so at once.
pub struct Keeper {
    cold: Arc<dyn Archive>,
    kept: Kept,
    clock: Arc<dyn Clock>,
    figures: Figures,
}

impl Keeper {
    /// Keeps an archive to this.
    pub fn new(cold: Arc<dyn Archive>, kept: Kept, clock: Arc<dyn Clock>, figures: Figures) -> Self {
        Self { cold, kept, clock, figures }
    }

    /// Deletes until `end`.
    pub async fn run(self, end: CancellationToken) {
        loop {
            tokio::select! {
                () = end.cancelled() => return,
                looked = self.look() => match looked {
                    Ok(0) => {}
                    Ok(count) => tracing::info!(count, "old runs were deleted from the archive"),
                    Err(error) => {
                        self.figures.failures.inc();
                        tracing::warn!(%error, "old runs could not be deleted from the archive; tried again later");
                    }
                },
            }
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Deletes everything that is too much now; says how many runs.
    pub async fn look(&self) -> Result<u64, StoreError> {
        let mut deleted = 0;
        if let Some(age) = self.kept.age {
            let age_ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            deleted += self.delete(Old::EndedBefore(self.clock.now_ms().saturating_sub(age_ms))).await?;
        }
        if let Some(runs) = self.kept.runs
            && let Some(last) = self.cold.beyond(runs).await?
        {
            deleted += self.delete(Old::UpTo(last)).await?;
        }
        Ok(deleted)
    }

    async fn delete(&self, which: Old) -> Result<u64, StoreError> {
        let mut deleted = 0;
        loop {
            let now = self.cold.delete_old(which, ARCHIVE_DELETED_AT_ONCE).await?;
            deleted += now as u64;
            self.figures.deleted.inc_by(now as u64);
            if now < ARCHIVE_DELETED_AT_ONCE {
                return Ok(deleted);
            }
        }
    }
}
