//! Why: what a run or a stage waits for, why it was skipped, why it failed, why it ran again. The explanation is a
//! pure function of what the store says.

use crate::waits::{self, moment};
use crate::{Control, ControlError};
use reelmill_context::CACHE_LINE;
use reelmill_graph::{Approval, DepKind, Escalate, Graph, NodeKind, OnTimeout};
use reelmill_model::{EventKind, LimitKind, Phase, RunId, RunState, TaskRef, TaskState};
use reelmill_ports::{EventQuery, RunView, TaskFilter, TaskView};
use serde::Serialize;

/// An explanation.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// What is explained: the run's id, or a task's path.
    pub subject: String,
    /// Its state in a word.
    pub state: &'static str,
    /// The reason, in sentences, most important first.
    pub because: Vec<String>,
    /// What the reader can do.
    pub remedy: Option<String>,
}

/// Tasks that are explained one by one; more are counted.
const TASKS_EXPLAINED_MAX: usize = 20;

impl Control {
    /// Why a run is as it is; with a stage, why its tasks are. `stage` is a stage's path (`scene.clip`) or a
    /// task's (`scene[s3].clip`).
    pub async fn why(&self, run: RunId, stage: Option<&str>) -> Result<Vec<Why>, ControlError> {
        let view = self.view(run).await?;
        let compiled = self.runs.graphs().get(view.new.graph).await?;
        let tasks = self.all_tasks(run, TaskFilter::default()).await?;
        let Some(stage) = stage else {
            let mut why = why_run(&compiled.graph, &view, &tasks);
            // All of them wait for the same, or each says so when it is asked.
            if let Some((task, parked)) = tasks.iter().find_map(|task| Some((task, task.parked.as_ref()?))) {
                why.because.extend(self.why_parked(TaskRef { run, task: task.task }, task, parked).await?);
                if parked.limit == LimitKind::Runs && why.remedy.is_none() {
                    let remedy =
                        "a run that nobody works on holds its place too: `reelmill cancel RUN` frees it";
                    why.remedy = Some(remedy.to_owned());
                }
            }
            self.explain_first_ready(&compiled.graph, &view, &tasks, &mut why).await?;
            return Ok(vec![why]);
        };
        let wanted: Vec<&TaskView> = tasks
            .iter()
            .filter(|task| task.path == stage || compiled.graph.node(task.node).path == stage)
            .take(TASKS_EXPLAINED_MAX)
            .collect();
        if wanted.is_empty() {
            let known = compiled.graph.nodes.iter().map(|node| node.path.clone()).collect();
            return Err(ControlError::NoSuchStage { run, stage: stage.to_owned(), known });
        }
        let mut all = Vec::with_capacity(wanted.len());
        for task in wanted {
            let mut why = why_task(&compiled.graph, &view, task, &tasks);
            if let Some(parked) = &task.parked {
                why.because.extend(self.why_parked(TaskRef { run, task: task.task }, task, parked).await?);
            }
            if task.state == TaskState::Ready {
                let node = compiled.graph.node(task.node);
                let lane = self.lane_of(run, node, task).await?;
                (why.because, why.remedy) = waits::sentences(run, node, task, &lane);
            }
            why.because.extend(self.cache_lines(run, task).await?);
            all.push(why);
        }
        Ok(all)
    }

    /// Says of a run that nobody works on why its first ready task is not begun.
    async fn explain_first_ready(
        &self,
        graph: &Graph,
        view: &RunView,
        tasks: &[TaskView],
        why: &mut Why,
    ) -> Result<(), ControlError> {
        let first = tasks.iter().find(|task| task.state == TaskState::Ready);
        let idle = tasks.iter().all(|task| task.state != TaskState::Leased);
        if let Some(task) = first.filter(|_| idle) {
            let node = graph.node(task.node);
            let lane = self.lane_of(view.new.id, node, task).await?;
            let (because, remedy) = waits::sentences(view.new.id, node, task, &lane);
            why.because.extend(because.into_iter().map(|reason| format!("`{}`: {reason}", task.path)));
            why.remedy = remedy;
        }
        Ok(())
    }

    /// What its attempts said of the cache, each thing once.
    async fn cache_lines(&self, run: RunId, task: &TaskView) -> Result<Vec<String>, ControlError> {
        if task.cached {
            return Ok(vec!["its outputs came from the result cache".to_owned()]);
        }
        let query = EventQuery {
            run: Some(run),
            task: Some(task.task),
            kinds: vec![EventKind::TaskLog],
            after: 0,
            limit: 200,
        };
        let events = self.events.events(query).await?;
        let lines = events.iter().filter_map(|event| event.data.get("text")?.as_str());
        let mut said: Vec<String> =
            lines.filter_map(|line| line.strip_prefix(CACHE_LINE)).map(str::to_owned).collect();
        said.dedup();
        Ok(said)
    }
}

