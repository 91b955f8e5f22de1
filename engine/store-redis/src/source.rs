//! The rows that a decision starts from: remembered, or read when they are asked for.

use crate::book::{Book, Name};
use crate::codec::{self, RunHead};
use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::keys::Keys;
use crate::reading::{FRONT, Front, of_front};
use crate::wire::Wire;
use redis::{Pipeline, cmd};
use reelmill_graph::Graph;
use reelmill_lifecycle::{InstanceRow, Only, ReadyKey, RunRow, Source, TaskRow};
use reelmill_model::{InstanceNo, RunId, TaskNo, WorkerId};
use std::collections::HashMap;
use std::sync::Arc;

/// Runs of at most so many rows are read whole: one round trip instead of one a row.
pub const READ_WHOLE_MAX: u32 = 256;

/// All fields of a run's hash.
type Fields = HashMap<Vec<u8>, Vec<u8>>;

/// Rows of one partition.
pub struct Rows<'l> {
    pub wire: &'l mut Wire,
    pub keys: &'l Keys,
    pub book: &'l mut Book,
    pub graphs: &'l Graphs,
}

impl Rows<'_> {
    /// Reads what a run's hash begins with; false when there is no such run.
    fn read_front(&mut self, id: RunId) -> Result<bool, Trouble> {
        let front: Front = self.wire.query(cmd("HMGET").arg(self.keys.run(id)).arg(&FRONT))?;
        let (Some(run), Some(new)) = front else { return Ok(false) };
        self.open(id, &run, &new)?;
        Ok(true)
    }

    /// Makes a page of a run, without its rows.
    pub fn open(&mut self, id: RunId, run: &[u8], new: &[u8]) -> Result<(), Trouble> {
        let (version, (row, new, graph)) =
            (RunHead::read(run)?.0.version, of_front(id, run, new, self.wire, self.graphs)?);
        self.book.open(version, row, new, graph);
        Ok(())
    }

    /// Reads these runs whole, as far as they are not too large, with one question for all.
    pub fn read_whole(&mut self, runs: &[RunId]) -> Result<(), Trouble> {
        if runs.is_empty() {
            return Ok(());
        }
        let mut pipe = Pipeline::new();
        for run in runs {
            pipe.cmd("HGETALL").arg(self.keys.run(*run));
        }
        let found: Vec<Fields> = self.wire.all(&pipe)?;
        for (run, fields) in runs.iter().zip(found) {
            self.keep_whole(*run, &fields)?;
        }
        Ok(())
    }

    fn keep_whole(&mut self, id: RunId, fields: &Fields) -> Result<(), Trouble> {
        let field = |name: &[u8]| fields.get(name).map(Vec::as_slice);
        let (Some(run), Some(new)) = (field(b"r"), field(b"n")) else {
            self.book.forget(id);
            return Ok(());
        };
        self.open(id, run, new)?;
        for (name, value) in fields {
            match (name[0], codec::row_number(name)) {
                (b't', Some(no)) => self.book.keep_task(id, TaskNo(no), value)?,
                (b'i', Some(no)) => self.book.keep_instance(id, InstanceNo(no), value)?,
                _ => {}
            }
        }
        if let Some(page) = self.book.page(id) {
            page.whole = true;
        }
        Ok(())
    }

    /// Reads a run again that has moved on. Of one that is too large to be read whole, the rows that decisions have
    /// looked at come with one question, so that they are of one moment.
    pub fn read_again(&mut self, id: RunId) -> Result<(), Trouble> {
        let small = self.book.page(id).is_none_or(|page| page.size() <= READ_WHOLE_MAX);
        self.book.forget(id);
        if small {
            return Ok(());
        }
        let names = self.book.used(id);
        let mut question = cmd("HMGET");
        question.arg(self.keys.run(id)).arg(&FRONT);
        for name in &names {
            match name {
                Name::Task(no) => question.arg(format!("t{no}")),
                Name::Instance(no) => question.arg(format!("i{no}")),
            };
        }
        let found: Vec<Option<Vec<u8>>> = self.wire.query(&question)?;
        let mut fields = found.iter().map(Option::as_deref);
        let mut next = || fields.next().flatten();
        let (Some(run), Some(new)) = (next(), next()) else { return Ok(()) };
        self.open(id, run, new)?;
        for name in names {
            match (name, next()) {
                (Name::Task(no), Some(row)) => self.book.keep_task(id, no, row)?,
                (Name::Instance(no), Some(row)) => self.book.keep_instance(id, no, row)?,
                (_, None) => {}
            }
        }
        Ok(())
    }

    /// Reads a field of the version that is remembered.
    fn read(&mut self, id: RunId, version: u32, name: &str) -> Result<Option<Vec<u8>>, Trouble> {
        let (run, found): Front = self.wire.query(cmd("HMGET").arg(self.keys.run(id)).arg("r").arg(name))?;
        let now = run.as_deref().map(RunHead::read).transpose()?;
        if now.is_none_or(|(head, _)| head.version != version) {
            return Err(Trouble::Stale(id));
        }
        Ok(found)
    }
}

