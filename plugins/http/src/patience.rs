//! Waiting for a service that wants to be left alone for a moment only.

use reelmill_sdk::prelude::*;
use std::time::Duration;

/// Asks once, and once again when it is told to come back within so long. For chains, where something worse would be
/// taken instead; whoever stands alone is better tried again by the engine, which holds no worker meanwhile.
///
/// # Errors
/// What the last answer was.
pub fn after_a_moment<T>(
    patience: Duration,
    who: &str,
    cx: &Cx<'_>,
    ask: impl Fn() -> Result<T, StageError>,
) -> Result<T, StageError> {
    let first = ask();
    let pause =
        first.as_ref().err().and_then(|error| error.failure().retry_after_ms).map(Duration::from_millis);
    match pause.filter(|pause| *pause <= patience) {
        None => first,
        Some(pause) => {
            cx.info(format!("{who} asks to wait for {} s", pause.as_secs_f32()));
            cx.pause(pause)?;
            ask()
        }
    }
}
