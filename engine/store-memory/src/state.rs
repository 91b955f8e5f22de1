//! All rows in maps, as the source of a transaction and the target of its changes.

use reelmill_graph::Graph;
use reelmill_graph::placement::queue_of;
use reelmill_lifecycle::limits::Ledger;
use reelmill_lifecycle::{
    Change, Changes, Damage, InstanceRow, NewEvent, Only, ReadyKey, RunRow, Source, TaskRow, rank,
};
use reelmill_model::limits::{EVENT_AGE_MS_MAX, EVENTS_KEPT_MAX};
use reelmill_model::{
    Digest, Event, InstanceNo, PipelineName, Revision, RunId, TaskNo, TaskRef, TaskState, WorkerId,
};
use reelmill_ports::{CacheEntry, NewRun, StoreError, WorkerCard};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// A run with everything that belongs to it.
#[derive(Debug)]
pub struct Run {
    pub row: RunRow,
    pub new: NewRun,
    pub graph: Arc<Graph>,
    pub tasks: BTreeMap<TaskNo, TaskRow>,
    pub instances: BTreeMap<InstanceNo, InstanceRow>,
}

/// How many lines of an attempt were kept and dropped, and the event that says so.
#[derive(Debug, Default)]
pub struct LogHead {
    pub kept: usize,
    pub dropped: usize,
    pub marker: Option<u64>,
}

/// Everything the store holds.
#[derive(Debug, Default)]
pub struct State {
    pub graphs: HashMap<Digest, Arc<Graph>>,
    pub runs: BTreeMap<u64, Run>,
    pub ids: HashMap<RunId, u64>,
    pub next_run: u64,
    pub events: VecDeque<Event>,
    pub next_cursor: u64,
    pub heads: HashMap<(TaskRef, u32), LogHead>,
    pub progress: HashMap<TaskRef, Event>,
    pub cache: HashMap<Digest, (u64, CacheEntry)>,
    pub next_use: u64,
    pub hits: u64,
    pub misses: u64,
    pub cpu_saved_ms: u64,
    pub workers: BTreeMap<WorkerId, WorkerCard>,
    pub paused: BTreeSet<String>,
    pub ledger: Ledger,
    pub claims: HashMap<String, (RunId, u64)>,
    pub pipelines: BTreeMap<PipelineName, BTreeMap<u32, Revision>>,
    pub registry_version: u64,
    pub marks: HashMap<String, String>,
}

impl State {
    /// A run by its id.
    pub fn run(&self, id: RunId) -> Option<&Run> {
        self.runs.get(self.ids.get(&id)?)
    }

    /// The next cursor of the event log.
    pub fn cursor(&mut self) -> u64 {
        self.next_cursor += 1;
        self.next_cursor
    }

    /// Writes what a transaction changed. Says whether a task became ready.
    pub fn apply(&mut self, changes: Changes, fresh: Option<NewRun>, now_ms: u64) -> bool {
        let (seq, id) = (changes.run.1.seq, changes.run.1.id);
        if let Some(new) = fresh {
            let (tasks, instances) = (BTreeMap::new(), BTreeMap::new());
            let run = Run { row: changes.run.1.clone(), new, graph: changes.graph, tasks, instances };
            self.ids.insert(id, seq);
            self.runs.insert(seq, run);
        }
        let Some(run) = self.runs.get_mut(&seq) else { return false };
        run.row = changes.run.1;
        for (change, row) in changes.instances {
            if change == Change::Delete {
                run.instances.remove(&row.no);
            } else {
                run.instances.insert(row.no, row);
            }
        }
        let mut readied = false;
        for (change, row) in changes.tasks {
            readied |= row.state == TaskState::Ready;
            if change == Change::Delete {
                run.tasks.remove(&row.no);
                self.progress.remove(&TaskRef { run: id, task: row.no });
            } else {
                run.tasks.insert(row.no, row);
            }
        }
        for event in changes.events {
            self.append(id, event, now_ms);
        }
        readied
    }