fn why_run(graph: &Graph, view: &RunView, tasks: &[TaskView]) -> Why {
    let mut because = Vec::new();
    let mut remedy = None;
    let id = view.new.id;
    match view.state {
        RunState::Succeeded => because.push("every stage that had to run has succeeded".to_owned()),
        RunState::Cancelled => {
            let reason = view.cancel_reason.as_deref().unwrap_or("no reason was given");
            because.push(format!("it was cancelled: {reason}"));
            remedy = Some(format!("`reelmill retry {id}` goes on where it was stopped"));
        }
        RunState::Failed => {
            if let Some((path, failure)) = &view.failure {
                because.push(format!("`{path}` failed: {failure}"));
            }
            let others = tasks.iter().filter(|task| task.state == TaskState::Failed).count();
            if others > 1 {
                because.push(format!("{others} tasks failed in all"));
            }
            remedy =
                Some(format!("mend the cause, then `reelmill retry {id}`: what succeeded is not done again"));
        }
        RunState::Running => {
            if view.paused {
                because.push("it is paused: nothing more of it is begun".to_owned());
            }
            because.extend(what_goes_on(graph, tasks));
            if view.phase != Phase::Main {
                because.push(format!("it is in its `{}` part", view.phase));
            }
            if let Some(asks) = tasks.iter().find(|task| question(graph, task).is_some()) {
                remedy = Some(approve(view, asks));
            } else if view.paused {
                remedy = Some(resume(view));
            }
        }
    }
    Why { subject: id.to_string(), state: view.state.word(), because, remedy }
}

/// What a task asks a person, when it waits for one.
fn question<'g>(graph: &'g Graph, task: &TaskView) -> Option<&'g Approval> {
    match &graph.node(task.node).kind {
        NodeKind::Approval(approval) if task.state == TaskState::Delayed => Some(approval),
        _ => None,
    }
}

fn approve(view: &RunView, task: &TaskView) -> String {
    format!("`reelmill approve {} '{}'` lets it go on, with --reject it fails", view.new.id, task.path)
}

fn resume(view: &RunView) -> String {
    format!("`reelmill resume {}` lets it go on", view.new.id)
}

/// What is asked, of whom, and until when.
fn asks(approval: &Approval, task: &TaskView) -> Vec<String> {
    let of = match approval.roles.as_slice() {
        [] => "someone".to_owned(),
        roles => format!("one of {}", roles.join(", ")),
    };
    let mut lines = vec![format!("it waits for {of} to approve it")];
    lines.extend(task.outputs["message"].as_str().map(|message| format!("it asks: {message}")));
    lines.extend(task.due_ms.map(|until_ms| {
        let word = match approval.on_timeout {
            OnTimeout::Reject => "rejected",
            OnTimeout::Approve => "approved",
        };
        format!("it is {word} by itself at {}", moment(until_ms))
    }));
    lines
}

/// What an unfinished run is doing, in sentences.
fn what_goes_on(graph: &Graph, tasks: &[TaskView]) -> Vec<String> {
    let of = |state| tasks.iter().filter(move |task| task.state == state);
    let mut lines: Vec<String> = of(TaskState::Leased)
        .take(TASKS_EXPLAINED_MAX)
        .map(|task| match &task.worker {
            Some(worker) => format!("`{}` is running on {worker} (attempt {})", task.path, task.attempts),
            None => format!("`{}` is running", task.path),
        })
        .collect();
    let parked = |task: &&TaskView| task.parked.is_some();
    let delayed = of(TaskState::Delayed).filter(|task| task.parked.is_none());
    lines.extend(delayed.take(TASKS_EXPLAINED_MAX).map(|task| match &task.failure {
        _ if question(graph, task).is_some() => format!("`{}` waits for an approval", task.path),
        Some(failure) => format!("`{}` waits for its next attempt: {failure}", task.path),
        None => format!("`{}` waits for its next attempt", task.path),
    }));
    let ready = of(TaskState::Ready).count();
    if ready > 0 {
        lines.push(format!("{ready} tasks are ready and wait for a free slot"));
    }
    match of(TaskState::Delayed).filter(parked).count() {
        0 => {}
        1 => lines.push("1 task waits for a limit:".to_owned()),
        many => lines.push(format!("{many} tasks wait for limits; the first of them:")),
    }
    lines
}

