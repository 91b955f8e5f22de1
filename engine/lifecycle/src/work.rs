//! The working set of one run within a transaction: rows loaded on demand, changed in memory, written once.
//!
//! Every change of a task's state goes through [`Work::enter`], so that the run's counts cannot drift.

use crate::path::{Place, task_path};
use crate::policy::Dice;
use crate::rows::{Damage, InstanceRow, NewEvent, RunRow, TaskRow};
use crate::transaction::Source;
use reelmill_graph::{Graph, Node};
use reelmill_model::{EventKind, InstanceNo, NodeNo, TaskNo, TaskState};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a store has to do with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was only read.
    None,
    /// Write it for the first time.
    Insert,
    /// Write it again.
    Update,
    /// Remove it.
    Delete,
}

/// A row and what became of it.
#[derive(Clone, Debug)]
struct Held<T> {
    row: T,
    change: Change,
}

impl<T> Held<T> {
    fn touched(&mut self) -> &mut T {
        if self.change == Change::None {
            self.change = Change::Update;
        }
        &mut self.row
    }
}

/// The rows of one run that a transaction has loaded or made.
#[derive(Debug)]
pub struct RunSet {
    graph: Arc<Graph>,
    run: Held<RunRow>,
    tasks: BTreeMap<TaskNo, Held<TaskRow>>,
    instances: BTreeMap<InstanceNo, Held<InstanceRow>>,
    events: Vec<NewEvent>,
    readied: Vec<TaskNo>,
    /// Tasks under limits whose attempt ended or that need nothing any more, and the run when it has ended.
    moved: Vec<Option<TaskNo>>,
}

/// What a transaction changed in one run, in the order of numbers.
#[derive(Debug)]
pub struct Changes {
    /// Its graph, for the queue and the priority of its nodes.
    pub graph: Arc<Graph>,
    /// The run.
    pub run: (Change, RunRow),
    /// Its instances that changed.
    pub instances: Vec<(Change, InstanceRow)>,
    /// Its tasks that changed.
    pub tasks: Vec<(Change, TaskRow)>,
    /// What to append to the event log.
    pub events: Vec<NewEvent>,
}

impl RunSet {
    pub(crate) fn loaded(run: RunRow, graph: Arc<Graph>) -> Self {
        Self::with(run, Change::None, graph)
    }

    pub(crate) fn fresh(run: RunRow, graph: Arc<Graph>) -> Self {
        Self::with(run, Change::Insert, graph)
    }

    fn with(run: RunRow, change: Change, graph: Arc<Graph>) -> Self {
        Self {
            graph,
            run: Held { row: run, change },
            tasks: BTreeMap::new(),
            instances: BTreeMap::new(),
            events: Vec::new(),
            readied: Vec::new(),
            moved: Vec::new(),
        }
    }

    /// Whose limits are to be looked at since the last call; none is the run as a whole.
    pub(crate) fn take_moved(&mut self) -> Vec<Option<TaskNo>> {
        std::mem::take(&mut self.moved)
    }

    pub(crate) fn run(&self) -> &RunRow {
        &self.run.row
    }

    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.graph
    }

    /// Tasks that became ready since the last call, with their nodes.
    pub(crate) fn take_readied(&mut self) -> Vec<(TaskNo, NodeNo)> {
        let tasks = &self.tasks;
        self.readied.drain(..).filter_map(|no| tasks.get(&no).map(|held| (no, held.row.node))).collect()
    }

    pub(crate) fn into_changes(self) -> Changes {
        fn changed<K, T>(rows: BTreeMap<K, Held<T>>) -> Vec<(Change, T)> {
            rows.into_values().filter(|h| h.change != Change::None).map(|h| (h.change, h.row)).collect()
        }
        Changes {
            graph: self.graph,
            run: (self.run.change, self.run.row),
            instances: changed(self.instances),
            tasks: changed(self.tasks),
            events: self.events,
        }
    }
}

/// A run's working set, together with where its rows come from and the moment of the transaction.
pub struct Work<'a, S: Source> {
    pub(crate) source: &'a mut S,
    pub(crate) set: &'a mut RunSet,
    pub(crate) dice: &'a mut Dice,
    pub(crate) now_ms: u64,
}

