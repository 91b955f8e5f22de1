//! Reading one run: its rows as readers see them. A reader sees each question's moment, and what is written between two
//! of them; everything it is shown was true at some moment.

use crate::codec;
use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::index::{self, Order};
use crate::keys::Keys;
use crate::wire::Wire;
use redis::{Pipeline, cmd};
use reelmill_graph::Graph;
use reelmill_lifecycle::{Damage, InstanceRow, Place, RunRow, TaskRow, task_path};
use reelmill_model::{InstanceNo, RunId, TaskNo};
use reelmill_ports::{NewRun, RunView, TaskView};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows asked for at once.
const ROWS_AT_ONCE: usize = 200;

/// What a run's hash begins with: `r` and `n`.
pub type Front = (Option<Vec<u8>>, Option<Vec<u8>>);
/// The fields of a front.
pub const FRONT: [&str; 2] = ["r", "n"];

/// A run, what was submitted and the graph, from its front.
pub fn of_front(
    id: RunId,
    run: &[u8],
    new: &[u8],
    wire: &mut Wire,
    graphs: &Graphs,
) -> Result<(RunRow, NewRun, Arc<Graph>), Trouble> {
    let (digest, graph) = graphs.numbered(wire, codec::graph_no(new)?)?;
    let new = codec::read_new(id, new, digest, &graph)?;
    Ok((codec::read_run(run, &new)?, new, graph))
}

/// These runs, without those that are not there.
pub fn runs(wire: &mut Wire, keys: &Keys, graphs: &Graphs, ids: &[RunId]) -> Result<Vec<RunView>, Trouble> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut pipe = Pipeline::new();
    for id in ids {
        pipe.cmd("HMGET").arg(keys.run(*id)).arg(&FRONT);
    }
    let fronts: Vec<Front> = wire.all(&pipe)?;
    let mut found = Vec::with_capacity(ids.len());
    for (id, front) in ids.iter().zip(fronts) {
        if let (Some(run), Some(new)) = front {
            let (row, new, _) = of_front(*id, &run, &new, wire, graphs)?;
            found.push(RunView::of(row, new));
        }
    }
    Ok(found)
}

/// Shows every run of a partition with its tasks.
pub fn every_run(
    wire: &mut Wire,
    keys: &Keys,
    graphs: &Graphs,
    mut show: impl FnMut(&NewRun, &[TaskRow]),
) -> Result<(), Trouble> {
    let mut behind = None;
    loop {
        let ids = index::list(wire, keys, None, Order::OldestFirst, behind, ROWS_AT_ONCE)?;
        for id in &ids {
            let fields: HashMap<Vec<u8>, Vec<u8>> = wire.query(cmd("HGETALL").arg(keys.run(*id)))?;
            let Some(new) = fields.get(b"n".as_slice()) else { continue };
            let (digest, graph) = graphs.numbered(wire, codec::graph_no(new)?)?;
            let new = codec::read_new(*id, new, digest, &graph)?;
            let rows = fields.iter().filter(|(name, _)| name.starts_with(b"t"));
            let tasks = rows.filter_map(|(name, row)| Some((codec::row_number(name)?, row)));
            let tasks: Vec<TaskRow> =
                tasks.map(|(no, row)| codec::read_task(TaskNo(no), row)).collect::<Result<_, _>>()?;
            show(&new, &tasks);
        }
        behind = ids.last().copied();
        if behind.is_none() {
            return Ok(());
        }
    }
}

/// Reads one run's rows.
pub struct Reading<'w> {
    wire: &'w mut Wire,
    key: Vec<u8>,
    /// Its graph.
    pub graph: Arc<Graph>,
    /// The number its next task will get.
    pub next_task: u32,
    places: HashMap<InstanceNo, Place>,
}

impl<'w> Reading<'w> {
    /// Reads a run; none when it is not there.
    pub fn of(wire: &'w mut Wire, keys: &Keys, graphs: &Graphs, id: RunId) -> Result<Option<Self>, Trouble> {
        let key = keys.run(id);
        let front: Front = wire.query(cmd("HMGET").arg(&key).arg(&FRONT))?;
        let (Some(run), Some(new)) = front else { return Ok(None) };
        let (row, _, graph) = of_front(id, &run, &new, wire, graphs)?;
        Ok(Some(Self { wire, key, graph, next_task: row.next_task, places: HashMap::new() }))
    }

    /// Tasks by their numbers; those that do not exist are left out.
    pub fn tasks(&mut self, numbers: &[TaskNo]) -> Result<Vec<TaskRow>, Trouble> {
        let mut found = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(ROWS_AT_ONCE) {
            let mut question = cmd("HMGET");
            question.arg(&self.key);
            for no in some {
                question.arg(format!("t{no}"));
            }
            let rows: Vec<Option<Vec<u8>>> = self.wire.query(&question)?;
            for (no, row) in some.iter().zip(rows) {
                if let Some(row) = row {
                    found.push(codec::read_task(*no, &row)?);
                }
            }
        }
        Ok(found)
    }

    /// Instances by their numbers; those that do not exist are left out.
    pub fn instances(&mut self, numbers: &[InstanceNo]) -> Result<Vec<InstanceRow>, Trouble> {
        let mut found = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(ROWS_AT_ONCE) {
            let mut question = cmd("HMGET");
            question.arg(&self.key);
            for no in some {
                question.arg(format!("i{no}"));
            }
            let rows: Vec<Option<Vec<u8>>> = self.wire.query(&question)?;
            for (no, row) in some.iter().zip(rows) {
                if let Some(row) = row {
                    found.push(codec::read_instance(*no, &row)?);
                }
            }
        }
        Ok(found)
    }

    /// A task with its path.
    pub fn view(&mut self, row: TaskRow) -> Result<TaskView, Trouble> {
        let graph = Arc::clone(&self.graph);
        let node = graph.nodes.get(row.node.index()).ok_or_else(|| Damage("a task has no node".into()))?;
        let path = task_path(&graph, node, row.instance, &mut |no| self.place(no))?;
        Ok(TaskView::of(row, path))
    }

    fn place(&mut self, no: InstanceNo) -> Result<Place, Trouble> {
        if let Some(place) = self.places.get(&no) {
            return Ok(place.clone());
        }
        let row = self.instances(&[no])?.pop();
        let row = row.ok_or_else(|| Damage(format!("instance {no} of the run is missing")))?;
        let place = Place { scope: row.scope, outer: row.outer, key: row.key };
        self.places.insert(no, place.clone());
        Ok(place)
    }
}
