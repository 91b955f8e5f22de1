//! What changes in one run, as the script `step` applies it: whole, or not at all when the run has moved on.

use crate::book::{Page, biased, unbiased};
use crate::codec::{self, Grip, Pen};
use crate::deed::Removal;
use crate::error::Trouble;
use crate::keys::{member, run_bytes, score};
use crate::pack::Packer;
use reelmill_lifecycle::{Change, Changes, RunRow, TaskRow};
use reelmill_model::{RunId, TaskNo, TaskState, WorkerId};
use reelmill_ports::NewRun;

/// The lease that a decision saw on a task it changes.
struct Seen {
    task: TaskNo,
    /// 0 where it saw none.
    token: u64,
    /// Above 0: the lease must have ended by then.
    by_ms: u64,
}

/// A task in a queue.
struct Queued {
    lane: String,
    score: u64,
    member: Vec<u8>,
}

/// The changes of one run.
#[derive(Default)]
pub struct Block {
    id: [u8; 16],
    version: u64,
    tenant: String,
    batch: String,
    seen: Vec<Seen>,
    fields: Vec<Vec<u8>>,
    drops: Vec<Vec<u8>>,
    released: Vec<Vec<u8>>,
    unready: Vec<Queued>,
    ready: Vec<Queued>,
    undue: Vec<Vec<u8>>,
    due: Vec<(u64, Vec<u8>)>,
    index: Vec<&'static str>,
    events: Vec<u8>,
    events_count: u64,
}

impl Block {
    /// The block of what was decided, against what the page remembers of before. `by_ms` says of a task that its lease
    /// was found to have ended.
    pub fn of(
        page: Option<&Page>,
        new: &NewRun,
        changes: &Changes,
        by_ms: impl Fn(TaskNo) -> Option<u64>,
    ) -> Result<Self, Trouble> {
        let (change, run) = &changes.run;
        let mut block = Self::empty(page, new);
        block.field("r", codec::write_run(&unbiased(&row_of(*change, run))?));
        if *change == Change::Insert {
            block.field("n", codec::write_new(new, &changes.graph));
        }
        for (change, row) in &changes.instances {
            match change {
                Change::Delete => block.drops.push(format!("i{}", row.no).into_bytes()),
                _ => block.field(&format!("i{}", row.no), codec::write_instance(row)),
            }
        }
        for (change, row) in &changes.tasks {
            let before = page.and_then(|page| page.tasks.get(&row.no));
            block.task(run.id, before, *change, row, changes, &by_ms);
        }
        block.index(*change, page.map(|page| page.run.state.is_terminal()), run);
        block.log(run.id, changes);
        Ok(block)
    }

    /// The block that removes an ended run.
    pub fn removal(page: &Page, why: Removal) -> Self {
        let index = match why {
            Removal::Deleted => vec!["deleted", "gone"],
            Removal::Archived => vec!["gone"],
        };
        Self { index, ..Self::empty(Some(page), &page.new) }
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
        let (no, name) = (row.no, member(run, row.no));
        let was = before.map(|before| before.state);
        let now = (change != Change::Delete).then_some(row.state);
        if let Some(before) = before {
            let token = if was == Some(TaskState::Leased) { before.token.0 } else { 0 };
            self.seen.push(Seen { task: no, token, by_ms: by_ms(no).unwrap_or(0) });
        }
        match now {
            Some(_) => self.field(&format!("t{no}"), codec::write_task(row)),
            None => self.drops.push(format!("t{no}").into_bytes()),
        }
        if now == Some(TaskState::Leased) {
            self.field(&format!("l{no}"), grip(row).write());
        } else if was == Some(TaskState::Leased) {
            self.drops.push(format!("l{no}").into_bytes());
            self.released.push(name.clone());
        }
        let queued = || {
            let node = changes.graph.node(row.node);
            Queued { lane: node.lane(), score: score(node, run), member: name.clone() }
        };
        match (was == Some(TaskState::Ready), now == Some(TaskState::Ready)) {
            (true, false) => self.unready.push(queued()),
            (false, true) => self.ready.push(queued()),
            _ => {}
        }
        self.time(waits_until(before), if now.is_some() { waits_until(Some(row)) } else { None }, name);
    }

    /// Where the task stands among those that wait for a moment.
    fn time(&mut self, before: Option<u64>, now: Option<u64>, name: Vec<u8>) {
        match (before, now) {
            (_, Some(at)) if before != now => self.due.push((at, name)),
            (Some(_), None) => self.undue.push(name),
            _ => {}
        }
    }

    fn index(&mut self, change: Change, was_over: Option<bool>, run: &RunRow) {
        if change == Change::Insert {
            self.index.push("new");
        }
        match (was_over.unwrap_or(false), run.state.is_terminal()) {
            (false, true) => self.index.push("ended"),
            (true, false) => self.index.push("again"),
            _ => {}
        }
    }

    fn log(&mut self, run: RunId, changes: &Changes) {
        let mut pen = Pen::default();
        for event in &changes.events {
            pen.byte(event.kind as u8);
            pen.raw(&run_bytes(run));
            pen.maybe(event.task.map(|no| no.0));
            pen.maybe(event.attempt);
            if event.data.is_null() {
                pen.bytes(b"");
            } else {
                pen.json(&event.data);
            }
        }
        self.events = pen.done();
        self.events_count = changes.events.len() as u64;
    }

    /// Writes it as the script reads it.
    pub fn pack(&self, packer: &mut Packer) {
        packer.list(14).bytes(self.id).number(self.version);
        packer.list(3 * self.seen.len());
        for seen in &self.seen {
            packer.number(seen.task.0.into()).number(seen.token).number(seen.by_ms);
        }
        packer.all(&self.fields).all(&self.drops).all(&self.released);
        packer.list(3 * self.unready.len());
        for queued in &self.unready {
            packer.bytes(&queued.lane).bytes(&self.tenant).bytes(&queued.member);
        }
        packer.list(4 * self.ready.len());
        for queued in &self.ready {
            packer
                .bytes(&queued.lane)
                .bytes(&self.tenant)
                .bytes(queued.score.to_string())
                .bytes(&queued.member);
        }
        packer.all(&self.undue).list(2 * self.due.len());
        for (at, member) in &self.due {
            packer.bytes(at.to_string()).bytes(member);
        }
        packer.list(self.index.len());
        for word in &self.index {
            packer.bytes(word);
        }
        packer.bytes(&self.batch).number(self.events_count).bytes(&self.events);
    }
}

/// A new run's row has no bias yet.
fn row_of(change: Change, run: &RunRow) -> RunRow {
    if change == Change::Insert { biased(run.clone()) } else { run.clone() }
}

fn grip(row: &TaskRow) -> Grip {
    Grip {
        cancel: row.cancel,
        token: row.token,
        leased_ms: row.leased_ms.unwrap_or(0),
        worker: row.worker.clone().unwrap_or(WorkerId(String::new())),
    }
}

/// The moment a task waits for: the end of its backoff, or of `timeout.queue`.
fn waits_until(task: Option<&TaskRow>) -> Option<u64> {
    let waits = |task: &&TaskRow| matches!(task.state, TaskState::Ready | TaskState::Delayed);
    task.filter(waits).and_then(|task| task.until_ms)
}