    fn append(&mut self, run: RunId, event: NewEvent, at_ms: u64) {
        let cursor = self.cursor();
        let NewEvent { kind, task, attempt, data } = event;
        self.events.push_back(Event { cursor, at_ms, kind, run, task, attempt, data });
        let since = at_ms.saturating_sub(EVENT_AGE_MS_MAX);
        while self.events.len() as u64 > EVENTS_KEPT_MAX
            || self.events.front().is_some_and(|oldest| oldest.at_ms < since)
        {
            self.events.pop_front();
        }
    }
}

/// The state as the source of a transaction.
pub struct Rows<'s>(pub &'s State);

impl Rows<'_> {
    fn places(&self, mut wanted: impl FnMut(&TaskRow) -> bool) -> Vec<(u64, TaskNo)> {
        let of_run = |(seq, run): (&u64, &Run)| -> Vec<_> {
            run.tasks.values().filter(|task| wanted(task)).map(|task| (*seq, task.no)).collect()
        };
        self.0.runs.iter().flat_map(of_run).collect()
    }

    /// The ready tasks of a lane in their order.
    pub fn line(&self, lane: &str, only: &Only) -> Vec<ReadyKey> {
        let mut keys = Vec::new();
        for (seq, run) in self.0.runs.iter().filter(|(_, run)| only.includes(&run.row)) {
            for task in run.tasks.values().filter(|task| task.state == TaskState::Ready) {
                let node = run.graph.node(task.node);
                if node.lane() == lane {
                    keys.push(ReadyKey { rank: rank(node, run.row.priority), seq: *seq, task: task.no });
                }
            }
        }
        keys.sort_unstable();
        keys
    }

    fn by_time(&self, mut places: Vec<(u64, TaskNo)>, limit: usize) -> Vec<(u64, TaskNo)> {
        let until = |(seq, no): &(u64, TaskNo)| self.0.runs[seq].tasks[no].until_ms;
        places.sort_by_key(until);
        places.truncate(limit);
        places
    }
}

impl Source for Rows<'_> {
    type Error = StoreError;

    fn find_run(&mut self, id: RunId) -> Result<Option<u64>, StoreError> {
        Ok(self.0.ids.get(&id).copied())
    }

    fn run(&mut self, seq: u64) -> Result<Option<(RunRow, Arc<Graph>)>, StoreError> {
        Ok(self.0.runs.get(&seq).map(|run| (run.row.clone(), Arc::clone(&run.graph))))
    }

    fn task(&mut self, seq: u64, no: TaskNo) -> Result<Option<TaskRow>, StoreError> {
        Ok(self.0.runs.get(&seq).and_then(|run| run.tasks.get(&no).cloned()))
    }

    fn instance(&mut self, seq: u64, no: InstanceNo) -> Result<Option<InstanceRow>, StoreError> {
        Ok(self.0.runs.get(&seq).and_then(|run| run.instances.get(&no).cloned()))
    }

    fn ready(
        &mut self,
        lane: &str,
        only: &Only,
        after: Option<ReadyKey>,
        limit: usize,
    ) -> Result<Vec<ReadyKey>, StoreError> {
        if self.0.paused.contains(lane) || self.0.paused.contains(queue_of(lane)) {
            return Ok(Vec::new());
        }
        let mut keys = self.line(lane, only);
        keys.retain(|key| Some(*key) > after);
        keys.truncate(limit);
        Ok(keys)
    }

    fn expired(&mut self, now_ms: u64, limit: usize) -> Result<Vec<(u64, TaskNo)>, StoreError> {
        let over = self.places(|task| {
            task.state == TaskState::Leased && task.until_ms.is_some_and(|until| until <= now_ms)
        });
        Ok(self.by_time(over, limit))
    }

    fn due(&mut self, now_ms: u64, limit: usize) -> Result<Vec<(u64, TaskNo)>, StoreError> {
        let due = self.places(|task| {
            matches!(task.state, TaskState::Delayed | TaskState::Ready)
                && task.until_ms.is_some_and(|until| until <= now_ms)
        });
        Ok(self.by_time(due, limit))
    }

    fn held_by(&mut self, worker: &WorkerId) -> Result<Vec<(u64, TaskNo)>, StoreError> {
        Ok(self.places(|task| task.state == TaskState::Leased && task.worker.as_ref() == Some(worker)))
    }
}

/// A place that a run's own rows point to must exist.
pub fn lost(what: &str) -> StoreError {
    Damage(format!("{what} is missing")).into()
}
