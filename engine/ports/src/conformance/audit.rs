//! The truth about a run, counted from scratch and compared with what the store says.

use super::bed::Store;
use super::rig::all_tasks;
use crate::{InstanceView, RunView, TaskView};
use reelmill_graph::{Graph, NodeKind, ScopeKind};
use reelmill_model::{InstanceNo, InstanceState, NodeNo, Phase, RunId, TaskRef, TaskState};
use std::collections::HashMap;

/// Checks every invariant of a run.
///
/// # Panics
/// When one does not hold.
pub async fn audit(store: &dyn Store, id: RunId) {
    let Some(run) = store.run(id).await.expect("the run is read") else { return };
    let graph = store.graph(run.new.graph).await.expect("the graph is read");
    let tasks = all_tasks(store, id).await;
    let mut counts = [0; 8];
    for task in &tasks {
        counts[task.state as usize] += 1;
    }
    assert_eq!(run.counts, counts, "the counts of the run are those of its tasks");
    let open = tasks.iter().filter(|task| !task.state.is_terminal()).count();
    assert_eq!(run.state.is_terminal(), open == 0, "a run is over when no task is open: {tasks:#?}");
    assert_eq!(run.state.is_terminal(), run.phase == Phase::Done);
    assert_eq!(run.state.is_terminal(), run.ended_ms.is_some());
    check_undoing(&graph, &run, &tasks);
    let mut fans = HashMap::new();
    for task in tasks.iter().filter(|task| matches!(graph.node(task.node).kind, NodeKind::Body { .. })) {
        let items = store.items(TaskRef { run: id, task: task.task }, &[]).await.expect("items are read");
        fans.insert(task.task, items);
    }
    let book = Book::new(&graph, run.paused, &tasks, fans.values().flatten());
    for task in &tasks {
        book.check_task(task, fans.get(&task.task).map(Vec::as_slice));
        assert!(!run.paused || task.state != TaskState::Ready, "{} is ready in a paused run", task.path);
    }
    for (owner, items) in &fans {
        if let Some(owner) = tasks.iter().find(|task| task.task == *owner) {
            book.check_items(owner, items);
        }
    }
}

/// What undoes a stage runs after the main part, one at a time, and for every stage that succeeded in a run that
/// failed.
fn check_undoing(graph: &Graph, run: &RunView, tasks: &[TaskView]) {
    let undoing: Vec<_> = tasks.iter().filter(|task| graph.undoes(graph.node(task.node)).is_some()).collect();
    let open = undoing.iter().filter(|task| !task.state.is_terminal()).count();
    assert!(
        open <= usize::from(run.phase == Phase::Compensate),
        "one stage is undone at a time: {undoing:#?}"
    );
    assert!(
        run.phase != Phase::Main || undoing.is_empty(),
        "nothing is undone before its time: {undoing:#?}"
    );
    if !run.failed || !run.state.is_terminal() {
        return;
    }
    for task in tasks.iter().filter(|task| part_of(graph, task.node) == ScopeKind::Main) {
        if task.state == TaskState::Succeeded && graph.node(task.node).compensate.is_some() {
            let path = format!("{}.compensate", task.path);
            assert!(undoing.iter().any(|undo| undo.path == path), "{} was not undone", task.path);
        }
    }
}

/// The part of the pipeline that a node belongs to.
fn part_of(graph: &Graph, node: NodeNo) -> ScopeKind {
    let scope = graph.scope(graph.node(node).scope);
    scope.owner.map_or(scope.kind, |owner| part_of(graph, owner))
}

/// The tasks of a run, to be looked up.
struct Book<'t> {
    graph: &'t Graph,
    paused: bool,
    at: HashMap<(InstanceNo, NodeNo), &'t TaskView>,
    in_instance: HashMap<InstanceNo, Vec<&'t TaskView>>,
    states: HashMap<InstanceNo, InstanceState>,
}

