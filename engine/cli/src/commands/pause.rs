//! `reelmill pause` and `reelmill resume`.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::run_ref::RunRef;
use reelmill_model::RunId;
use serde_json::json;

/// Begin nothing more of a run until it is resumed
#[derive(clap::Args)]
#[command(
    after_help = "What is being worked on goes on to its end; time that a pause takes is no part of `timeout.queue`.
`reelmill cancel` ends a pause, because `finally` has to run. Whole queues are paused with `reelmill queues --pause`.

Examples:
  reelmill pause last --reason 'the voice is wrong'
  reelmill resume last"
)]
pub struct Pause {
    /// Runs by their id, or `last`
    #[arg(required = true)]
    run: Vec<RunRef>,
    /// Why, for whoever asks later
    #[arg(long, default_value = "paused from the command line")]
    reason: String,
}

/// Let a paused run go on
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill resume last")]
pub struct Resume {
    /// Runs by their id, or `last`
    #[arg(required = true)]
    run: Vec<RunRef>,
}

impl Pause {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        each(cx, &self.run, Some(&self.reason))
    }
}

impl Resume {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        each(cx, &self.run, None)
    }
}

fn each(cx: &Context, runs: &[RunRef], reason: Option<&str>) -> Result<Exit, CliError> {
    let control = engine::open(cx)?.control;
    engine::block_on(async {
        let mut told = Vec::with_capacity(runs.len());
        for run in runs {
            let run = run.resolve(&*control.store).await?;
            let changed = control.queue.pause(run, reason).await?;
            told.push((run, changed));
        }
        let paused = reason.is_some();
        if cx.output.is_json() {
            let line =
                |(run, changed): &(RunId, bool)| json!({ "run": run, "paused": paused, "changed": changed });
            cx.output.json(&json!({ "runs": told.iter().map(line).collect::<Vec<_>>() }))?;
        } else {
            let lines: Vec<String> =
                told.iter().map(|(run, changed)| sentence(*run, paused, *changed)).collect();
            cx.output.text(&lines.join("\n"))?;
        }
        Ok(Exit::Ok)
    })
}

fn sentence(run: RunId, paused: bool, changed: bool) -> String {
    match (paused, changed) {
        (true, true) => format!("run {run} is paused; `reelmill resume {run}` lets it go on"),
        (true, false) => format!("run {run} was paused already"),
        (false, true) => format!("run {run} goes on"),
        (false, false) => format!("run {run} was not paused"),
    }
}
