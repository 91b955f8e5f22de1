//! Listing runs, also while the archive is away: then those are shown that have not been moved there, and that is said.

use crate::exit::CliError;
use reelmill_ports::{RunFilter, RunStore, RunView, StoreError};

/// Runs, newest first.
pub struct Listing {
    /// The runs.
    pub runs: Vec<RunView>,
    /// Why those of the archive are not among them.
    pub archive_away: Option<String>,
}

/// The runs that a filter wants. What is missing is told on standard error.
pub async fn list(store: &dyn RunStore, filter: RunFilter) -> Result<Listing, CliError> {
    match store.runs(filter.clone()).await {
        Ok(runs) => Ok(Listing { runs, archive_away: None }),
        Err(error @ StoreError::ArchiveAway { .. }) => {
            eprintln!("{error}; these are the others");
            let runs = store.live_runs(filter).await?;
            Ok(Listing { runs, archive_away: Some(error.to_string()) })
        }
        Err(error) => Err(error.into()),
    }
}
