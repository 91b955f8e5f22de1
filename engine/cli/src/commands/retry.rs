//! `reelmill retry`: send an ended run around again and work on it.

use super::{Context, run};
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::inputs::{self, SetFlag};
use crate::run_ref::RunRef;
use crate::words;
use crate::work::WorkFlags;
use reelmill_control::{RetryWish, Setting};
use reelmill_model::RunId;
use serde_json::json;
use std::path::PathBuf;

/// Send an ended run around again: what failed, and what depends on it
#[derive(clap::Args)]
#[command(after_help = "What succeeded keeps its outputs unless it comes after what is done again.

Examples:
  reelmill retry last
  reelmill retry last --from compose --out out
  reelmill retry last --from scene --failed                  of a fan-out, the items that failed
  reelmill retry last --set speech.with.voice=amy            with another value of a stage's `with`
  reelmill retry last --all --no-cache")]
pub struct Retry {
    /// The run's id, or `last`
    run: RunRef,
    /// Do this stage of the main body again, and everything after it; may be given again
    #[arg(long, value_name = "STAGE")]
    from: Vec<String>,
    /// With --from: of these stages only what failed
    #[arg(long)]
    failed: bool,
    /// Do everything again
    #[arg(long, conflicts_with_all = ["from", "failed"])]
    all: bool,
    /// Give a stage another value in its `with`, as JSON or text, in this run from now on; may be given again
    #[arg(long, value_name = "STAGE.with.KEY=VALUE", value_parser = inputs::set)]
    set: Vec<SetFlag>,
    /// Do not work on it here: leave it to the workers
    #[arg(long, conflicts_with = "out")]
    detach: bool,
    /// Copy the files that come out into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    work: WorkFlags,
}

impl Retry {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let state = engine::open(cx)?;
        engine::block_on(async {
            let id = self.run.resolve(&*state.store).await?;
            let tasks = state.control.retry(id, &self.wish()?).await?;
            if self.detach {
                return told(cx, id, tasks);
            }
            eprintln!("{}", sentence(id, tasks));
            run::go_on(cx, state, id, &self.work, self.out.as_deref()).await
        })
    }

    fn wish(&self) -> Result<RetryWish, CliError> {
        let setting = |flag: &SetFlag| {
            let SetFlag { stage, key, value } = flag.clone();
            let stage =
                stage.ok_or_else(|| CliError::Usage(format!("--set STAGE.with.{key}=…: name the stage")))?;
            Ok(Setting { stage, key, value })
        };
        let set = self.set.iter().map(setting).collect::<Result<_, CliError>>()?;
        Ok(RetryWish { from: self.from.clone(), failed: self.failed, all: self.all, set })
    }
}

fn sentence(run: RunId, tasks: usize) -> String {
    format!("run {run} goes around again: {}", words::count(tasks as u64, "task"))
}

fn told(cx: &Context, run: RunId, tasks: usize) -> Result<Exit, CliError> {
    if cx.output.is_json() {
        cx.output.json(&json!({ "run": run, "tasks": tasks }))?;
    } else {
        cx.output.text(&sentence(run, tasks))?;
    }
    Ok(Exit::Ok)
}
