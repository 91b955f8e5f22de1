//! What changes in one run, as the script `step` applies it: whole, or not at all when the run has moved on.

use crate::book::{Page, biased, unbiased};
use crate::codec;
use crate::deed::Removal;
use crate::error::Trouble;
use crate::events::{self, Texts};
use crate::keys::{ended_entry, run_bytes, score};
use crate::pack::Packer;
use reelmill_lifecycle::{Change, Changes, RunRow, TaskRow};
use reelmill_model::{RunId, TaskNo, TaskState};
use reelmill_ports::NewRun;

/// A task as the script takes it: the bytes of its number.
type Task = [u8; 4];

/// The lease that a decision saw on a task it changes.
struct Seen {
    task: Task,
    /// 0 where it saw none.
    token: u64,
    /// Above 0: the lease must have ended by then.
    by_ms: u64,
    /// Whether the lease is over now.
    ends: bool,
}

/// What becomes of the run, as the script knows it by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Turn {
    #[default]
    None = 0,
    Ended = 1,
    Again = 2,
    Archived = 3,
    Deleted = 4,
}

/// The changes of one run.
#[derive(Default)]
pub struct Block {
    id: [u8; 16],
    version: u32,
    tenant: String,
    batch: String,
    seen: Vec<Seen>,
    fields: Vec<Vec<u8>>,
    ready: Vec<(String, u64, Task)>,
    turn: Turn,
    /// When it ended, if that is about to be noted or forgotten.
    ended_ms: Option<u64>,
    events: Vec<u8>,
    events_count: u64,
    drops: Vec<Vec<u8>>,
    unready: Vec<(String, Task)>,
    undue: Vec<Task>,
    due: Vec<(u64, Task)>,
}

impl Block {
    /// The block of what was decided, against what the page remembers of before. `graph_no` is the number of the
    /// graph, which a new run is written with; `texts` gathers what events say; `by_ms` says of a task that its lease was found to have ended.
    pub fn of(
        page: Option<&Page>,
        new: &NewRun,
        graph_no: u32,
        changes: &Changes,
        texts: &mut Texts,
        by_ms: impl Fn(TaskNo) -> Option<u64>,
    ) -> Result<Self, Trouble> {
        let (change, run) = &changes.run;
        let mut block = Self::empty(page, new);
        block.field("r", codec::write_run(&unbiased(&row_of(*change, run))?));
        if *change == Change::Insert {
            block.field("n", codec::write_new(new, graph_no, &changes.graph));
        }
        for (change, row) in &changes.instances {
            match change {
                Change::Delete => block.drops.push(format!("i{}", row.no).into_bytes()),
                _ => block.field(&format!("i{}", row.no), codec::write_instance(row)),
            }
        }
        for (change, row) in &changes.tasks {
            let before = page.and_then(|page| page.tasks.get(&row.no)).map(|row| &**row);
            block.task(run.id, before, *change, row, changes, &by_ms);
        }
        let was_over = page.is_some_and(|page| page.run.state.is_terminal());
        block.turn = match (was_over, run.state.is_terminal()) {
            (false, true) => Turn::Ended,
            (true, false) => Turn::Again,
            _ => Turn::None,
        };
        block.ended_ms = match block.turn {
            Turn::Again => page.and_then(|page| page.run.ended_ms),
            _ => run.ended_ms,
        };
        block.events = events::write(run.id, changes, texts);
        block.events_count = changes.events.len() as u64;
        Ok(block)
    }

    /// The block that removes an ended run.
    pub fn removal(page: &Page, why: Removal) -> Self {
        let turn = match why {
            Removal::Deleted => Turn::Deleted,
            Removal::Archived => Turn::Archived,
        };
        Self { turn, ended_ms: page.run.ended_ms, ..Self::empty(Some(page), &page.new) }
    }

    fn empty(page: Option<&Page>, new: &NewRun) -> Self {
        Self {
            id: run_bytes(new.id),
            version: page.map_or(0, |page| page.version),
            tenant: new.namespace.clone(),
            batch: new.batch.as_ref().map_or_else(String::new, |(batch, _)| batch.clone()),
            ..Self::default()
        }
    }

    fn field(&mut self, name: &str, value: Vec<u8>) {
        self.fields.push(name.as_bytes().to_vec());
        self.fields.push(value);
    }

