//! `reelmill status`: the runs there are, or one run in figures.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::listing::{Listing, list};
use crate::output::{Output, Tone, table};
use crate::results;
use crate::run_ref::RunRef;
use crate::words;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;
use reelmill_control::{Control, RunStatus, StageStatus};
use reelmill_model::{RunState, TaskState, limits};
use reelmill_ports::{RunFilter, RunView};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Show the runs there are, or one run in figures
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill status
  reelmill status --state failed --limit 5
  reelmill status last
  reelmill status last -o json | jq .outputs")]
pub struct Status {
    /// A run's id, or `last`; without it all runs are listed
    run: Option<RunRef>,
    /// List only runs in this state; may be given again
    #[arg(long, value_parser = state_parser(), value_name = "STATE", conflicts_with = "run")]
    state: Vec<RunState>,
    /// List only runs of this name
    #[arg(long, conflicts_with = "run")]
    name: Option<String>,
    /// List at most so many
    #[arg(long, default_value_t = 20, value_name = "N", conflicts_with = "run")]
    limit: usize,
    /// Copy the files the run put out into this folder
    #[arg(long, value_name = "DIR", requires = "run")]
    out: Option<PathBuf>,
}

/// A run state by its word.
fn state_parser() -> impl clap::builder::TypedValueParser<Value = RunState> {
    PossibleValuesParser::new(RunState::ALL.iter().map(|state| state.word()))
        .try_map(|word| RunState::from_word(&word).ok_or_else(|| format!("there is no state {word}")))
}

impl Status {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        engine::block_on(async {
            match self.run {
                Some(run) => {
                    let id = run.resolve(&*control.store).await?;
                    results::tell(&control, id, self.out.as_deref(), cx.output).await?;
                }
                None => self.list(&control, cx.output).await?,
            }
            Ok(Exit::Ok)
        })
    }

    async fn list(&self, control: &Control, output: Output) -> Result<(), CliError> {
        let filter = RunFilter {
            states: self.state.clone(),
            name: self.name.clone(),
            limit: self.limit.min(limits::PAGE_ROWS_MAX),
            ..RunFilter::default()
        };
        let Listing { runs, archive_away } = list(&*control.store, filter).await?;
        if output.is_json() {
            let mut document = json!({ "runs": runs.iter().map(brief).collect::<Vec<_>>() });
            if let Some(away) = archive_away {
                document["archive_away"] = away.into();
            }
            return Ok(output.json(&document)?);
        }
        if runs.is_empty() {
            return Ok(output.text("no runs")?);
        }
        let rows: Vec<Vec<String>> = runs.iter().map(|run| row(run, output)).collect();
        Ok(output.text(&table(&rows))?)
    }
}

/// One run in a JSON listing.
fn brief(run: &RunView) -> Value {
    json!({
        "run": run.new.id,
        "name": run.new.name,
        "state": run.state,
        "paused": run.paused,
        "priority": run.new.priority,
        "created_ms": run.new.created_ms,
        "started_ms": run.started_ms,
        "ended_ms": run.ended_ms,
        "batch": run.new.batch,
        "counts": counts(run),
        "failure": run.failure.as_ref().map(|(path, failure)| json!({ "path": path, "failure": failure })),
    })
}

fn counts(run: &RunView) -> BTreeMap<&'static str, u64> {
    TaskState::ALL
        .iter()
        .zip(run.counts)
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| (state.word(), count))
        .collect()
}

/// One run as a line of the table: id, name, state, tasks, time, what went wrong.
fn row(run: &RunView, output: Output) -> Vec<String> {
    let took = run.started_ms.zip(run.ended_ms).map(|(from, to)| words::duration(to.saturating_sub(from)));
    let wrong = run.failure.as_ref().map(|(path, failure)| format!("{path}: {}", failure.message));
    vec![
        run.new.id.to_string(),
        run.new.name.clone(),
        state_word(run.state, run.paused, output),
        tasks(&counts(run)),
        took.unwrap_or_default(),
        wrong.or_else(|| run.cancel_reason.clone()).unwrap_or_default(),
    ]
}

/// A run's state, and whether it is paused.
fn state_word(state: RunState, paused: bool, output: Output) -> String {
    if paused {
        output.paint(Tone::Warn, &format!("{} (paused)", state.word()))
    } else {
        output.paint(tone(state), state.word())
    }
}

/// The tone of a run's state.
pub fn tone(state: RunState) -> Tone {
    match state {
        RunState::Running => Tone::Strong,
        RunState::Succeeded => Tone::Good,
        RunState::Failed => Tone::Bad,
        RunState::Cancelled => Tone::Warn,
    }
}

/// `12 succeeded, 1 failed`.
fn tasks(counts: &BTreeMap<&'static str, u64>) -> String {
    let in_order =
        TaskState::ALL.iter().rev().filter_map(|state| Some((state.word(), counts.get(state.word())?)));
    in_order.map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

/// Prints one run.
pub fn show(status: &RunStatus, output: Output) -> Result<(), CliError> {
    if output.is_json() {
        return Ok(output.json(status)?);
    }
    let mut lines = vec![headline(status, output)];
    lines.extend(status.failure.iter().map(|failure| {
        format!("{}: {}", failure.path, output.paint(Tone::Bad, &failure.failure.to_string()))
    }));
    lines.extend(status.cancel_reason.iter().map(|reason| format!("cancelled: {reason}")));
    let rows: Vec<Vec<String>> = status.stages.iter().map(stage_row).collect();
    lines.extend([String::new(), table(&rows)]);
    Ok(output.text(&lines.join("\n"))?)
}

/// `01JD… demo succeeded in 12 s: 14 succeeded`.
fn headline(status: &RunStatus, output: Output) -> String {
    let took = status.started_ms.zip(status.ended_ms);
    let took = took.map(|(from, to)| format!(" in {}", words::duration(to.saturating_sub(from))));
    format!(
        "{} {} {}{}: {}",
        status.run,
        output.paint(Tone::Strong, &status.name),
        state_word(status.state, status.paused, output),
        took.unwrap_or_default(),
        tasks(&status.counts)
    )
}

/// One stage as a line of the table: path, plugin, tasks, time, processor time, cache.
fn stage_row(stage: &StageStatus) -> Vec<String> {
    let cached = if stage.cached > 0 { format!("{} from the cache", stage.cached) } else { String::new() };
    let cpu = if stage.usage.cpu_ms > 0 {
        format!("{} cpu", words::duration(stage.usage.cpu_ms))
    } else {
        String::new()
    };
    vec![
        stage.path.clone(),
        stage.uses.clone().unwrap_or_default(),
        tasks(&stage.counts),
        stage.wall_ms.map_or_else(String::new, words::duration),
        cpu,
        cached,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_told_from_the_end_backwards() {
        let counts = BTreeMap::from([("succeeded", 12), ("leased", 2), ("failed", 1)]);
        assert_eq!(tasks(&counts), "1 failed, 12 succeeded, 2 leased");
        assert_eq!(tasks(&BTreeMap::new()), "");
    }
}
