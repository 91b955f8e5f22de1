//! The rows a transaction starts from, read with prepared statements on demand.

use crate::codec::{Code, int, pack, run_bytes, uint, unpack};
use crate::error::Trouble;
use crate::rows::{self, select_instance, select_run, select_task};
use reelmill_graph::Graph;
use reelmill_lifecycle::{Damage, InstanceRow, ReadyKey, RunRow, Source, TaskRow};
use reelmill_model::{Digest, InstanceNo, RunId, TaskNo, TaskState, WorkerId};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Graphs already read. They never change, so they may be kept; the oldest are forgotten when there are many.
#[derive(Debug, Default)]
pub struct Graphs(Mutex<HashMap<Digest, Arc<Graph>>>);

impl Graphs {
    /// How many are kept in memory.
    const KEPT: usize = 256;

    /// A graph, from memory or from the file.
    pub fn get(&self, conn: &Connection, digest: Digest) -> Result<Option<Arc<Graph>>, Trouble> {
        if let Some(graph) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return Ok(Some(Arc::clone(graph)));
        }
        let mut query = conn.prepare_cached("SELECT json FROM graph WHERE digest = ?1")?;
        let text: Option<String> = query.query_row(params![digest.0], |row| row.get(0)).optional()?;
        let Some(text) = text else { return Ok(None) };
        let graph = Arc::new(serde_json::from_str::<Graph>(&text)?);
        if graph.format != Graph::FORMAT {
            return Err(Damage(format!("graph {digest} has the unknown layout {}", graph.format)).into());
        }
        self.keep(digest, &graph);
        Ok(Some(graph))
    }

    /// Keeps a graph in memory.
    pub fn keep(&self, digest: Digest, graph: &Arc<Graph>) {
        let mut graphs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if graphs.len() >= Self::KEPT {
            graphs.clear();
        }
        graphs.insert(digest, Arc::clone(graph));
    }
}

/// Rows of the file, as they were before the transaction's own changes are written.
#[derive(Debug)]
pub struct Rows<'c> {
    /// The writer's connection, within a transaction.
    pub conn: &'c Connection,
    /// Graphs already read.
    pub graphs: &'c Graphs,
}

impl Rows<'_> {
    fn places(&self, sql: &str, args: &[&dyn rusqlite::ToSql]) -> Result<Vec<(u64, TaskNo)>, Trouble> {
        let mut query = self.conn.prepare_cached(sql)?;
        let ids = query.query_map(args, |row| row.get::<_, i64>(0))?;
        ids.map(|id| Ok(id.map(unpack).map(|(seq, no)| (seq, TaskNo(no)))?)).collect()
    }
}

impl Source for Rows<'_> {
    type Error = Trouble;

    fn find_run(&mut self, id: RunId) -> Result<Option<u64>, Trouble> {
        let mut query = self.conn.prepare_cached("SELECT seq FROM run WHERE id = ?1")?;
        Ok(query.query_row(params![run_bytes(id)], |row| row.get::<_, i64>(0)).optional()?.map(uint))
    }

    fn run(&mut self, seq: u64) -> Result<Option<(RunRow, Arc<Graph>)>, Trouble> {
        let mut query = self.conn.prepare_cached(select_run!("FROM run WHERE seq = ?1"))?;
        let mut found = query.query(params![int(seq)])?;
        let Some(row) = found.next()? else { return Ok(None) };
        let run = rows::run(row)?;
        let graph = self.graphs.get(self.conn, run.graph)?;
        let graph =
            graph.ok_or_else(|| Damage(format!("run {} has lost its graph {}", run.id, run.graph)))?;
        Ok(Some((run, graph)))
    }

    fn task(&mut self, seq: u64, no: TaskNo) -> Result<Option<TaskRow>, Trouble> {
        let mut query = self.conn.prepare_cached(select_task!("FROM task WHERE id = ?1"))?;
        let mut found = query.query(params![pack(seq, no.0)])?;
        found.next()?.map(rows::task).transpose()
    }

    fn instance(&mut self, seq: u64, no: InstanceNo) -> Result<Option<InstanceRow>, Trouble> {
        let mut query = self.conn.prepare_cached(select_instance!("FROM instance WHERE id = ?1"))?;
        let mut found = query.query(params![pack(seq, no.0)])?;
        found.next()?.map(rows::instance).transpose()
    }

    fn ready(
        &mut self,
        queue: &str,
        after: Option<ReadyKey>,
        limit: usize,
    ) -> Result<Vec<ReadyKey>, Trouble> {
        let mut query = self.conn.prepare_cached(
            "SELECT rank, id FROM task WHERE state = 1 AND queue = ?1 AND (rank, id) > (?2, ?3) \
             ORDER BY rank, id LIMIT ?4",
        )?;
        let (rank, id) = after.map_or((-1, 0), |key| (i64::from(key.rank), pack(key.seq, key.task.0)));
        let found = query.query_map(params![queue, rank, id, int(limit as u64)], |row| {
            let (seq, no) = unpack(row.get(1)?);
            Ok(ReadyKey { rank: row.get(0)?, seq, task: TaskNo(no) })
        })?;
        Ok(found.collect::<Result<_, _>>()?)
    }

    fn expired(&mut self, now_ms: u64, limit: usize) -> Result<Vec<(u64, TaskNo)>, Trouble> {
        self.places(
            "SELECT id FROM task WHERE state = ?1 AND until_ms <= ?2 ORDER BY until_ms LIMIT ?3",
            params![TaskState::Leased.code(), int(now_ms), int(limit as u64)],
        )
    }

    fn due(&mut self, now_ms: u64, limit: usize) -> Result<Vec<(u64, TaskNo)>, Trouble> {
        self.places(
            "SELECT id FROM task WHERE state IN (?1, ?2) AND until_ms <= ?3 ORDER BY until_ms LIMIT ?4",
            params![TaskState::Delayed.code(), TaskState::Ready.code(), int(now_ms), int(limit as u64)],
        )
    }

    fn held_by(&mut self, worker: &WorkerId) -> Result<Vec<(u64, TaskNo)>, Trouble> {
        self.places(
            "SELECT id FROM task WHERE state = ?1 AND until_ms IS NOT NULL AND worker = ?2",
            params![TaskState::Leased.code(), worker.0],
        )
    }
}
