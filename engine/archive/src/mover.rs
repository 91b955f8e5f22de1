//! Moving: the runs that ended a while ago, some at a time.

use reelmill_ports::{Archivable, Archive, RunStore, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Runs moved between two looks at whether to end.
const RUNS_AT_ONCE: usize = 64;
/// Time between two looks when there was nothing to move.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long ended runs stay where they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Time since the end.
    pub keep: Duration,
}

/// Moves up to `limit` ended runs; says how many.
pub async fn move_ended<H>(
    hot: &H,
    cold: &dyn Archive,
    retention: Retention,
    limit: usize,
) -> Result<usize, StoreError>
where
    H: Archivable + RunStore,
{
    let mut moved = 0;
    for id in hot.ended(retention.keep, limit).await? {
        // Another mover may have been quicker, or somebody sent the run around again.
        let Some(record) = hot.record(id).await? else { continue };
        cold.put_graph(record.new.graph, hot.graph(record.new.graph).await?).await?;
        cold.keep(record).await?;
        moved += usize::from(hot.trim(id).await?);
    }
    Ok(moved)
}

/// Moves ended runs until `end`.
pub async fn run<H>(hot: Arc<H>, cold: Arc<dyn Archive>, retention: Retention, end: CancellationToken)
where
    H: Archivable + RunStore,
{
    loop {
        let moved = move_ended(&*hot, &*cold, retention, RUNS_AT_ONCE).await;
        let pause = match moved {
            Ok(RUNS_AT_ONCE) => Duration::ZERO,
            Ok(_) => LOOK_EVERY,
            Err(error) => {
                tracing::warn!(%error, "ended runs could not be archived; they stay where they are");
                LOOK_EVERY
            }
        };
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