impl<S: Source> Work<'_, S> {
    pub(crate) fn graph(&self) -> Arc<Graph> {
        Arc::clone(&self.set.graph)
    }

    pub(crate) fn run(&self) -> &RunRow {
        &self.set.run.row
    }

    pub(crate) fn run_mut(&mut self) -> &mut RunRow {
        self.set.run.touched()
    }

    fn hold_task(&mut self, no: TaskNo) -> Result<Option<&mut Held<TaskRow>>, S::Error> {
        if !self.set.tasks.contains_key(&no) {
            let Some(row) = self.source.task(self.set.run.row.seq, no)? else { return Ok(None) };
            self.set.tasks.insert(no, Held { row, change: Change::None });
        }
        Ok(self.set.tasks.get_mut(&no).filter(|held| held.change != Change::Delete))
    }

    /// A task that may not exist.
    pub(crate) fn find_task(&mut self, no: TaskNo) -> Result<Option<&TaskRow>, S::Error> {
        Ok(self.hold_task(no)?.map(|held| &held.row))
    }

    /// A task that must exist.
    pub(crate) fn task(&mut self, no: TaskNo) -> Result<&TaskRow, S::Error> {
        match self.hold_task(no)? {
            Some(held) => Ok(&held.row),
            None => Err(Damage(format!("task {no} of the run is missing")).into()),
        }
    }

    pub(crate) fn task_mut(&mut self, no: TaskNo) -> Result<&mut TaskRow, S::Error> {
        match self.hold_task(no)? {
            Some(held) => Ok(held.touched()),
            None => Err(Damage(format!("task {no} of the run is missing")).into()),
        }
    }

    fn hold_instance(&mut self, no: InstanceNo) -> Result<&mut Held<InstanceRow>, S::Error> {
        if !self.set.instances.contains_key(&no) {
            let row = self.source.instance(self.set.run.row.seq, no)?;
            let row = row.ok_or_else(|| Damage(format!("instance {no} of the run is missing")))?;
            self.set.instances.insert(no, Held { row, change: Change::None });
        }
        let held = self.set.instances.get_mut(&no).filter(|held| held.change != Change::Delete);
        held.ok_or_else(|| Damage(format!("instance {no} of the run was removed")).into())
    }

    pub(crate) fn instance(&mut self, no: InstanceNo) -> Result<&InstanceRow, S::Error> {
        Ok(&self.hold_instance(no)?.row)
    }

    pub(crate) fn instance_mut(&mut self, no: InstanceNo) -> Result<&mut InstanceRow, S::Error> {
        Ok(self.hold_instance(no)?.touched())
    }

    /// Gives the next number to a new task and keeps it.
    pub(crate) fn add_task(&mut self, node: NodeNo, instance: InstanceNo, waiting: u32) -> TaskNo {
        let run = self.run_mut();
        let no = TaskNo(run.next_task);
        run.next_task += 1;
        run.counts[TaskState::Pending as usize] += 1;
        let row = TaskRow::new(no, node, instance, waiting);
        self.set.tasks.insert(no, Held { row, change: Change::Insert });
        no
    }

    /// Gives the next number to a new instance and keeps it.
    pub(crate) fn add_instance(&mut self, make: impl FnOnce(InstanceNo) -> InstanceRow) -> InstanceNo {
        let run = self.run_mut();
        let no = InstanceNo(run.next_instance);
        run.next_instance += 1;
        self.set.instances.insert(no, Held { row: make(no), change: Change::Insert });
        no
    }

    pub(crate) fn remove_task(&mut self, no: TaskNo) -> Result<(), S::Error> {
        let state = self.task(no)?.state;
        self.run_mut().counts[state as usize] -= 1;
        if let Some(held) = self.set.tasks.get_mut(&no) {
            held.change = Change::Delete;
        }
        Ok(())
    }

    pub(crate) fn remove_instance(&mut self, no: InstanceNo) -> Result<(), S::Error> {
        self.hold_instance(no)?.change = Change::Delete;
        Ok(())
    }

    /// Puts a task into a state; the only way to do so.
    pub(crate) fn enter(&mut self, no: TaskNo, state: TaskState) -> Result<&mut TaskRow, S::Error> {
        let task = self.task(no)?;
        let (before, node) = (task.state, task.node);
        let counts = &mut self.run_mut().counts;
        counts[before as usize] -= 1;
        counts[state as usize] += 1;
        let graph = &self.set.graph;
        if graph.concurrency.is_some() || graph.node(node).settings.is_limited() {
            self.set.moved.push(Some(no));
        }
        let task = self.task_mut(no)?;
        task.state = state;
        task.until_ms = None;
        Ok(task)
    }

    /// Makes a task ready, and remembers that it became so. In a paused run it is held instead: see `pause.rs`.
    pub(crate) fn ready(&mut self, no: TaskNo) -> Result<(), S::Error> {
        let graph = self.graph();
        let now_ms = self.now_ms;
        if self.run().paused {
            self.enter(no, TaskState::Pending)?.ready_ms = None;
            return Ok(());
        }
        let task = self.enter(no, TaskState::Ready)?;
        task.ready_ms = Some(now_ms);
        let queue_ms = graph.node(task.node).settings.timeout.queue_ms;
        task.until_ms = queue_ms.map(|ms| now_ms.saturating_add(ms));
        self.set.readied.push(no);
        Ok(())
    }

    /// Notes that the run has ended, and with it what it has at limits.
    pub(crate) fn ended(&mut self) {
        if self.set.graph.concurrency.is_some() {
            self.set.moved.push(None);
        }
    }

    pub(crate) fn event(&mut self, kind: EventKind, data: Value) {
        self.set.events.push(NewEvent { kind, task: None, attempt: None, data });
    }

    pub(crate) fn task_event(&mut self, kind: EventKind, no: TaskNo, attempt: u32, data: Value) {
        let attempt = (attempt > 0).then_some(attempt);
        self.set.events.push(NewEvent { kind, task: Some(no), attempt, data });
    }

    pub(crate) fn path(&mut self, no: TaskNo) -> Result<String, S::Error> {
        let task = self.task(no)?;
        let (node, instance) = (task.node, task.instance);
        self.path_of(node, instance)
    }

    pub(crate) fn path_of(&mut self, node: NodeNo, instance: InstanceNo) -> Result<String, S::Error> {
        let graph = self.graph();
        task_path(&graph, graph.node(node), instance, &mut |no| {
            let row = self.instance(no)?;
            Ok(Place { scope: row.scope, outer: row.outer, key: row.key.clone() })
        })
    }

    /// The task of a node of the instance's scope; it must have started.
    pub(crate) fn task_of(&mut self, instance: InstanceNo, node: &Node) -> Result<TaskNo, S::Error> {
        let first = self.instance(instance)?.first_task;
        let first = first.ok_or_else(|| Damage(format!("instance {instance} has not started")))?;
        Ok(TaskNo(first.0 + node.offset))
    }
}