impl<'t> Book<'t> {
    fn new(
        graph: &'t Graph,
        paused: bool,
        tasks: &'t [TaskView],
        items: impl Iterator<Item = &'t InstanceView>,
    ) -> Self {
        let mut in_instance: HashMap<_, Vec<_>> = HashMap::new();
        for task in tasks {
            in_instance.entry(task.instance).or_default().push(task);
        }
        let at = tasks.iter().map(|task| ((task.instance, task.node), task)).collect();
        Self {
            graph,
            paused,
            at,
            in_instance,
            states: items.map(|item| (item.instance, item.state)).collect(),
        }
    }

    fn open_deps(&self, task: &TaskView) -> usize {
        let deps = &self.graph.node(task.node).deps;
        deps.iter().filter(|dep| !self.at[&(task.instance, dep.node)].state.is_terminal()).count()
    }

    fn check_task(&self, task: &TaskView, items: Option<&[InstanceView]>) {
        let path = &task.path;
        let expanded = items.is_some_and(|items| !items.is_empty());
        match task.state {
            TaskState::Pending if expanded => {
                let items = items.unwrap_or_default();
                let open = |item: &&InstanceView| {
                    matches!(item.state, InstanceState::Waiting | InstanceState::Running)
                };
                let open = items.iter().filter(open).count();
                assert_eq!(task.waiting as usize, open, "{path} waits for its items: {items:#?}");
                assert!(open > 0, "{path} is open though its items are not");
            }
            TaskState::Pending => {
                assert_eq!(task.waiting as usize, self.open_deps(task), "{path} waits for its upstream");
                // Within an item that waits for its turn after a retry, tasks wait with it, and in a paused run all do.
                let held = self.paused || self.states.get(&task.instance) == Some(&InstanceState::Waiting);
                assert!(task.waiting > 0 || held, "{path} is pending and waits for nothing");
            }
            TaskState::Ready | TaskState::Delayed | TaskState::Leased => {
                assert_eq!(self.open_deps(task), 0, "{path} is {} before its upstream ended", task.state);
                assert!(!expanded, "{path} is {} and expanded", task.state);
            }
            TaskState::Succeeded | TaskState::Failed | TaskState::Skipped | TaskState::Cancelled => {
                assert!(task.settled > 0 && task.ended_ms.is_some(), "{path} has ended");
            }
        }
        // An approval may wait for ever; everything else that is delayed is due some time.
        let asks = matches!(self.graph.node(task.node).kind, NodeKind::Approval(_));
        assert!(task.due_ms.is_none() || task.state == TaskState::Delayed, "{path}");
        assert!(task.state != TaskState::Delayed || task.due_ms.is_some() || asks, "{path} is never due");
        assert!(task.state != TaskState::Failed || task.failure.is_some(), "{path} failed for no reason");
        assert!(task.state != TaskState::Skipped || task.skipped.is_some(), "{path} skipped for no reason");
    }

    fn check_items(&self, owner: &TaskView, items: &[InstanceView]) {
        let NodeKind::Body { fan_out, .. } = &self.graph.node(owner.node).kind else { return };
        let running = items.iter().filter(|item| item.state == InstanceState::Running).count();
        let at_once = fan_out.max_parallel.map_or(usize::MAX, |max| max.max(1) as usize);
        assert!(running <= at_once, "{} runs {running} items at once, {at_once} at most", owner.path);
        for (index, item) in items.iter().enumerate() {
            assert_eq!(item.index as usize, index, "items of {} stand in their order", owner.path);
            let tasks = self.in_instance.get(&item.instance).map_or(&[][..], Vec::as_slice);
            let open = tasks.iter().any(|task| !task.state.is_terminal());
            let name = format!("item `{}` of {}", item.key, owner.path);
            match item.state {
                InstanceState::Waiting => {
                    let busy = |task: &&&TaskView| matches!(task.state, TaskState::Ready | TaskState::Leased);
                    assert_eq!(tasks.iter().filter(busy).count(), 0, "{name} waits");
                }
                InstanceState::Running => assert!(open, "{name} runs with no open task"),
                InstanceState::Succeeded | InstanceState::Failed | InstanceState::Cancelled => {
                    assert!(!open, "{name} ended with an open task");
                }
            }
            assert!(!owner.state.is_terminal() || !open, "{} ended before {name}", owner.path);
        }
    }
}
