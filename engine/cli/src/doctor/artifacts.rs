//! The store of artifacts that a fleet shares: whether it takes a small object, gives it back and forgets it.

use super::{Check, Status};
use reelmill_artifacts::{ArtifactError, Artifacts, RemoteConfig};
use std::path::Path;

/// Tries the store, if one is named.
pub(super) async fn check(home: &Path, shared: Option<&RemoteConfig>) -> Check {
    let Some(config) = shared else {
        return Check::none("artifacts", "not shared; a fleet of several machines needs --artifacts");
    };
    match probe(home, config).await {
        Ok(()) => Check::ok("artifacts", format!("{} takes, gives and forgets files", config.url)),
        Err(error) => {
            let remedy = "correct --artifacts and the AWS_* variables, or what is wrong there";
            Check::bad("artifacts", Status::Missing, error.to_string(), remedy)
        }
    }
}

async fn probe(home: &Path, config: &RemoteConfig) -> Result<(), ArtifactError> {
    Artifacts::shared(home.join("artifacts"), config)?.probe().await
}