impl Source for Rows<'_> {
    type Error = Trouble;

    fn find_run(&mut self, id: RunId) -> Result<Option<u64>, Trouble> {
        if self.book.page(id).is_none() && !self.read_front(id)? {
            return Ok(None);
        }
        Ok(self.book.page(id).map(|page| page.seq))
    }

    fn run(&mut self, seq: u64) -> Result<Option<(RunRow, Arc<Graph>)>, Trouble> {
        Ok(self.book.numbered(seq).map(|page| (page.run.clone(), Arc::clone(&page.graph))))
    }

    fn task(&mut self, seq: u64, no: TaskNo) -> Result<Option<TaskRow>, Trouble> {
        let Some(page) = self.book.numbered(seq) else { return Ok(None) };
        let (id, version) = (page.run.id, page.version);
        if page.is_whole() || page.tasks.contains_key(&no) {
            let found = page.tasks.get(&no).map(|row| (**row).clone());
            self.book.uses(id, Name::Task(no));
            return Ok(found);
        }
        self.book.uses(id, Name::Task(no));
        let Some(row) = self.read(id, version, &format!("t{no}"))? else { return Ok(None) };
        self.book.keep_task(id, no, &row)?;
        Ok(self.book.page(id).and_then(|page| page.tasks.get(&no).map(|row| (**row).clone())))
    }

    fn instance(&mut self, seq: u64, no: InstanceNo) -> Result<Option<InstanceRow>, Trouble> {
        let Some(page) = self.book.numbered(seq) else { return Ok(None) };
        let (id, version) = (page.run.id, page.version);
        if page.is_whole() || page.instances.contains_key(&no) {
            let found = page.instances.get(&no).map(|row| (**row).clone());
            self.book.uses(id, Name::Instance(no));
            return Ok(found);
        }
        self.book.uses(id, Name::Instance(no));
        let Some(row) = self.read(id, version, &format!("i{no}"))? else { return Ok(None) };
        self.book.keep_instance(id, no, &row)?;
        Ok(self.book.page(id).and_then(|page| page.instances.get(&no).map(|row| (**row).clone())))
    }

    // Leasing, expiry and promotion begin from the store's own indexes, task by task.

    fn ready(&mut self, _: &str, _: &Only, _: Option<ReadyKey>, _: usize) -> Result<Vec<ReadyKey>, Trouble> {
        Ok(Vec::new())
    }

    fn expired(&mut self, _: u64, _: usize) -> Result<Vec<(u64, TaskNo)>, Trouble> {
        Ok(Vec::new())
    }

    fn due(&mut self, _: u64, _: usize) -> Result<Vec<(u64, TaskNo)>, Trouble> {
        Ok(Vec::new())
    }

    fn held_by(&mut self, _: &WorkerId) -> Result<Vec<(u64, TaskNo)>, Trouble> {
        Ok(Vec::new())
    }
}
