//! The engine as commands open it: its state alone for those that only look, the whole of it for those that work.

use crate::commands::Context;
use crate::exit::CliError;
use crate::plugins;
use crate::work::WorkFlags;
use anyhow::Context as _;
use reelmill_embedded::{Engine, Options, State};
use reelmill_host::catalog::runner_path;
use std::path::Path;

/// Opens the state, which is made where there is none.
pub fn open(cx: &Context) -> Result<State, CliError> {
    Ok(State::open(&cx.home.root, &cx.place, cx.artifacts.as_ref())?)
}

/// Opens the whole engine for pipelines of a folder. Plugins that cannot be used are told on standard error.
pub async fn start(cx: &Context, state: State, folder: &Path, flags: &WorkFlags) -> Result<Engine, CliError> {
    let options = Options {
        plugin_dirs: plugins::folders(cx, folder),
        runner: runner_path(),
        slots: flags.slots.unwrap_or_default(),
        memory_bytes: flags.memory,
        use_cache: !flags.no_cache,
        keep_scratch: flags.keep_scratch,
        labels: flags.worker_label.iter().cloned().collect(),
        encoders: flags.worker_encoder.clone(),
        memory: cx.memory.clone(),
        secrets_dir: None,
    };
    let engine = Engine::open(state, options).await?;
    plugins::tell_problems(cx.output, &engine.problems);
    Ok(engine)
}

/// Runs a future to its end on a runtime of its own.
pub fn block_on<T>(future: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(future)
}
