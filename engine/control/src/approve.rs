//! Approve: a person's answer to what a run asks.

use crate::{Control, ControlError};
use reelmill_graph::NodeKind;
use reelmill_model::{Decision, RunId, TaskRef, TaskState};
use reelmill_ports::{TaskFilter, TaskView};
use serde::Serialize;

/// A task that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The task.
    pub task: TaskRef,
    /// Its path.
    pub path: String,
    /// What the person is told.
    pub message: Option<String>,
    /// Who may decide; empty means everyone.
    pub roles: Vec<String>,
    /// When time decides, in milliseconds since the epoch; none means never.
    pub until_ms: Option<u64>,
}

impl Control {
    /// What a run asks now. `stage` narrows it to a stage (`scene.check`) or a task (`scene[s3].check`).
    pub async fn questions(&self, run: RunId, stage: Option<&str>) -> Result<Vec<Question>, ControlError> {
        let view = self.view(run).await?;
        let compiled = self.runs.graphs().get(view.new.graph).await?;
        let graph = &compiled.graph;
        if let Some(stage) = stage {
            let tasks = self.all_tasks(run, TaskFilter::default()).await?;
            let named = |task: &TaskView| task.path == stage || graph.node(task.node).path == stage;
            if !tasks.iter().any(named) {
                let asks = graph.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Approval(_)));
                let known = asks.map(|node| node.path.clone()).collect();
                return Err(ControlError::NoSuchStage { run, stage: stage.to_owned(), known });
            }
        }
        let filter = TaskFilter { states: vec![TaskState::Delayed], ..TaskFilter::default() };
        let delayed = self.all_tasks(run, filter).await?;
        let asked = delayed.into_iter().filter_map(|task| {
            let node = graph.node(task.node);
            let NodeKind::Approval(approval) = &node.kind else { return None };
            let wanted = stage.is_none_or(|stage| task.path == stage || node.path == stage);
            wanted.then(|| Question {
                task: TaskRef { run, task: task.task },
                message: task.outputs["message"].as_str().map(str::to_owned),
                path: task.path,
                roles: approval.roles.clone(),
                until_ms: task.due_ms,
            })
        });
        Ok(asked.collect())
    }

    /// Answers one question; says the state the task is in afterwards.
    pub async fn decide(&self, question: &Question, decision: &Decision) -> Result<TaskState, ControlError> {
        Ok(self.queue.approve(question.task, decision.clone()).await?)
    }
}