    fn task(
        &mut self,
        run: RunId,
        before: Option<&TaskRow>,
        change: Change,
        row: &TaskRow,
        changes: &Changes,
        by_ms: &impl Fn(TaskNo) -> Option<u64>,
    ) {
        let (no, task) = (row.no, row.no.0.to_be_bytes());
        let was = before.map(|before| before.state);
        let now = (change != Change::Delete).then_some(row.state);
        if let Some(before) = before {
            let held = was == Some(TaskState::Leased);
            let token = if held { before.token.0 } else { 0 };
            let ends = held && now != Some(TaskState::Leased);
            self.seen.push(Seen { task, token, by_ms: by_ms(no).unwrap_or(0), ends });
        }
        match now {
            Some(_) => self.field(&format!("t{no}"), codec::write_task(row)),
            None => self.drops.push(format!("t{no}").into_bytes()),
        }
        let node = changes.graph.node(row.node);
        match (was == Some(TaskState::Ready), now == Some(TaskState::Ready)) {
            (true, false) => self.unready.push((node.lane(), task)),
            (false, true) => self.ready.push((node.lane(), score(node, changes.run.1.priority, run), task)),
            _ => {}
        }
        self.time(waits_until(before), if now.is_some() { waits_until(Some(row)) } else { None }, task);
    }

    /// Where the task stands among those that wait for a moment.
    fn time(&mut self, before: Option<u64>, now: Option<u64>, task: Task) {
        match (before, now) {
            (_, Some(at)) if before != now => self.due.push((at, task)),
            (Some(_), None) => self.undue.push(task),
            _ => {}
        }
    }

    /// Blocks, one behind the other, as the script reads them.
    pub fn pack_all(blocks: &[Self], packer: &mut Packer) {
        packer.list(blocks.iter().map(Self::items).sum());
        for block in blocks {
            block.pack(packer);
        }
    }

    /// How many things the script reads of it.
    fn items(&self) -> usize {
        11 + 4 * self.seen.len() + self.fields.len() + 3 * self.ready.len()
    }

    fn pack(&self, packer: &mut Packer) {
        packer.bytes(self.id).number(self.version.into()).bytes(&self.tenant).number(self.turn as u64);
        match self.ended_ms.filter(|_| self.turn != Turn::None) {
            Some(ms) => packer.bytes(ended_entry(ms)),
            None => packer.bytes(b""),
        };
        packer.number(self.events_count).bytes(&self.events);
        self.pack_more(packer);
        for count in [self.seen.len(), self.fields.len() / 2, self.ready.len()] {
            packer.number(count as u64);
        }
        for seen in &self.seen {
            packer.bytes(seen.task).number(seen.token).number(seen.by_ms).number(seen.ends.into());
        }
        for part in &self.fields {
            packer.bytes(part);
        }
        for (lane, place, task) in &self.ready {
            packer.bytes(lane).bytes(place.to_string()).bytes(task);
        }
    }

    /// What few blocks have.
    fn pack_more(&self, packer: &mut Packer) {
        let first_or_last = self.version == 0 || matches!(self.turn, Turn::Archived | Turn::Deleted);
        let batch = if first_or_last { self.batch.as_str() } else { "" };
        let none =
            self.drops.is_empty() && self.unready.is_empty() && self.undue.is_empty() && self.due.is_empty();
        if none && batch.is_empty() {
            packer.no();
            return;
        }
        packer.list(5).bytes(batch).all(&self.drops);
        packer.list(2 * self.unready.len());
        for (lane, task) in &self.unready {
            packer.bytes(lane).bytes(task);
        }
        packer.list(self.undue.len());
        for task in &self.undue {
            packer.bytes(task);
        }
        packer.list(2 * self.due.len());
        for (at, task) in &self.due {
            packer.bytes(at.to_string()).bytes(task);
        }
    }
}

/// A new run's row has no bias yet.
fn row_of(change: Change, run: &RunRow) -> RunRow {
    if change == Change::Insert { biased(run.clone()) } else { run.clone() }
}

/// The moment a task waits for: the end of its backoff, or of `timeout.queue`.
fn waits_until(task: Option<&TaskRow>) -> Option<u64> {
    let waits = |task: &&TaskRow| matches!(task.state, TaskState::Ready | TaskState::Delayed);
    task.filter(waits).and_then(|task| task.until_ms)
}