fn why_task(graph: &Graph, view: &RunView, task: &TaskView, tasks: &[TaskView]) -> Why {
    let mut because = Vec::new();
    let mut remedy = None;
    match task.state {
        TaskState::Pending => {
            because.extend(waits_for(graph, task, tasks));
            if because.is_empty() && view.paused {
                because.push("its run is paused: it would be ready otherwise".to_owned());
                remedy = Some(resume(view));
            }
        }
        // What `waits.rs` finds out says more.
        TaskState::Ready => {}
        TaskState::Delayed if question(graph, task).is_some() => {
            because.extend(question(graph, task).into_iter().flat_map(|approval| asks(approval, task)));
            remedy = Some(approve(view, task));
        }
        TaskState::Delayed if task.parked.is_some() => {}
        TaskState::Delayed => {
            because
                .extend(task.failure.as_ref().map(|failure| format!("its last attempt failed: {failure}")));
            because.push(match task.due_ms {
                Some(due_ms) => format!("its next attempt may begin at {}", moment(due_ms)),
                None => "it waits for its next attempt".to_owned(),
            });
        }
        TaskState::Leased => {
            let worker = task.worker.as_ref().map_or("a worker".to_owned(), ToString::to_string);
            because.push(format!("{worker} is running it, attempt {}", task.attempts));
        }
        TaskState::Succeeded => because.push(format!("it succeeded on attempt {}", task.attempts.max(1))),
        TaskState::Failed => {
            because.extend(task.failure.as_ref().map(ToString::to_string));
            because.push(format!("{} of {} attempts were made", task.attempts, attempts_max(graph, task)));
            remedy = Some(format!("`reelmill logs {} {}` shows what it said", view.new.id, task.path));
        }
        TaskState::Skipped => because.extend(task.skipped.as_ref().map(ToString::to_string)),
        TaskState::Cancelled => because.push(match &view.cancel_reason {
            Some(reason) => format!("its run was cancelled: {reason}"),
            None => "its fan-out gave up because another item failed".to_owned(),
        }),
    }
    because.extend(growth(graph, task));
    because.extend(edited(view, task));
    let undone = tasks.iter().find(|other| other.path.strip_suffix(".compensate") == Some(&task.path));
    because.extend(undone.map(|other| format!("`{}`, which undoes it, is {}", other.path, other.state)));
    if task.attempts > 1 && task.state == TaskState::Succeeded {
        because.extend(task.failure.as_ref().map(|failure| format!("the attempt before failed: {failure}")));
    }
    Why { subject: task.path.clone(), state: task.state.word(), because, remedy }
}

/// What the present or next attempt has more of than the first one had.
fn growth(graph: &Graph, task: &TaskView) -> Option<String> {
    let factors = graph.node(task.node).settings.retry.escalate.factors();
    let grown: Vec<String> = factors
        .into_iter()
        .filter(|(_, factor)| factor.is_some() && task.escalated > 0)
        .map(|(name, factor)| format!("{name} ×{}", Escalate::times(factor, task.escalated)))
        .collect();
    let failures = task.escalated;
    (!grown.is_empty()).then(|| {
        format!("{failures} attempts failed for want of resources; since then it has {}", grown.join(", "))
    })
}

/// What somebody has set of its `with` since the run was submitted.
fn edited(view: &RunView, task: &TaskView) -> Option<String> {
    let set = view.edits.get(&task.node)?;
    let set: Vec<String> = set.iter().map(|(key, value)| format!("with.{key} = {value}")).collect();
    Some(format!("a retry by hand has set {}", set.join(", ")))
}

fn attempts_max(graph: &Graph, task: &TaskView) -> u32 {
    graph.node(task.node).settings.retry.max_attempts
}

/// What a pending task waits for.
fn waits_for(graph: &Graph, task: &TaskView, tasks: &[TaskView]) -> Vec<String> {
    let node = graph.node(task.node);
    let same_instance =
        |dep| tasks.iter().find(move |other| other.instance == task.instance && other.node == dep);
    let mut lines: Vec<String> = node
        .deps
        .iter()
        .filter_map(|dep| Some((dep, same_instance(dep.node)?)))
        .filter(|(_, other)| !other.state.is_terminal())
        .map(|(dep, other)| {
            let what = match dep.kind {
                DepKind::Data => "the outputs of",
                DepKind::Order => "the end of",
            };
            format!("it waits for {what} `{}`, which is {}", other.path, other.state)
        })
        .collect();
    if lines.is_empty() && task.waiting > 0 && matches!(node.kind, NodeKind::Body { .. }) {
        lines.push(format!("{} of its items have not ended", task.waiting));
    }
    lines
}
