//! `reelmill submit`: gives runs to workers and comes back at once, unless it is asked to wait.

use super::Context;
use super::pipelines::namespace;
use super::run::{finish_elsewhere, report_batch};
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::filling::{Filled, fill};
use crate::patience::patiently;
use crate::progress::follow_batch;
use crate::source::Source;
use crate::submission::SubmissionFlags;
use crate::work::WorkFlags;
use reelmill_control::{BatchWish, Control, Pipeline, Submission, Submitted};
use reelmill_embedded::Engine;
use reelmill_model::limits::{BATCH_AHEAD_DEFAULT, CLAIM_KEPT_MS};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Give a pipeline, or a batch of them, to the workers
#[derive(clap::Args)]
#[command(
    after_help = "Prints the run's id, or with --each the batch's. The same --key in the same namespace is the same run, however
often it is submitted. Of a table every row is checked first. A batch that was cut short goes on where it was when the
same command is given again, within seven days; --batch NAME makes another batch of the same rows.

Examples:
  reelmill submit pipeline.yaml --redis redis://db --input topic='How tides work'
  reelmill submit pipeline.yaml --namespace acme --key order-4711 --wait --out out
  reelmill submit pipeline.yaml --each rows.csv --ahead 1000 --wait
  reelmill submit news@3 --input topic=tides                 a registered pipeline (`reelmill pipelines`)"
)]
pub struct Submit {
    /// The pipeline file, `-` for standard input, or the name of a registered pipeline: NAME, NAME@REVISION
    #[arg(value_name = "PIPELINE")]
    file: PathBuf,
    #[command(flatten)]
    given: SubmissionFlags,
    /// Submit a run for each row of a CSV or JSON Lines file
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    each: Option<PathBuf>,
    /// With --each: tell this batch from another one of the same rows
    #[arg(long, value_name = "NAME", requires = "each")]
    batch: Option<String>,
    /// With --each: at most so many runs of the batch wait to be begun; the next rows are submitted when some were
    /// [default: 10000]
    #[arg(long, value_name = "N", requires = "each")]
    ahead: Option<NonZeroUsize>,
    /// Tenant; workers are shared fairly between namespaces [default: default]
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    namespace: Option<String>,
    /// Submit at most one run under this key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Follow the run, or the batch, until it ends
    #[arg(long)]
    wait: bool,
    /// With --wait: copy the files that come out into this folder
    #[arg(long, value_name = "DIR", requires = "wait")]
    out: Option<PathBuf>,
}

impl Submit {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let state = engine::open(cx)?;
        engine::block_on(async {
            let namespace = self.namespace.as_deref().unwrap_or("default");
            let source = Source::find(&state.control, &self.file, namespace).await?;
            let engine = engine::start(cx, state, &source.folder, &WorkFlags::default()).await?;
            let pipeline = match source.revision() {
                Some(revision) => engine.state.control.runnable(revision, &engine.catalog()).await?,
                None => source.prepare(&engine.catalog(), cx.output)?,
            };
            let workers = engine.state.store.workers().await?;
            let machines: Vec<_> = workers.into_iter().map(|card| card.machine).collect();
            // Where no worker is known, nothing can be said of what they can do.
            let pipeline = if machines.is_empty() { pipeline } else { pipeline.placed(&machines)? };
            let submission = self.given.submission(&pipeline, &source, self.namespace.clone())?;
            let exit = match &self.each {
                Some(table) => self.table(cx, &engine, &pipeline, table, submission).await,
                None => self.one(cx, &engine, &pipeline, submission).await,
            };
            engine.close().await;
            exit
        })
    }

    async fn one(
        &self,
        cx: &Context,
        engine: &Engine,
        pipeline: &Pipeline,
        mut submission: Submission,
    ) -> Result<Exit, CliError> {
        let control = &engine.state.control;
        if let Some(key) = &self.key {
            let name = format!("{}/{key}", self.namespace.as_deref().unwrap_or("default"));
            submission.id = engine.state.store.claim(&name, submission.id, CLAIM_KEPT_MS, None).await?;
        }
        let since_ms = submission.now_ms;
        let submitted = patiently(|| control.submit(pipeline, submission.clone(), false)).await?;
        let run = submitted.run;
        if submitted.existing {
            eprintln!("run {run} is the same (`unique`); nothing new was submitted");
        }
        if self.wait {
            return finish_elsewhere(cx, control, run, self.out.as_deref(), since_ms).await;
        }
        told(cx, control, &submitted).await
    }

    async fn table(
        &self,
        cx: &Context,
        engine: &Engine,
        pipeline: &Pipeline,
        table: &Path,
        like: Submission,
    ) -> Result<Exit, CliError> {
        let control = &engine.state.control;
        let wish = BatchWish {
            table: table.to_owned(),
            name: self.batch.clone(),
            like,
            ahead: Some(self.ahead.map_or(BATCH_AHEAD_DEFAULT, NonZeroUsize::get)),
        };
        let Filled::Whole(batch) = fill(control, pipeline, &wish).await? else {
            return Ok(Exit::Interrupted);
        };
        if !self.wait {
            if cx.output.is_json() {
                cx.output.json(&json!(batch))?;
            } else {
                cx.output.text(&batch.id)?;
            }
            return Ok(Exit::Ok);
        }
        let open = control.open_runs(&batch.id).await?;
        follow_batch(control, batch.rows, open, cx.output).await?;
        report_batch(control, &batch.id, self.out.as_deref(), cx.output).await
    }
}

async fn told(cx: &Context, control: &Control, submitted: &Submitted) -> Result<Exit, CliError> {
    let Submitted { run, existing, .. } = *submitted;
    let view = control.view(run).await?;
    if cx.output.is_json() {
        let (state, namespace) = (view.state, view.new.namespace);
        cx.output
            .json(&json!({ "run": run, "state": state, "namespace": namespace, "existing": existing }))?;
    } else {
        cx.output.text(&run.to_string())?;
    }
    Ok(Exit::Ok)
}
