//! What is remembered from one run to the next, as commands open it.

pub use reelmill_memory::{Cleaned, Entry, EntryQuery, Memory, MemoryError, OutcomeQuery, Remembered, Stats};

use crate::identity;
use reelmill_learn::predict;
use reelmill_memory::HistoryQuery;
use reelmill_model::limits::MEMORY_KEPT_MS;
use reelmill_runtime::ATTEMPTS;
use std::path::Path;

/// The memory of a PostgreSQL, or that of a home folder.
pub fn open(home: &Path, url: Option<&str>) -> Result<Memory, MemoryError> {
    reelmill_memory::open(url, &home.join("memory.db"))
}

/// How long an attempt of a stage takes in the middle, in milliseconds, by what is remembered.
pub async fn durations(memory: &Memory, now_ms: u64) -> Result<impl Fn(&str) -> Option<u64>, MemoryError> {
    let since_ms = now_ms.saturating_sub(MEMORY_KEPT_MS);
    let query = HistoryQuery { kind: ATTEMPTS.to_owned(), host: identity::host(), since_ms };
    let history = memory.history(&query).await?;
    Ok(move |stage: &str| {
        let seconds = predict(&history, stage, None, 1.0)?.seconds_p50;
        let took = std::time::Duration::try_from_secs_f64(seconds).ok()?;
        u64::try_from(took.as_millis()).ok()
    })
}
