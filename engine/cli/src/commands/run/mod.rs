//! `reelmill run`: submit a pipeline and work on it until it ends. No service is needed: this process is the worker.

mod batch;

pub use batch::report as report_batch;

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::Output;
use crate::progress::{Bars, Lines, Reader, Show, Since, follow};
use crate::results;
use crate::run_ref::RunRef;
use crate::source::Source;
use crate::submission::SubmissionFlags;
use crate::words;
use crate::work::{Job, WorkFlags, Worked, work};
use reelmill_control::Control;
use reelmill_embedded::{Engine, State};
use reelmill_model::{RunId, RunState};
use reelmill_ports::Only;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

/// Run a pipeline, or a batch of them, to the end
#[derive(clap::Args)]
#[command(
    after_help = "A run that was interrupted or killed goes on where it was when the same command is given again; finished
work is not done twice. --new starts afresh.

Ends with 0 when the run succeeded, 1 when it failed, 78 when the pipeline or its inputs are invalid, 130 when it
was interrupted.

Examples:
  reelmill run pipeline.yaml --input topic='How tides work' --out out
  reelmill run pipeline.yaml --inputs inputs.json --label team=growth
  reelmill run pipeline.yaml --each rows.csv --out out       a run for each row, its columns are the inputs
  reelmill run news@3 --input topic=tides                    a registered pipeline (`reelmill pipelines`)
  reelmill run --resume last
  reelmill run pipeline.yaml -o json | jq '.files[].path'"
)]
pub struct Run {
    /// The pipeline file, `-` for standard input, or the name of a registered pipeline: NAME, NAME@REVISION
    #[arg(required_unless_present = "resume", conflicts_with = "resume", value_name = "PIPELINE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    given: SubmissionFlags,
    /// Start a run for each row of a CSV or JSON Lines file
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    each: Option<PathBuf>,
    /// With --each: send rows that failed before around again
    #[arg(long, requires = "each")]
    retry_failed: bool,
    /// Copy the files that come out into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Start afresh even if the same run was left unfinished
    #[arg(long, conflicts_with_all = ["resume", "each"])]
    new: bool,
    /// Go on with this unfinished run: its id, or `last`
    #[arg(long, value_name = "RUN")]
    resume: Option<RunRef>,
    #[command(flatten)]
    work: WorkFlags,
}

impl Run {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let state = engine::open(cx)?;
        match (&self.file, self.resume) {
            (Some(file), _) => engine::block_on(async {
                let source = Source::find(&state.control, file, "default").await?;
                self.start(cx, state, &source).await
            }),
            (None, Some(run)) => engine::block_on(async {
                let id = run.resolve(&*state.store).await?;
                go_on(cx, state, id, &self.work, self.out.as_deref()).await
            }),
            (None, None) => Err(CliError::Usage("name a pipeline file, or a run with --resume".to_owned())),
        }
    }

    async fn start(&self, cx: &Context, state: State, source: &Source) -> Result<Exit, CliError> {
        let engine = engine::start(cx, state, &source.folder, &self.work).await?;
        let pipeline = source.prepare(&engine.catalog(), cx.output)?;
        let pipeline = pipeline.placed(std::slice::from_ref(&engine.machine))?;
        if !pipeline.triggers.is_empty() {
            eprintln!(
                "{} has {}; this command starts one run now, and fires none of them",
                source.name,
                words::count(pipeline.triggers.len() as u64, "trigger")
            );
        }
        let submission = self.given.submission(&pipeline, source, None)?;
        let since_ms = submission.now_ms;
        let exit = if let Some(table) = &self.each {
            batch::run(self, cx, &engine, &pipeline, table, submission).await
        } else {
            let submitted = engine.state.control.submit(&pipeline, submission, !self.new).await?;
            if submitted.existing {
                eprintln!("run {} is the same (`unique`); nothing new was submitted", submitted.run);
            }
            if submitted.resumed {
                eprintln!(
                    "going on with run {}, which was left unfinished (--new starts afresh)",
                    submitted.run
                );
            }
            finish(cx, &engine, submitted.run, &self.work, self.out.as_deref(), since_ms).await
        };
        engine.close().await;
        exit
    }
}

/// Works on a run that is there already until it ends, and tells what came of it.
pub async fn go_on(
    cx: &Context,
    state: State,
    run: RunId,
    flags: &WorkFlags,
    out: Option<&Path>,
) -> Result<Exit, CliError> {
    let since_ms = words::now_ms();
    let view = state.control.view(run).await?;
    let engine = engine::start(cx, state, Path::new(&view.new.base_dir), flags).await?;
    let exit = finish(cx, &engine, run, flags, out, since_ms).await;
    engine.close().await;
    exit
}

async fn finish(
    cx: &Context,
    engine: &Engine,
    run: RunId,
    flags: &WorkFlags,
    out: Option<&Path>,
    since_ms: u64,
) -> Result<Exit, CliError> {
    let control = &engine.state.control;
    let mut show = show(cx.output);
    let reader = Reader { store: &*control.store, log: &*control.events };
    let following = async { Ok(follow(reader, run, Since::Time(since_ms), &mut *show).await?) };
    if matches!(work(engine, flags, Job::of(Only::Run(run)), following).await?, Worked::Interrupted) {
        eprintln!("run {run} is unfinished; `reelmill run --resume {run}` goes on with it");
        return Ok(Exit::Interrupted);
    }
    tell_end(cx, control, run, out).await
}

/// Follows a run that others work on until it ends, and tells what came of it.
pub async fn finish_elsewhere(
    cx: &Context,
    control: &Control,
    run: RunId,
    out: Option<&Path>,
    since_ms: u64,
) -> Result<Exit, CliError> {
    let reader = Reader { store: &*control.store, log: &*control.events };
    follow(reader, run, Since::Time(since_ms), &mut *show(cx.output)).await?;
    tell_end(cx, control, run, out).await
}

async fn tell_end(cx: &Context, control: &Control, run: RunId, out: Option<&Path>) -> Result<Exit, CliError> {
    let state = results::tell(control, run, out, cx.output).await?;
    Ok(if state == RunState::Succeeded { Exit::Ok } else { Exit::Failed })
}

/// Bars on a terminal, lines elsewhere; both on standard error, for standard output is the result's.
fn show(output: Output) -> Box<dyn Show> {
    if std::io::stderr().is_terminal() {
        Box::new(Bars::new(output))
    } else {
        Box::new(Lines::on_stderr(output))
    }
}
