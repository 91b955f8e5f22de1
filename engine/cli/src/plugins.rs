//! Which plugins there are, and the program that runs them.

use crate::commands::Context;
use crate::engine;
use crate::exit::CliError;
use crate::output::{Output, Tone};
use reelmill_graph::compile::Catalog;
use reelmill_host::catalog::{runner_path, search_path};
use reelmill_host::{Plugin, discover};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The plugins that were found.
pub struct Found {
    /// The plugins.
    pub plugins: Vec<Arc<Plugin>>,
    /// What was found and could not be used, in sentences.
    pub problems: Vec<String>,
}

impl Found {
    /// What pipelines are compiled against.
    pub fn catalog(&self) -> Catalog {
        Catalog::new(self.plugins.iter().map(|plugin| plugin.located.clone()).collect())
    }
}

/// Folders that are searched, best first: those of `--plugin-dir`, `plugins` beside the pipeline, then the places
/// where plugins are installed.
pub fn folders(cx: &Context, pipeline_folder: &Path) -> Vec<PathBuf> {
    let mut given = cx.plugin_dirs.clone();
    given.push(pipeline_folder.join("plugins"));
    search_path(&given)
}

/// Looks for plugins without opening any state.
pub fn look(cx: &Context, pipeline_folder: &Path) -> Result<Found, CliError> {
    let runner = runner_path();
    let folders = folders(cx, pipeline_folder);
    engine::block_on(async {
        let (plugins, problems) = discover(&folders, &cx.home.plugin_cache(), &runner).await;
        Ok(Found {
            plugins: plugins.into_iter().map(Arc::new).collect(),
            problems: problems.iter().map(ToString::to_string).collect(),
        })
    })
}

/// Looks for plugins and tells on standard error which of them cannot be used.
pub fn find(cx: &Context, pipeline_folder: &Path) -> Result<Found, CliError> {
    let found = look(cx, pipeline_folder)?;
    tell_problems(cx.output, &found.problems);
    Ok(found)
}

/// Tells what was found and could not be used.
pub fn tell_problems(output: Output, problems: &[String]) {
    for problem in problems {
        eprintln!("{} {problem}", output.paint(Tone::Warn, "warning:"));
    }
}
