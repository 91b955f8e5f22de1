//! `reelmill cache`: what the result cache holds, and making room.

use super::Context;
use crate::args;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::words;
use clap::Subcommand;
use reelmill_artifacts::Scope;
use reelmill_ports::CacheStats;
use std::time::Duration;

/// Show or clean the result cache
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill cache stats
  reelmill cache gc --keep 5Gi
  reelmill cache gc --keep 0      forget every result; runs keep what they name")]
pub struct Cache {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show what it holds and what it saved
    Stats,
    /// Forget the results used longest ago, and delete files that nothing names any more
    Gc {
        /// Bytes of results that may stay: `500M`, `10Gi`
        #[arg(long, default_value = "10Gi", value_parser = args::bytes, value_name = "BYTES")]
        keep: u64,
        /// Leave files that nothing names alone until they are this old
        #[arg(long, default_value = "24h", value_parser = args::duration, value_name = "TIME")]
        grace: Duration,
        /// Delete them from the shared store (`--artifacts`) too. Only right when all runs that use it are in this
        /// home: files that only others name are lost
        #[arg(long)]
        shared: bool,
    },
}

impl Cache {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        engine::block_on(async {
            match self.command {
                Command::Stats => {
                    let stats = control.cache.stats().await?;
                    if cx.output.is_json() {
                        cx.output.json(&stats)?;
                    } else {
                        cx.output.text(&text(&stats))?;
                    }
                }
                Command::Gc { keep, grace, shared } => {
                    let scope = if shared { Scope::Shared } else { Scope::Machine };
                    let collected = control.collect(keep, scope, grace).await?;
                    if cx.output.is_json() {
                        cx.output.json(&collected)?;
                    } else {
                        let files = words::count(collected.artifacts, "file");
                        let freed = words::bytes(collected.bytes);
                        cx.output.text(&format!("deleted {files}, {freed}\n{}", text(&collected.cache)))?;
                    }
                }
            }
            Ok(Exit::Ok)
        })
    }
}

fn text(stats: &CacheStats) -> String {
    format!(
        "{} with {}\n{} of {} found one and saved {} of processor time",
        words::count(stats.entries, "result"),
        words::bytes(stats.bytes),
        stats.hits,
        words::count(stats.hits + stats.misses, "look-up"),
        words::duration(stats.cpu_saved_ms)
    )
}
