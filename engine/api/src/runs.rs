//! Runs: which there are, what each has come to, and why.

use crate::answer::{self, ok};
use crate::asked::{Answered, Asked};
use crate::problem::Problem;
use hyper::StatusCode;
use reelmill_control::{RunStatus, artifacts_in};
use reelmill_model::{RunId, RunState, TaskNo, TaskState};
use reelmill_ports::{RunFilter, RunView, StoreError, TaskFilter, TaskView};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Rows of a page, unless it is said how many.
const PAGE: usize = 50;
/// Tasks at work that are shown with a run.
const WORKING_SHOWN_MAX: usize = 20;

/// Which there are. Without the archive those are shown that have not been moved there, and that is said.
pub async fn list(asked: Asked) -> Answered {
    let limit = asked.limit(PAGE)?;
    let filter = RunFilter {
        states: asked.words("state", RunState::from_word)?,
        name: asked.param("name").map(str::to_owned),
        batch: asked.param("batch").map(str::to_owned),
        before: cursor(&asked)?,
        limit,
    };
    let (runs, away) = match asked.site.store.runs(filter.clone()).await {
        Err(error @ StoreError::ArchiveAway { .. }) => {
            (asked.site.store.live_runs(filter).await?, Some(error.to_string()))
        }
        runs => (runs?, None),
    };
    let next = runs.last().filter(|_| runs.len() == limit).map(|run| run.new.id);
    let runs: Vec<Value> = runs.iter().map(brief).collect();
    Ok(ok(&json!({ "runs": runs, "next": next, "archive_away": away })))
}

fn cursor(asked: &Asked) -> Result<Option<RunId>, Problem> {
    let Some(text) = asked.param("cursor") else { return Ok(None) };
    text.parse().map(Some).map_err(|_| Problem::bad("bad_query", "`cursor` is none that this server gave"))
}

/// A run as listings show it.
fn brief(run: &RunView) -> Value {
    let counts = TaskState::ALL.iter().zip(run.counts).filter(|(_, count)| *count > 0);
    json!({
        "run": run.new.id,
        "name": run.new.name,
        "state": run.state,
        "phase": run.phase,
        "paused": run.paused,
        "namespace": run.new.namespace,
        "labels": run.new.labels,
        "batch": run.new.batch.as_ref().map(|(batch, _)| batch),
        "created_ms": run.new.created_ms,
        "started_ms": run.started_ms,
        "ended_ms": run.ended_ms,
        "counts": counts.map(|(state, count)| (state.word().to_owned(), count)).collect::<HashMap<_, _>>(),
        "failure": run.failure.as_ref().map(|(path, failure)| json!({ "path": path, "message": failure.message })),
    })
}

/// One of them: in figures, what is at work, and what it asks of people.
pub async fn show(asked: Asked) -> Answered {
    let (control, id) = (&asked.site.control, asked.run()?);
    let status = control.status(id).await?;
    let mut shown =
        serde_json::to_value(&status).map_err(|error| crate::problem::internal(&error.to_string()))?;
    if !status.state.is_terminal() {
        shown["questions"] = json!(control.questions(id, None).await?);
        shown["working"] = working(&asked, id).await?;
    }
    shown["files"] = files(&status);
    if let Some(new) = asked.site.store.submitted(id).await? {
        shown["labels"] = json!(new.labels);
        shown["namespace"] = json!(new.namespace);
    }
    Ok(ok(&shown))
}

/// The first tasks that are at work, with what they said last of how far they are.
async fn working(asked: &Asked, run: RunId) -> Result<Value, Problem> {
    let filter =
        TaskFilter { states: vec![TaskState::Leased], limit: WORKING_SHOWN_MAX, ..TaskFilter::default() };
    let tasks = asked.site.store.tasks(run, filter).await?;
    let said: HashMap<TaskNo, Value> = asked.site.store.latest_progress(run).await?.into_iter().collect();
    let task = |task: TaskView| {
        let progress = said.get(&task.task);
        json!({ "path": task.path, "attempt": task.attempts, "since_ms": task.leased_ms, "progress": progress })
    };
    Ok(tasks.into_iter().map(task).collect())
}

/// The files that it put out, with where they are.
fn files(status: &RunStatus) -> Value {
    let file = |(place, artifact): (String, reelmill_model::ArtifactRef)| {
        let name = percent_encoding::utf8_percent_encode(&artifact.name, percent_encoding::NON_ALPHANUMERIC);
        let url = format!("/api/v1/artifacts/{}?name={name}", artifact.digest.hex());
        json!({ "place": place, "url": url, "artifact": artifact })
    };
    artifacts_in(&status.outputs).into_iter().map(file).collect()
}

/// What it put out.
pub async fn outputs(asked: Asked) -> Answered {
    let status = asked.site.control.status(asked.run()?).await?;
    Ok(ok(&json!({
        "run": status.run,
        "state": status.state,
        "outputs": status.outputs,
        "files": files(&status),
    })))
}

/// Deletes an ended one.
pub async fn delete(asked: Asked) -> Answered {
    let id = asked.run()?;
    if asked.site.store.delete_run(id).await? {
        return Ok(answer::nothing());
    }
    asked.site.control.view(id).await?;
    let detail = format!("run {id} has not ended; cancel it first");
    Err(Problem::new(StatusCode::CONFLICT, "not_ended", detail))
}

/// Why it, or a stage of it, is as it is.
pub async fn why(asked: Asked) -> Answered {
    let stage = asked.param("stage").filter(|stage| !stage.is_empty());
    Ok(ok(&json!({ "why": asked.site.control.why(asked.run()?, stage).await? })))
}

/// Its tasks, page by page.
pub async fn tasks(asked: Asked) -> Answered {
    let (id, limit) = (asked.run()?, asked.limit(PAGE)?);
    asked.site.control.view(id).await?;
    let after = asked.number("cursor")?.map(u32::try_from).transpose();
    let after = after.map_err(|_| Problem::bad("bad_query", "`cursor` is none that this server gave"))?;
    let states = asked.words("state", TaskState::from_word)?;
    let filter = TaskFilter { states, after: after.map(TaskNo), limit, ..TaskFilter::default() };
    let tasks = asked.site.store.tasks(id, filter).await?;
    let next = tasks.last().filter(|_| tasks.len() == limit).map(|task| task.task);
    Ok(ok(&json!({ "tasks": tasks, "next": next })))
}
