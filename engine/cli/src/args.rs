//! The command line as a whole: what stands before and after a command.

use crate::commands::Command;
use crate::exit::CliError;
use crate::output::{Color, Format};
use clap::Parser;
use reelmill_artifacts::RemoteConfig;
use reelmill_embedded::Place;
use reelmill_spec::units;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Keep ended runs of the fleet in this PostgreSQL, for all machines, instead of in archive.db at home:
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, global = true, env = "REELMILL_ARCHIVE", value_name = "URL", hide_env_values = true)]
    pub archive: Option<String>,
    /// Remember values and outcomes in this PostgreSQL, for all machines, instead of in memory.db at home:
    /// postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, global = true, env = "REELMILL_MEMORY", value_name = "URL", hide_env_values = true)]
    pub memory_store: Option<String>,
    /// Keep artifacts in a store that other machines share: `s3://BUCKET/PREFIX` (reached as the AWS_* variables say)
    /// or `file:///FOLDER`
    #[arg(long, global = true, env = "REELMILL_ARTIFACTS", value_name = "URL")]
    pub artifacts: Option<String>,
    /// Bytes of artifacts from the shared store that may stay on this machine [default: 20Gi]
    #[arg(long, global = true, env = "REELMILL_ARTIFACT_CACHE", value_parser = bytes, value_name = "BYTES")]
    pub artifact_cache: Option<u64>,
    /// Search this folder for plugins first; may be given again
    #[arg(long, global = true, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
}

impl Global {
    /// Where runs are kept.
    pub fn place(&self) -> Result<Place, CliError> {
        let archive = self.archive.clone().filter(|url| !url.is_empty());
        match (&self.redis, archive) {
            (Some(url), archive) => Ok(Place::Redis { url: url.clone(), archive }),
            (None, None) => Ok(Place::Home),
            (None, Some(_)) => Err(CliError::Usage(
                "--archive needs --redis: runs at home stay where they are when they have ended".to_owned(),
            )),
        }
    }

    /// The shared store of artifacts, if one is named. The environment is read here and nowhere else.
    pub fn shared_artifacts(&self) -> Option<RemoteConfig> {
        let url = self.artifacts.as_ref().filter(|url| !url.is_empty())?;
        // What is not Unicode is no key and no address.
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut config = RemoteConfig::new(url.as_str(), variables);
        config.cache_bytes = self.artifact_cache.unwrap_or(config.cache_bytes);
        Some(config)
    }
}

/// A number of bytes: `500M`, `10Gi`.
pub fn bytes(text: &str) -> Result<u64, String> {
    units::bytes(text).ok_or_else(|| format!("{text:?} is no size; write it as `500M` or `10Gi`"))
}

/// A length of time: `30m`, `24h`.
pub fn duration(text: &str) -> Result<Duration, String> {
    let read = units::duration_ms(text).map(Duration::from_millis);
    read.ok_or_else(|| format!("{text:?} is no length of time; write it as `30m` or `24h`"))
}
