//! The command line as a whole: what stands before and after a command.

use crate::commands::Command;
use crate::output::{Color, Format};
use clap::Parser;
use std::path::PathBuf;

/// Turns pipeline files into finished videos: on one machine without services, or with workers on many.
///
/// A pipeline is a YAML file of stages; each stage is done by a plugin. A run that is killed goes on where it was
/// when it is started again, and finished work is not done twice.
#[derive(Parser)]
#[command(name = "reelmill", version, propagate_version = true, after_help = AFTER_HELP)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 done, 1 failed, 2 wrong command line, 75 try again later, \
78 invalid pipeline or inputs, 130 interrupted.

Examples:
  reelmill doctor                                     what this machine lacks
  reelmill init hello && cd hello                     a pipeline to begin with
  reelmill validate pipeline.yaml                     everything that is wrong with it
  reelmill run pipeline.yaml --out out                work on it until it is done
  reelmill why last                                   why it failed
  reelmill worker --redis redis://db                  work for a fleet
  reelmill submit pipeline.yaml --redis redis://db    give it work";

/// Flags of every command.
#[derive(clap::Args)]
pub struct Global {
    /// Form of standard output
    #[arg(short, long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub output: Format,
    /// When to use colours
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
    /// Where runs, artifacts and the cache are kept [default: ~/.local/state/reelmill]
    #[arg(long, global = true, env = "REELMILL_HOME", value_name = "DIR")]
    pub home: Option<PathBuf>,
    /// Share the runs of a fleet at this Redis instead of keeping them at home: redis://HOST:PORT,
    /// rediss://, redis-cluster://HOST:PORT,…, redis-sentinel://HOST:PORT,…/MASTER
    #[arg(long, global = true, env = "REELMILL_REDIS", value_name = "URL", hide_env_values = true)]
    pub redis: Option<String>,
    /// Search this folder for plugins first; may be given again
    #[arg(long, global = true, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
}
