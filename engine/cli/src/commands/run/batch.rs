//! `reelmill run --each`: a run for each row of a table, checked before the first one starts, and gone on with when
//! the same command is given again.

use super::Run;
use crate::commands::{Context, state_tone};
use crate::exit::{CliError, Exit};
use crate::filling::{Filled, fill};
use crate::output::{Output, table};
use crate::progress::follow_batch;
use crate::results;
use crate::words;
use crate::work::{Job, Worked, work};
use anyhow::Context as _;
use reelmill_control::{Again, BatchWish, Control, Pipeline, RetryWish, Submission};
use reelmill_embedded::Engine;
use reelmill_model::RunState;
use reelmill_ports::{Only, RunView};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

pub(super) async fn run(
    flags: &Run,
    cx: &Context,
    engine: &Engine,
    pipeline: &Pipeline,
    file: &Path,
    like: Submission,
) -> Result<Exit, CliError> {
    let control = &engine.state.control;
    let wish = BatchWish { table: file.to_owned(), name: None, like, ahead: None };
    let Filled::Whole(batch) = fill(control, pipeline, &wish).await? else {
        return Ok(Exit::Interrupted);
    };
    if flags.retry_failed {
        retry_failed(control, &batch.id).await?;
    }
    let open = control.open_runs(&batch.id).await?;
    if !open.is_empty() {
        let following = async { Ok(follow_batch(control, batch.rows, open, cx.output).await?) };
        let worked = work(engine, &flags.work, Job::of(Only::Batch(batch.id.clone())), following).await?;
        if matches!(worked, Worked::Interrupted) {
            eprintln!("the batch is unfinished; the same command goes on with it");
            return Ok(Exit::Interrupted);
        }
    }
    report(control, &batch.id, flags.out.as_deref(), cx.output).await
}

async fn retry_failed(control: &Control, batch: &str) -> Result<(), CliError> {
    for run in control.batch_runs(batch).await? {
        if matches!(run.state, RunState::Failed | RunState::Cancelled) {
            control.retry(run.new.id, &RetryWish::default()).await?;
        }
    }
    Ok(())
}

/// Tells how every row ended. With `out`, the files of each row are copied into a folder of its own there, and the
/// report beside them.
pub async fn report(
    control: &Control,
    batch: &str,
    out: Option<&Path>,
    output: Output,
) -> Result<Exit, CliError> {
    let mut runs = control.batch_runs(batch).await?;
    runs.sort_by_key(row_of);
    let again = control.tried_again(&runs.iter().map(|run| run.new.id).collect()).await?;
    let mut rows = Vec::with_capacity(runs.len());
    for run in &runs {
        let files = match out {
            Some(folder) => {
                let folder = folder.join(format!("row-{:04}", row_of(run) + 1));
                let status = control.status(run.new.id).await?;
                json!(control.export(&results::of(control, &status).await?, &folder).await?)
            }
            None => Value::Null,
        };
        rows.push(json!({
            "row": row_of(run) + 1,
            "run": run.new.id,
            "state": run.state,
            "inputs": run.new.inputs,
            "took_ms": took_ms(run),
            "failure": run.failure.as_ref().map(|(path, failure)| json!({ "path": path, "failure": failure })),
            "tried_again": again.get(&run.new.id).map(Vec::as_slice).unwrap_or_default(),
            "files": files,
        }));
    }
    let succeeded = runs.iter().filter(|run| run.state == RunState::Succeeded).count();
    let document = json!({ "batch": batch, "rows": runs.len(), "succeeded": succeeded, "runs": rows });
    if let Some(folder) = out {
        let path = folder.join("report.json");
        let text = serde_json::to_string_pretty(&document).context("a report is JSON")?;
        fs::write(&path, text + "\n").with_context(|| format!("cannot write {}", path.display()))?;
    }
    if output.is_json() {
        output.json(&document)?;
    } else {
        let lines: Vec<Vec<String>> = runs.iter().map(|run| line(run, output)).collect();
        output.text(&table(&lines))?;
        for run in &runs {
            for Again { stage, attempt, why, .. } in again.get(&run.new.id).into_iter().flatten() {
                let row = row_of(run) + 1;
                output.text(&format!("row {row}: {stage} was tried again after attempt {attempt}: {why}"))?;
            }
        }
        output.text(&format!("{succeeded} of {} succeeded", words::count(runs.len() as u64, "row")))?;
    }
    Ok(if succeeded == runs.len() { Exit::Ok } else { Exit::Failed })
}

/// A run's row in its table, from 0.
fn row_of(run: &RunView) -> u64 {
    run.new.batch.as_ref().map_or(0, |(_, row)| *row)
}

fn took_ms(run: &RunView) -> Option<u64> {
    run.started_ms.zip(run.ended_ms).map(|(from, to)| to.saturating_sub(from))
}

/// One row of the report: its number, run, state, time, what went wrong.
fn line(run: &RunView, output: Output) -> Vec<String> {
    let wrong = run.failure.as_ref().map(|(path, failure)| format!("{path}: {}", failure.message));
    vec![
        format!("row {}", row_of(run) + 1),
        run.new.id.to_string(),
        output.paint(state_tone(run.state), run.state.word()),
        took_ms(run).map_or_else(String::new, words::duration),
        wrong.or_else(|| run.cancel_reason.clone()).unwrap_or_default(),
    ]
}
