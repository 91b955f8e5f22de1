//! The commands, one a file. Each has its flags beside what it does; none decides what the engine should.

mod approve;
mod cache;
mod cancel;
mod completions;
mod dead;
mod doctor;
mod graph;
mod init;
mod limits;
mod logs;
mod memory;
mod pause;
mod pipelines;
mod plan;
mod plugins;
mod queues;
mod retry;
mod run;
mod schema;
mod serve;
mod status;
mod submit;
mod triggers;
mod validate;
mod version;
mod watch;
mod why;
mod worker;
mod workers;

pub use status::{show as show_status, tone as state_tone};

use crate::exit::{CliError, Exit};
use crate::home::Home;
use crate::output::Output;
use clap::Subcommand;
use reelmill_artifacts::RemoteConfig;
use reelmill_embedded::Place;
use std::path::PathBuf;

/// What every command is given.
pub struct Context {
    /// Where state is kept.
    pub home: Home,
    /// Where runs are kept.
    pub place: Place,
    /// Where words go.
    pub output: Output,
    /// Folders that are searched for plugins before all others.
    pub plugin_dirs: Vec<PathBuf>,
    /// Where artifacts are shared with other machines.
    pub artifacts: Option<RemoteConfig>,
    /// The PostgreSQL where outcomes are remembered; `memory.db` at home when none.
    pub memory: Option<String>,
}

/// What can be asked for, in the order in which one meets it.
#[derive(Subcommand)]
pub enum Command {
    /// Make a small pipeline to begin with
    Init(init::Init),
    /// Check pipeline files and show everything that is wrong with them
    Validate(validate::Validate),
    /// Draw the stages of a pipeline and what waits for what
    Graph(graph::Graph),
    /// Show what a run would do: stages, widths, what is cached and why not
    Plan(plan::Plan),
    /// Run a pipeline, or a batch of them, to the end
    Run(run::Run),
    /// Give a pipeline, or a batch of them, to the workers
    Submit(submit::Submit),
    /// Keep pipelines under their names, revision by revision
    Pipelines(pipelines::Pipelines),
    /// Show what starts runs by itself, and what came of it; pause and resume it
    Triggers(triggers::Triggers),
    /// Work on whatever is submitted, until told to stop
    Worker(worker::WorkerCommand),
    /// Serve the web page and the REST interface, and work on what is submitted
    Serve(serve::Serve),
    /// Show the workers there are
    Workers(workers::Workers),
    /// Show queues with waiting tasks; pause and resume them
    Queues(queues::Queues),
    /// Show limits that runs share: who has the places, and who waits
    Limits(limits::Limits),
    /// Show the runs there are, or one run in figures
    Status(status::Status),
    /// Follow a run until it ends
    Watch(watch::Watch),
    /// Show what stages said
    Logs(logs::Logs),
    /// Explain why a run or a stage is as it is
    Why(why::Why),
    /// Let a stage that waits for an approval go on, or reject it
    Approve(approve::Approve),
    /// Send an ended run around again: what failed, and what depends on it
    Retry(retry::Retry),
    /// Show what failed for good, and send it around again
    Dead(dead::Dead),
    /// Begin nothing more of a run until it is resumed
    Pause(pause::Pause),
    /// Let a paused run go on
    Resume(pause::Resume),
    /// Stop a run; its `finally` still runs
    Cancel(cancel::Cancel),
    /// List, show, make and test plugins
    Plugins(plugins::Plugins),
    /// Show or clean the result cache
    Cache(cache::Cache),
    /// Show what is remembered from one run to the next: values, and outcomes that choices are learned from
    Memory(memory::MemoryCommand),
    /// Look at this machine, and at what its fleet shares, and say what is missing
    Doctor(doctor::Doctor),
    /// Print a JSON Schema, or write all generated files
    Schema(schema::Schema),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Print the version and the formats it reads and writes
    Version(version::Version),
}

impl Command {
    /// Does it.
    pub fn run(self, cx: &Context) -> Result<Exit, CliError> {
        match self {
            Self::Init(command) => command.run(cx),
            Self::Validate(command) => command.run(cx),
            Self::Graph(command) => command.run(cx),
            Self::Plan(command) => command.run(cx),
            Self::Run(command) => command.run(cx),
            Self::Submit(command) => command.run(cx),
            Self::Pipelines(command) => command.run(cx),
            Self::Triggers(command) => command.run(cx),
            Self::Worker(command) => command.run(cx),
            Self::Serve(command) => command.run(cx),
            Self::Workers(_) => workers::Workers::run(cx),
            Self::Queues(command) => command.run(cx),
            Self::Limits(command) => command.run(cx),
            Self::Status(command) => command.run(cx),
            Self::Watch(command) => command.run(cx),
            Self::Logs(command) => command.run(cx),
            Self::Why(command) => command.run(cx),
            Self::Approve(command) => command.run(cx),
            Self::Retry(command) => command.run(cx),
            Self::Dead(command) => command.run(cx),
            Self::Pause(command) => command.run(cx),
            Self::Resume(command) => command.run(cx),
            Self::Cancel(command) => command.run(cx),
            Self::Plugins(command) => command.run(cx),
            Self::Cache(command) => command.run(cx),
            Self::Memory(command) => command.run(cx),
            Self::Doctor(_) => doctor::Doctor::run(cx),
            Self::Schema(command) => command.run(cx),
            Self::Completions(command) => command.run(),
            Self::Version(_) => version::Version::run(cx),
        }
    }
}
