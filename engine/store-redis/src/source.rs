//! The rows that a decision starts from: remembered, or read when they are asked for.

use crate::book::{Book, Head, Name};
use crate::codec;
use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::keys::Keys;
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
    fn read_head(&mut self, id: RunId) -> Result<bool, Trouble> {
        let key = self.keys.run(id);
        let found: Vec<Option<Vec<u8>>> =
            self.wire.query(cmd("HMGET").arg(key).arg(&["v", "r", "n", "s"]))?;
        let field = |at: usize| found.get(at).and_then(Option::as_deref);
        let (Some(version), Some(run), Some(new)) = (field(0), field(1), field(2)) else { return Ok(false) };
        self.open(id, version, run, new, field(3))?;
        Ok(true)
    }

    fn open(
        &mut self,
        id: RunId,
        version: &[u8],
        run: &[u8],
        new: &[u8],
        started: Option<&[u8]>,
    ) -> Result<(), Trouble> {
        let graph = self.graphs.of_run(self.wire, codec::graph_of(new)?)?;
        let head = Head {
            version: codec::decimal(version)?,
            run,
            new,
            started_ms: started.map(codec::decimal).transpose()?,
        };
        self.book.open(id, &head, graph)?;
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
        let (Some(version), Some(run), Some(new)) = (field(b"v"), field(b"r"), field(b"n")) else {
            self.book.forget(id);
            return Ok(());
        };
        self.open(id, version, run, new, field(b"s"))?;
        for (name, value) in fields {
            match (name[0], codec::row_number(name)) {
                (b't', Some(no)) => {
                    let grip = field(format!("l{no}").as_bytes());
                    self.book.keep_task(id, TaskNo(no), value, grip)?;
                }
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
        question.arg(self.keys.run(id)).arg(&["v", "r", "n", "s"]);
        for name in &names {
            match name {
                Name::Task(no) => question.arg(format!("t{no}")).arg(format!("l{no}")),
                Name::Instance(no) => question.arg(format!("i{no}")),
            };
        }
        let found: Vec<Option<Vec<u8>>> = self.wire.query(&question)?;
        let mut fields = found.iter().map(Option::as_deref);
        let mut next = || fields.next().flatten();
        let (version, run, new, started) = (next(), next(), next(), next());
        let (Some(version), Some(run), Some(new)) = (version, run, new) else { return Ok(()) };
        self.open(id, version, run, new, started)?;
        for name in names {
            match name {
                Name::Task(no) => {
                    let (row, grip) = (next(), next());
                    if let Some(row) = row {
                        self.book.keep_task(id, no, row, grip)?;
                    }
                }
                Name::Instance(no) => {
                    if let Some(row) = next() {
                        self.book.keep_instance(id, no, row)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads a field, and another that may belong to it, of the version that is remembered.
    fn read(
        &mut self,
        id: RunId,
        version: u64,
        names: &[String; 2],
    ) -> Result<[Option<Vec<u8>>; 2], Trouble> {
        let key = self.keys.run(id);
        let (now, first, second): (Option<u64>, _, _) =
            self.wire.query(cmd("HMGET").arg(key).arg("v").arg(&names[..]))?;
        if now != Some(version) {
            return Err(Trouble::Stale(id));
        }
        Ok([first, second])
    }
}

impl Source for Rows<'_> {
    type Error = Trouble;

    fn find_run(&mut self, id: RunId) -> Result<Option<u64>, Trouble> {
        if self.book.page(id).is_none() && !self.read_head(id)? {
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
            let found = page.tasks.get(&no).cloned();
            self.book.uses(id, Name::Task(no));
            return Ok(found);
        }
        self.book.uses(id, Name::Task(no));
        let [row, grip] = self.read(id, version, &[format!("t{no}"), format!("l{no}")])?;
        let Some(row) = row else { return Ok(None) };
        self.book.keep_task(id, no, &row, grip.as_deref())?;
        Ok(self.book.page(id).and_then(|page| page.tasks.get(&no).cloned()))
    }

    fn instance(&mut self, seq: u64, no: InstanceNo) -> Result<Option<InstanceRow>, Trouble> {
        let Some(page) = self.book.numbered(seq) else { return Ok(None) };
        let (id, version) = (page.run.id, page.version);
        if page.is_whole() || page.instances.contains_key(&no) {
            let found = page.instances.get(&no).cloned();
            self.book.uses(id, Name::Instance(no));
            return Ok(found);
        }
        self.book.uses(id, Name::Instance(no));
        let [row, _] = self.read(id, version, &[format!("i{no}"), "s".to_owned()])?;
        let Some(row) = row else { return Ok(None) };
        self.book.keep_instance(id, no, &row)?;
        Ok(self.book.page(id).and_then(|page| page.instances.get(&no).cloned()))
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
