//! What a process remembers of the runs it works on, so that a step needs one round trip and not one a row.
//!
//! A remembered run may be out of date: every write names the version it was decided on, and the script refuses it
//! when the run has moved on. What was refused for the sake of a remembered row is looked at again.

use crate::codec;
use crate::error::Trouble;
use crate::source::READ_WHOLE_MAX;
use reelmill_graph::Graph;
use reelmill_lifecycle::{Change, Changes, Damage, InstanceRow, RunRow, TaskRow};
use reelmill_model::{IdMap, InstanceNo, RunId, TaskNo, TaskState};
use reelmill_ports::NewRun;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Rows remembered at once; beyond, all are forgotten.
const ROWS_MAX: usize = 200_000;

/// A run's row holds ready and leased tasks as one sum, because a lease does not write it. Within a transaction both
/// counts begin this high, so that neither runs below zero, and what is written is again their sum.
const BIAS: u64 = 1 << 40;

/// One run.
#[derive(Debug)]
pub struct Page {
    /// This process's name for it, as the lifecycle wants one.
    pub seq: u64,
    /// Writes of its row so far.
    pub version: u32,
    /// Its row; see [`BIAS`].
    pub run: RunRow,
    /// What was submitted.
    pub new: Arc<NewRun>,
    /// Its graph.
    pub graph: Arc<Graph>,
    /// Its tasks, as far as they are known, with their leases.
    pub tasks: BTreeMap<TaskNo, Box<TaskRow>>,
    /// Its instances, as far as they are known.
    pub instances: BTreeMap<InstanceNo, Box<InstanceRow>>,
    /// Whether every row is known.
    pub whole: bool,
    /// The transaction within which it was read.
    read_in: u64,
}

impl Page {
    /// Rows it may have.
    pub fn size(&self) -> u32 {
        self.run.next_task.saturating_add(self.run.next_instance)
    }

    /// Whether every row it may have is known.
    pub fn is_whole(&self) -> bool {
        self.whole || self.tasks.len() + self.instances.len() == self.size() as usize
    }
}

/// The row of a run as it is to be written: without the bias.
pub fn unbiased(run: &RunRow) -> Result<RunRow, Damage> {
    let mut run = run.clone();
    let [ready, leased] = [TaskState::Ready as usize, TaskState::Leased as usize];
    let sum = (run.counts[ready] + run.counts[leased]).checked_sub(2 * BIAS);
    run.counts[ready] = sum.ok_or_else(|| Damage("a run counts fewer tasks than it has".into()))?;
    run.counts[leased] = 0;
    Ok(run)
}

/// Gives a run's row the bias of a transaction.
pub fn biased(mut run: RunRow) -> RunRow {
    let [ready, leased] = [TaskState::Ready as usize, TaskState::Leased as usize];
    run.counts[ready] += run.counts[leased] + BIAS;
    run.counts[leased] = BIAS;
    run
}

/// A row of a run, by the name of its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// `t7`
    Task(TaskNo),
    /// `i7`
    Instance(InstanceNo),
}

/// The pages.
#[derive(Debug, Default)]
pub struct Book {
    pages: IdMap<RunId, Page>,
    /// The present transaction.
    turn: u64,
    /// Rows that the present transaction has looked at: read again at once when their run has moved on.
    used: IdMap<RunId, BTreeSet<Name>>,
    ids: IdMap<u64, RunId>,
    last_seq: u64,
    rows: usize,
}

impl Book {
    /// A transaction begins: from now on nothing remembered is fresh.
    pub fn begin(&mut self) {
        if self.rows > ROWS_MAX {
            self.clear();
        }
        self.used.clear();
        self.turn += 1;
    }

    /// Whether a run is remembered from an earlier transaction.
    pub fn remembers(&self, run: RunId) -> bool {
        self.pages.get(&run).is_some_and(|page| page.read_in != self.turn)
    }

    /// Forgets all runs.
    pub fn clear(&mut self) {
        self.pages.clear();
        self.ids.clear();
        self.rows = 0;
    }

    /// The page of a run.
    pub fn page(&mut self, run: RunId) -> Option<&mut Page> {
        self.pages.get_mut(&run)
    }

    /// The page of a number.
    pub fn numbered(&mut self, seq: u64) -> Option<&mut Page> {
        self.pages.get_mut(self.ids.get(&seq)?)
    }

    /// Notes that a decision looks at a row of a run that is too large to be read whole.
    pub fn uses(&mut self, run: RunId, name: Name) {
        if self.pages.get(&run).is_some_and(|page| page.size() > READ_WHOLE_MAX) {
            self.used.entry(run).or_default().insert(name);
        }
    }

    /// The rows of a run that decisions of this transaction have looked at.
    pub fn used(&self, run: RunId) -> Vec<Name> {
        self.used.get(&run).into_iter().flatten().copied().collect()
    }

    /// A number for a run that is no page yet.
    pub fn number(&mut self) -> u64 {
        self.last_seq += 1;
        self.last_seq
    }

    /// Forgets a run.
    pub fn forget(&mut self, run: RunId) {
        if let Some(page) = self.pages.remove(&run) {
            self.ids.remove(&page.seq);
        }
    }

    /// Makes a page of a run, without its rows.
    pub fn open(&mut self, version: u32, run: RunRow, new: NewRun, graph: Arc<Graph>) {
        let id = new.id;
        self.forget(id);
        let seq = self.number();
        let run = RunRow { seq, ..biased(run) };
        self.ids.insert(seq, id);
        let page = Page {
            seq,
            version,
            run,
            new: Arc::new(new),
            graph,
            tasks: BTreeMap::new(),
            instances: BTreeMap::new(),
            whole: false,
            read_in: self.turn,
        };
        self.pages.insert(id, page);
    }

    /// Keeps a task's row as it was read.
    pub fn keep_task(&mut self, run: RunId, no: TaskNo, row: &[u8]) -> Result<(), Trouble> {
        let task = codec::read_task(no, row)?;
        self.rows += 1;
        if let Some(page) = self.pages.get_mut(&run) {
            page.tasks.insert(no, Box::new(task));
        }
        Ok(())
    }

    /// Keeps an instance's row as it was read.
    pub fn keep_instance(&mut self, run: RunId, no: InstanceNo, row: &[u8]) -> Result<(), Trouble> {
        let row = codec::read_instance(no, row)?;
        self.rows += 1;
        if let Some(page) = self.pages.get_mut(&run) {
            page.instances.insert(no, Box::new(row));
        }
        Ok(())
    }

    /// Takes over what was written. An ended run is forgotten: nothing more is to come.
    pub fn applied(&mut self, changes: Changes) {
        let (_, run) = changes.run;
        let Some(page) = self.pages.get_mut(&run.id) else { return };
        if run.state.is_terminal() {
            return self.forget(run.id);
        }
        page.version += 1;
        page.run = run;
        self.rows += changes.tasks.len() + changes.instances.len();
        for (change, row) in changes.tasks {
            if change == Change::Delete {
                page.tasks.remove(&row.no);
            } else {
                page.tasks.insert(row.no, Box::new(row));
            }
        }
        for (change, row) in changes.instances {
            if change == Change::Delete {
                page.instances.remove(&row.no);
            } else {
                page.instances.insert(row.no, Box::new(row));
            }
        }
    }
}
