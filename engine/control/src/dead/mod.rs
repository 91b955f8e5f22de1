//! Dead tasks: those that failed for good. They are not kept apart: the tasks of runs say it all, and here they are put
//! together by what went wrong, and sent around again.

mod fold;

use crate::retry::node_of;
use crate::{Control, ControlError};
use fold::fold;
use reelmill_graph::{Graph, NodeKind};
use reelmill_model::limits::{DEAD_GROUPS_MAX, DEAD_RUNS_MAX, PAGE_ROWS_MAX};
use reelmill_model::{FailureClass, NodeNo, RunId, RunState, TaskState};
use reelmill_ports::{Edits, RetryScope, RunFilter, RunView, StoreError, TaskFilter, TaskView};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Tasks of a group that are shown with it.
const EXAMPLES: usize = 3;

/// Which dead tasks are looked at.
#[derive(Clone, Debug, Default)]
pub struct DeadFilter {
    /// Only of runs of this name.
    pub name: Option<String>,
    /// Only of this stage (`scene.clip`).
    pub stage: Option<String>,
    /// Only of this class.
    pub class: Option<FailureClass>,
    /// Only of runs that were submitted since, in milliseconds since the epoch.
    pub since_ms: u64,
}

/// Failures with one cause, as far as can be told from what was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadGroup {
    /// Its name: drawn from what the failures have in common, and so the same tomorrow.
    pub group: String,
    /// Name of the runs.
    pub name: String,
    /// Path of the stage in the pipeline.
    pub stage: String,
    /// Class of the failures.
    pub class: FailureClass,
    /// What the plugin calls the failure; empty when it gave it no name.
    pub code: String,
    /// Their message, with numbers, paths and ids folded.
    pub message: String,
    /// Tasks.
    pub tasks: u64,
    /// Runs with such a task.
    pub runs: u64,
    /// When the first and the last of them failed, in milliseconds since the epoch.
    pub first_ms: u64,
    /// When the last of them failed.
    pub last_ms: u64,
    /// Some of them.
    pub examples: Vec<DeadTask>,
}

/// A task that failed for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeadTask {
    /// Its run.
    pub run: RunId,
    /// The state of that run: only an ended one can be sent around again.
    pub state: RunState,
    /// Its path.
    pub path: String,
    /// Its attempts.
    pub attempts: u32,
    /// When it failed, in milliseconds since the epoch.
    pub at_ms: u64,
    /// What it said.
    pub message: String,
}

/// All dead tasks, put together.
#[derive(Clone, Debug, Serialize)]
pub struct Dead {
    /// The largest groups first.
    pub groups: Vec<DeadGroup>,
    /// Runs that were not looked at because there are too many, or groups that are not shown for the same reason.
    pub truncated: bool,
}

/// What became of sending one run around again.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    /// The run.
    pub run: RunId,
    /// Tasks that were reset; none where it was refused.
    pub tasks: Option<usize>,
    /// Why it was refused.
    pub refused: Option<String>,
}

/// What the failures of a group have in common.
type Cause = (String, NodePath, FailureClass, String, String);
type NodePath = String;

fn group_of(cause: &Cause) -> String {
    let (name, stage, class, code, message) = cause;
    let text = [name, stage, class.word(), code, message].join("\n");
    blake3::hash(text.as_bytes()).to_hex()[..10].to_owned()
}

impl Control {
    /// The dead tasks of runs that failed, were cancelled or are still at work, in groups.
    pub async fn dead(&self, filter: &DeadFilter) -> Result<Dead, ControlError> {
        let mut groups: BTreeMap<Cause, (DeadGroup, Option<RunId>)> = BTreeMap::new();
        let mut full = false;
        let more = self
            .each_dead(filter, &mut |cause, task| {
                if groups.len() >= DEAD_GROUPS_MAX && !groups.contains_key(&cause) {
                    full = true;
                    return;
                }
                let (group, last) =
                    groups.entry(cause).or_insert_with_key(|cause| (empty(cause, task.at_ms), None));
                // Tasks of one run come one after another.
                group.runs += u64::from(last.replace(task.run) != Some(task.run));
                group.tasks += 1;
                group.first_ms = group.first_ms.min(task.at_ms);
                group.last_ms = group.last_ms.max(task.at_ms);
                if group.examples.len() < EXAMPLES {
                    group.examples.push(task);
                }
            })
            .await?;
        let mut groups: Vec<DeadGroup> = groups.into_values().map(|(group, _)| group).collect();
        groups.sort_by(|a, b| b.tasks.cmp(&a.tasks).then_with(|| a.group.cmp(&b.group)));
        Ok(Dead { groups, truncated: more || full })
    }

