//! `reelmill doctor`.

use super::Context;
use crate::doctor::{self, Shared, Status};
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::plugins;
use reelmill_embedded::Place;
use reelmill_host::catalog::runner_path;
use serde_json::json;
use std::path::Path;

/// Look at this machine, and at what its fleet shares, and say what is missing
#[derive(clap::Args)]
#[command(after_help = "Ends with 1 when something is missing that nothing works without, else with 0.

Examples:
  reelmill doctor
  reelmill doctor --redis redis://db:6379 --artifacts s3://reels/mill
  reelmill doctor -o json | jq '.checks[] | select(.status != \"ok\")'")]
pub struct Doctor {}

impl Doctor {
    pub(super) fn run(cx: &Context) -> Result<Exit, CliError> {
        let found = plugins::look(cx, Path::new("."))?;
        let redis = match &cx.place {
            Place::Redis { url, .. } => Some(url.as_str()),
            Place::Home => None,
        };
        let shared = Shared { redis, artifacts: cx.artifacts.as_ref() };
        let checks = async { Ok(doctor::checks(&cx.home.root, &runner_path(), &found, shared).await) };
        let checks = engine::block_on(checks)?;
        let fit = checks.iter().all(|check| check.status != Status::Missing);
        if cx.output.is_json() {
            cx.output.json(&json!({ "ok": fit, "checks": checks }))?;
        } else {
            cx.output.text(&doctor::render(&checks, cx.output))?;
        }
        Ok(if fit { Exit::Ok } else { Exit::Failed })
    }
}
