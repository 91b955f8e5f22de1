//! Work on the disk, away from the threads that others wait on.

use crate::error::ArtifactError;

/// Runs it on a thread that may block. It goes on to its end even if nobody waits for it any more.
pub async fn block<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ArtifactError> + Send + 'static,
) -> Result<T, ArtifactError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down; there is nobody to answer.
            Err(_) => std::future::pending().await,
        },
    }
}
