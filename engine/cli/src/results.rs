//! What came of a run: its figures, and its files, copied to where they were asked for.

use crate::commands::show_status;
use crate::exit::CliError;
use crate::output::{Output, Tone, table};
use crate::words;
use reelmill_control::{Control, ControlError, Exported, RunStatus};
use reelmill_graph::ScopeKind;
use reelmill_model::{RunId, RunState, TaskState};
use reelmill_ports::TaskFilter;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Prints what came of a run and says the state it ended in.
pub async fn tell(
    control: &Control,
    run: RunId,
    out: Option<&Path>,
    output: Output,
) -> Result<RunState, CliError> {
    let status = control.status(run).await?;
    let files = match out {
        Some(folder) => control.export(&of(control, &status).await?, folder).await?,
        None => Vec::new(),
    };
    let state = status.state;
    if output.is_json() {
        let mut document = json!(status);
        document["files"] = json!(files);
        output.json(&document)?;
        return Ok(state);
    }
    show_status(&status, output)?;
    if !files.is_empty() {
        output.text(&format!("\n{}", table(&rows(&files, output))))?;
    } else if out.is_none() && state == RunState::Succeeded {
        output.text(&format!("\n`reelmill status {run} --out DIR` copies the files it put out"))?;
    }
    Ok(state)
}

/// Everything of a run that is worth a file: its outputs, and what the stages of its `finally` put out, which is
/// there even if the run failed.
pub async fn of(control: &Control, status: &RunStatus) -> Result<Value, CliError> {
    let mut results = status.outputs.as_object().cloned().unwrap_or_else(Map::new);
    let view = control.view(status.run).await?;
    let compiled = control.runs.graphs().get(view.new.graph).await.map_err(ControlError::from)?;
    let Some(finally) = compiled.graph.scope_of_kind(ScopeKind::Finally) else { return Ok(results.into()) };
    let nodes = compiled.graph.scope(finally).nodes.clone();
    let filter = TaskFilter { states: vec![TaskState::Succeeded], nodes, ..TaskFilter::default() };
    for task in control.all_tasks(status.run, filter).await? {
        let name = compiled.graph.node(task.node).name.clone();
        results.entry(name).or_insert(task.outputs);
    }
    Ok(results.into())
}

/// Each file on a line: where it is, how large it is, where in the outputs it stands.
fn rows(files: &[Exported], output: Output) -> Vec<Vec<String>> {
    let row = |file: &Exported| {
        vec![
            output.paint(Tone::Strong, &file.path.display().to_string()),
            words::bytes(file.artifact.size),
            file.artifact.media_type.clone(),
            file.place.clone(),
        ]
    };
    files.iter().map(row).collect()
}
