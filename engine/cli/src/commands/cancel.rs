//! `reelmill cancel`.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::run_ref::RunRef;
use serde_json::json;

/// Stop a run; its `finally` still runs
#[derive(clap::Args)]
#[command(after_help = "What waits is cancelled at once; what is being worked on is asked to stop.

Examples:
  reelmill cancel last
  reelmill cancel 01JD8Y3V7QZ5M2R9W4T6XKBCDE --reason 'wrong script'")]
pub struct Cancel {
    /// The run's id, or `last`
    run: RunRef,
    /// Why, for whoever asks later
    #[arg(long, default_value = "cancelled from the command line")]
    reason: String,
}

impl Cancel {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        engine::block_on(async {
            let run = self.run.resolve(&*control.store).await?;
            let state = control.cancel(run, &self.reason).await?;
            if cx.output.is_json() {
                cx.output.json(&json!({ "run": run, "state": state }))?;
            } else {
                cx.output.text(&format!("run {run} is {state}"))?;
            }
            Ok(Exit::Ok)
        })
    }
}
