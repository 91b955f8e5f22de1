//! `reelmill retry`: send an ended run around again and work on it.

use super::{Context, run};
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::run_ref::RunRef;
use crate::words;
use crate::work::WorkFlags;
use std::path::PathBuf;

/// Send an ended run around again: what failed, and what depends on it
#[derive(clap::Args)]
#[command(after_help = "What succeeded keeps its outputs unless it comes after what is done again.

Examples:
  reelmill retry last
  reelmill retry last --from compose --out out
  reelmill retry last --all --no-cache")]
pub struct Retry {
    /// The run's id, or `last`
    run: RunRef,
    /// Do this stage of the main body again, and everything after it; may be given again
    #[arg(long, value_name = "STAGE")]
    from: Vec<String>,
    /// Do everything again
    #[arg(long, conflicts_with = "from")]
    all: bool,
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
            let tasks = state.control.retry(id, &self.from, self.all).await?;
            eprintln!("run {id} goes around again: {}", words::count(tasks as u64, "task"));
            run::go_on(cx, state, id, &self.work, self.out.as_deref()).await
        })
    }
}
