//! Patience with a store that does not answer for a while: a server that restarts must not lose what is being
//! submitted.

use crate::exit::CliError;
use reelmill_control::ControlError;
use std::time::Duration;

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How much of it is left.
pub struct Patience {
    pause: Duration,
    tries: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause: Duration::from_millis(200), tries: 10 }
    }
}

impl Patience {
    /// Waits after an error that may pass; any other one, and the last, comes back.
    pub async fn after(&mut self, error: ControlError) -> Result<(), CliError> {
        match error {
            ControlError::Store(error) if error.passes() && self.tries > 0 => {
                eprintln!("{error}; trying again in {}", humantime::format_duration(self.pause));
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(PAUSE_MAX);
                self.tries -= 1;
                Ok(())
            }
            error => Err(error.into()),
        }
    }
}

/// Does something until the store answers.
pub async fn patiently<T, F>(mut what: impl FnMut() -> F) -> Result<T, CliError>
where
    F: Future<Output = Result<T, ControlError>>,
{
    let mut patience = Patience::default();
    loop {
        match what().await {
            Ok(done) => return Ok(done),
            Err(error) => patience.after(error).await?,
        }
    }
}
