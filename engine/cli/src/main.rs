//! `reelmill`: the composition root. This file only puts things together: it reads the command line, runs one
//! command and turns its end into an exit code.

mod args;
mod commands;
mod doctor;
mod engine;
mod exit;
mod filling;
mod home;
mod inbox;
mod inputs;
mod listing;
mod output;
mod patience;
mod plugins;
mod progress;
mod results;
mod run_ref;
mod source;
mod submission;
mod words;
mod work;

use args::Args;
use clap::Parser as _;
use commands::Context;
use exit::{CliError, Exit};
use home::Home;
use output::{Output, Tone};
use serde_json::json;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    listen();
    take_small_pages();
    let output = Output { format: args.global.output, color: args.global.color.enabled() };
    run(args, output).unwrap_or_else(|error| report(&error, output)).into()
}

/// Memory in pages of their usual size: the allocator would have large ones, and the kernel clears each as a whole. A
/// worker of small tasks is quicker without them, and takes a third less memory.
fn take_small_pages() {
    // A kernel that cannot do that goes on as it is.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// What the engine's crates say of themselves goes to standard error; `REELMILL_LOG=debug` shows more of it.
fn listen() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("REELMILL_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
}

fn run(args: Args, output: Output) -> Result<Exit, CliError> {
    let home = Home::find(args.global.home.as_deref())?;
    let artifacts = args.global.shared_artifacts();
    let place = args.global.place()?;
    let memory = args.global.memory_store.filter(|url| !url.is_empty());
    args.command.run(&Context { home, place, output, plugin_dirs: args.global.plugin_dir, artifacts, memory })
}

/// Tells an error where its reader looks for it: a program on standard output, a person on standard error.
fn report(error: &CliError, output: Output) -> Exit {
    let exit = error.exit();
    if output.is_json() {
        let document = json!({ "error": { "message": error.chain(), "exit": exit.code() } });
        // Nothing is left to be done when even this cannot be written.
        let _ = output.json(&document);
    } else {
        eprintln!("{} {}", output.paint(Tone::Bad, "error:"), error.chain());
    }
    exit
}
