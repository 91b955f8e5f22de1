//! `failure`: what a stage of an `on_failure` is told about the failure that it answers.

use crate::ContextError;
use crate::facts::RunFacts;
use reelmill_graph::{ScopeKind, Trigger};
use reelmill_model::{Failure, NodeNo, RunId, TaskState};
use reelmill_ports::{Leased, RunStore, StoreError};
use serde_json::{Value, json};
use std::sync::Arc;

/// The failure that the innermost `on_failure` around a task answers: that of a stage, or the first one that made
/// the run fail. None for a task that stands in no `on_failure`.
pub async fn of(
    store: &Arc<dyn RunStore>,
    facts: &RunFacts,
    leased: &Leased,
) -> Result<Option<Value>, ContextError> {
    let graph = &facts.compiled.graph;
    let run = leased.task.run;
    let mut node = graph.node(leased.node);
    for instance in &leased.chain {
        if matches!(node.trigger, Trigger::FailureOf(_) | Trigger::FailureInScope) {
            let deps = node.deps.iter().map(|dep| dep.node);
            let watched: Vec<NodeNo> = deps.filter(|dep| graph.answers(node, *dep)).collect();
            let tasks = store.instance_tasks(run, *instance, &watched).await?;
            let failed = tasks.into_iter().flatten().filter(|task| {
                let allowed = watched.len() > 1 && graph.node(task.node).settings.allow_failure;
                task.state == TaskState::Failed && !allowed
            });
            let first = failed.min_by_key(|task| (task.ended_ms, task.task));
            let failure = first.and_then(|task| Some(value(&task.path, task.failure.as_ref()?)));
            return Ok(Some(failure.unwrap_or_default()));
        }
        let scope = graph.scope(node.scope);
        match scope.owner {
            Some(owner) => node = graph.node(owner),
            None if scope.kind == ScopeKind::OnFailure => return of_run(store, run).await.map(Some),
            None => return Ok(None),
        }
    }
    Ok(None)
}

async fn of_run(store: &Arc<dyn RunStore>, run: RunId) -> Result<Value, ContextError> {
    let view = store.run(run).await?.ok_or(StoreError::NoSuchRun(run))?;
    Ok(view.failure.map(|(path, failure)| value(&path, &failure)).unwrap_or_default())
}

fn value(stage: &str, failure: &Failure) -> Value {
    json!({
        "stage": stage,
        "class": failure.class,
        "code": failure.code,
        "message": failure.message,
    })
}