    /// Up to `limit` tasks of a group, newest run first, after some that are skipped.
    pub async fn dead_tasks(
        &self,
        group: &str,
        filter: &DeadFilter,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<DeadTask>, ControlError> {
        let (mut tasks, mut seen) = (Vec::new(), 0);
        self.each_dead(filter, &mut |cause, task| {
            if group_of(&cause) == group {
                if seen >= skip && tasks.len() < limit {
                    tasks.push(task);
                }
                seen += 1;
            }
        })
        .await?;
        Ok(tasks)
    }

    /// Sends the runs of a group around again: of each what failed of that stage, and what depends on it.
    pub async fn replay_group(
        &self,
        group: &str,
        filter: &DeadFilter,
        set: &Map<String, Value>,
    ) -> Result<Vec<Replayed>, ControlError> {
        let mut stages: BTreeMap<RunId, NodePath> = BTreeMap::new();
        self.each_dead(filter, &mut |cause, task| {
            if group_of(&cause) == group {
                stages.insert(task.run, cause.1);
            }
        })
        .await?;
        let mut replayed = Vec::with_capacity(stages.len());
        for (run, stage) in stages {
            let (tasks, refused) = match self.replay(run, &stage, set).await {
                Ok(tasks) => (Some(tasks), None),
                Err(ControlError::Store(StoreError::Refused(why))) => (None, Some(why)),
                Err(error) => return Err(error),
            };
            replayed.push(Replayed { run, tasks, refused });
        }
        Ok(replayed)
    }

    /// Sends what failed of one stage (`scene.clip`) of an ended run around again, and what depends on it; with other
    /// values of its `with`. Says how many tasks.
    pub async fn replay(
        &self,
        run: RunId,
        stage: &str,
        set: &Map<String, Value>,
    ) -> Result<usize, ControlError> {
        let view = self.view(run).await?;
        let compiled = self.runs.graphs().get(view.new.graph).await?;
        let graph = &compiled.graph;
        let no = node_of(graph, run, stage)?;
        let mut edits = Edits::new();
        if !set.is_empty() {
            edits.insert(no, set.clone());
        }
        let root = in_part(graph, no);
        // Other parts of the run go around as a whole.
        let main = graph.node(root).scope == Graph::MAIN;
        let scope = if main { RetryScope::FailedOf(vec![root]) } else { RetryScope::Failed };
        Ok(self.queue.retry_with(run, scope, edits).await?)
    }

    /// Shows every dead task with its cause, run by run, newest first. Says whether there are runs that were not looked
    /// at.
    async fn each_dead(
        &self,
        filter: &DeadFilter,
        show: &mut (dyn FnMut(Cause, DeadTask) + Send),
    ) -> Result<bool, ControlError> {
        let mut before = None;
        let mut looked_at = 0;
        loop {
            let query = RunFilter {
                states: vec![RunState::Failed, RunState::Cancelled, RunState::Running],
                name: filter.name.clone(),
                before,
                limit: PAGE_ROWS_MAX,
                ..RunFilter::default()
            };
            let page = self.store.runs(query).await?;
            let Some(last) = page.last() else { return Ok(false) };
            before = Some(last.new.id);
            for run in page {
                if run.new.id.0.timestamp_ms() < filter.since_ms {
                    return Ok(false);
                }
                if looked_at == DEAD_RUNS_MAX {
                    return Ok(true);
                }
                looked_at += 1;
                if run.counts[TaskState::Failed as usize] > 0 {
                    self.dead_of(&run, filter, show).await?;
                }
            }
        }
    }

    async fn dead_of(
        &self,
        run: &RunView,
        filter: &DeadFilter,
        show: &mut (dyn FnMut(Cause, DeadTask) + Send),
    ) -> Result<(), ControlError> {
        let compiled = self.runs.graphs().get(run.new.graph).await?;
        let graph = &compiled.graph;
        let query = TaskFilter { states: vec![TaskState::Failed], ..TaskFilter::default() };
        let tasks = self.all_tasks(run.new.id, query).await?;
        for task in tasks.iter().filter(|task| !repeats(graph, task, &tasks)) {
            let Some(failure) = &task.failure else { continue };
            let stage = &graph.node(task.node).path;
            let wanted = filter.stage.as_ref().is_none_or(|wanted| wanted == stage)
                && filter.class.is_none_or(|class| class == failure.class);
            if !wanted {
                continue;
            }
            let cause = (
                run.new.name.clone(),
                stage.clone(),
                failure.class,
                failure.code.clone(),
                fold(&failure.message),
            );
            let dead = DeadTask {
                run: run.new.id,
                state: run.state,
                path: task.path.clone(),
                attempts: task.attempts,
                at_ms: task.ended_ms.unwrap_or(0),
                message: failure.message.clone(),
            };
            show(cause, dead);
        }
        Ok(())
    }
}

fn empty(cause: &Cause, at_ms: u64) -> DeadGroup {
    let (name, stage, class, code, message) = cause.clone();
    DeadGroup {
        group: group_of(cause),
        name,
        stage,
        class,
        code,
        message,
        tasks: 0,
        runs: 0,
        first_ms: at_ms,
        last_ms: at_ms,
        examples: Vec::new(),
    }
}

/// Whether a task only says again what failed within it.
fn repeats(graph: &Graph, task: &TaskView, failed: &[TaskView]) -> bool {
    let within = |other: &TaskView| {
        other.path.strip_prefix(&task.path).is_some_and(|rest| rest.starts_with(['.', '[']))
    };
    matches!(graph.node(task.node).kind, NodeKind::Body { .. }) && failed.iter().any(within)
}

/// The node of its part of the pipeline in which a node stands, or the node itself.
fn in_part(graph: &Graph, mut no: NodeNo) -> NodeNo {
    while let Some(owner) = graph.scope(graph.node(no).scope).owner {
        no = owner;
    }
    no
}
