//! `reelmill plugins test`: whether a plugin keeps the contract.

use crate::commands::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use anyhow::Context as _;
use reelmill_host::catalog::{self, EXEC_MANIFEST, runner_path};
use reelmill_host::{Host, HostConfig, Plugin, discover};
use reelmill_kit::check;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Run a plugin through what pipelines may do to it
#[derive(clap::Args)]
#[command(after_help = "Ends with 1 when a case failed.

Examples:
  reelmill plugins test ./acme                                 a folder, built
  reelmill plugins test target/release/libreelmill_plugin_acme.so")]
pub struct Test {
    /// A library, a `plugin.json`, or the folder of a plugin
    path: PathBuf,
}

impl Test {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        cx.home.make()?;
        let scratch = cx.home.root.join("plugin-tests");
        let artifacts = cx.home.root.join("artifacts");
        for folder in [&scratch, &artifacts] {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        engine::block_on(async {
            let plugin = Arc::new(find(&self.path, &cx.home.plugin_cache()).await?);
            let host = Host::new(HostConfig::new(runner_path(), scratch, artifacts));
            let report = check(&plugin, &host).await;
            host.shutdown().await;
            if cx.output.is_json() {
                cx.output.json(&report)?;
            } else {
                cx.output.text(&report.to_string())?;
            }
            Ok(if report.passed { Exit::Ok } else { Exit::Failed })
        })
    }
}

/// The plugin at a path; in a folder without `plugin.json`, the library that was built there.
async fn find(path: &Path, cache: &Path) -> Result<Plugin, CliError> {
    let runner = runner_path();
    if !path.is_dir() || path.join(EXEC_MANIFEST).is_file() {
        let opened = catalog::open(path, false, cache, &runner).await;
        return opened.map_err(|problem| CliError::Usage(problem.to_string()));
    }
    let built = [path.to_owned(), path.join("target/release"), path.join("target/debug")];
    let (plugins, problems) = discover(&built, cache, &runner).await;
    plugins.into_iter().next().ok_or_else(|| {
        let why: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let nothing = format!("{} has no {EXEC_MANIFEST} and no library; build it first", path.display());
        CliError::Usage(if why.is_empty() { nothing } else { why.join("; ") })
    })
}
