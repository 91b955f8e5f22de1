//! What a run has come to: one summary for people and programs. A fan-out is counted, not listed.

use crate::{Control, ControlError};
use reelmill_context::pipeline_outputs;
use reelmill_graph::{Graph, NodeKind};
use reelmill_model::{Failure, NodeNo, Phase, RunId, RunState, TaskState, Usage, limits};
use reelmill_ports::{RunView, StoreError, TaskFilter, TaskView};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A run, in figures.
#[derive(Debug, Serialize)]
pub struct RunStatus {
    /// Its id.
    pub run: RunId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: RunState,
    /// The part of the pipeline it is in.
    pub phase: Phase,
    /// Whether nothing more of it is begun for now.
    pub paused: bool,
    /// Its priority, 0 to 9.
    pub priority: u8,
    /// When it was submitted, started and ended, in milliseconds since the epoch.
    pub created_ms: u64,
    /// When its first task was leased.
    pub started_ms: Option<u64>,
    /// When it ended.
    pub ended_ms: Option<u64>,
    /// Tasks by state; states without a task are left out.
    pub counts: BTreeMap<&'static str, u64>,
    /// The first failure that made it fail.
    pub failure: Option<TaskFailure>,
    /// What a retry by hand has set of the `with` of stages, by their paths.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub set: BTreeMap<String, serde_json::Map<String, Value>>,
    /// Why it was cancelled.
    pub cancel_reason: Option<String>,
    /// Its inputs.
    pub inputs: Value,
    /// What it put out; null until it has succeeded.
    pub outputs: Value,
    /// Its stages, in the order of the pipeline.
    pub stages: Vec<StageStatus>,
}

/// A failure and where it happened.
#[derive(Debug, Serialize)]
pub struct TaskFailure {
    /// Path of the task.
    pub path: String,
    /// The failure.
    pub failure: Failure,
}

/// All tasks of one stage, in figures.
#[derive(Debug, Serialize)]
pub struct StageStatus {
    /// Its path in the pipeline.
    pub path: String,
    /// `plugin.stage`; none for a group or fan-out.
    pub uses: Option<String>,
    /// Tasks by state.
    pub counts: BTreeMap<&'static str, u64>,
    /// Attempts of all tasks together.
    pub attempts: u64,
    /// How often its tasks were settled for good; more than its ended tasks only after a retry by hand.
    pub settled: u64,
    /// Tasks whose outputs came from the cache.
    pub cached: u64,
    /// Sum over all attempts.
    pub usage: Usage,
    /// From the first lease to the last end, in milliseconds; none before both exist.
    pub wall_ms: Option<u64>,
}

impl Control {
    /// The summary of one run.
    pub async fn status(&self, run: RunId) -> Result<RunStatus, ControlError> {
        let view = self.view(run).await?;
        let graph = self.runs.graphs().get(view.new.graph).await?;
        let tasks = self.all_tasks(run, TaskFilter::default()).await?;
        let outputs = match view.state {
            RunState::Succeeded => pipeline_outputs(&self.runs, run).await?,
            _ => Value::Null,
        };
        Ok(summarise(view, &graph.graph, &tasks, outputs))
    }

    /// A run as the store sees it.
    pub async fn view(&self, run: RunId) -> Result<RunView, ControlError> {
        Ok(self.store.run(run).await?.ok_or(StoreError::NoSuchRun(run))?)
    }

    /// Every task of a run that a filter lets through, page by page.
    pub async fn all_tasks(&self, run: RunId, mut filter: TaskFilter) -> Result<Vec<TaskView>, ControlError> {
        filter.limit = limits::PAGE_ROWS_MAX;
        let mut tasks = Vec::new();
        loop {
            let page = self.store.tasks(run, filter.clone()).await?;
            let Some(last) = page.last() else { return Ok(tasks) };
            filter.after = Some(last.task);
            tasks.extend(page);
        }
    }
}

fn summarise(view: RunView, graph: &Graph, tasks: &[TaskView], outputs: Value) -> RunStatus {
    let mut by_node: BTreeMap<NodeNo, Vec<&TaskView>> = BTreeMap::new();
    for task in tasks {
        by_node.entry(task.node).or_default().push(task);
    }
    let stages = graph.nodes.iter().filter_map(|node| {
        let tasks = by_node.get(&node.no)?;
        let uses = match &node.kind {
            NodeKind::Work { plugin, .. } => Some(format!("{}.{}", plugin.plugin, plugin.stage)),
            NodeKind::Body { .. } | NodeKind::Approval(_) => None,
        };
        Some(stage_status(node.path.clone(), uses, tasks))
    });
    let counts = TaskState::ALL.iter().zip(view.counts).filter(|(_, count)| *count > 0);
    RunStatus {
        run: view.new.id,
        name: view.new.name,
        state: view.state,
        phase: view.phase,
        paused: view.paused,
        priority: view.new.priority,
        created_ms: view.new.created_ms,
        started_ms: view.started_ms,
        ended_ms: view.ended_ms,
        counts: counts.map(|(state, count)| (state.word(), count)).collect(),
        failure: view.failure.map(|(path, failure)| TaskFailure { path, failure }),
        set: view.edits.into_iter().map(|(no, set)| (graph.node(no).path.clone(), set)).collect(),
        cancel_reason: view.cancel_reason,
        inputs: view.new.inputs,
        outputs,
        stages: stages.collect(),
    }
}

fn stage_status(path: String, uses: Option<String>, tasks: &[&TaskView]) -> StageStatus {
    let mut status = StageStatus {
        path,
        uses,
        counts: BTreeMap::new(),
        attempts: 0,
        settled: 0,
        cached: 0,
        usage: Usage::default(),
        wall_ms: None,
    };
    for task in tasks {
        *status.counts.entry(task.state.word()).or_default() += 1;
        status.attempts += u64::from(task.attempts);
        status.settled += u64::from(task.settled);
        status.cached += u64::from(task.cached);
        status.usage = add(status.usage, task.usage);
    }
    let first = tasks.iter().filter_map(|task| task.leased_ms).min();
    let last = tasks.iter().filter_map(|task| task.ended_ms).max();
    status.wall_ms = first.zip(last).map(|(first, last)| last.saturating_sub(first));
    status
}

/// Two costs together: times are added, the larger peak counts.
fn add(one: Usage, other: Usage) -> Usage {
    Usage {
        cpu_ms: one.cpu_ms + other.cpu_ms,
        rss_peak_bytes: one.rss_peak_bytes.max(other.rss_peak_bytes),
        execute_ms: one.execute_ms + other.execute_ms,
        store_ms: one.store_ms + other.store_ms,
    }
}
