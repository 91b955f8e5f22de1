//! The rows a transaction starts from, read with prepared statements on demand.

use crate::codec::{Code, int, pack, run_bytes, uint, unpack};
use crate::error::Trouble;
use crate::rows::{self, select_instance, select_run, select_task};
use reelmill_graph::Graph;
use reelmill_graph::placement::queue_of;
use reelmill_lifecycle::{Damage, InstanceRow, Only, ReadyKey, RunRow, Source, TaskRow};
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
    /// The first rank, from one on, at which a lane has ready tasks.
    fn next_rank(&self, lane: &str, from: u8) -> Result<Option<u8>, Trouble> {
        let mut query = self.conn.prepare_cached(
            "SELECT rank FROM task WHERE state = 1 AND lane = ?1 AND rank >= ?2 \
             AND NOT EXISTS (SELECT 1 FROM paused WHERE lane IN (?1, ?3)) ORDER BY rank LIMIT 1",
        )?;
        Ok(query.query_row(params![lane, from, queue_of(lane)], |row| row.get(0)).optional()?)
    }

    /// Ready tasks of one rank after an id, until there are `limit`. Going rank by rank lets every statement
    /// run along the index, also when only one run's tasks are wanted.
    fn ready_of_rank(
        &self,
        lane: &str,
        only: &Only,
        rank: u8,
        after: i64,
        limit: usize,
        found: &mut Vec<ReadyKey>,
    ) -> Result<(), Trouble> {
        const ALL: &str = "SELECT id FROM task WHERE state = 1 AND lane = ?1 AND rank = ?2 AND id > ?3 \
             AND id < ?4 AND ?5 IS NULL ORDER BY id LIMIT ?6";
        const BATCH: &str = "SELECT id FROM task WHERE state = 1 AND lane = ?1 AND rank = ?2 AND id > ?3 \
             AND id < ?4 AND id >> 32 IN (SELECT seq FROM run WHERE batch = ?5) ORDER BY id LIMIT ?6";
        let (sql, from, to, batch) = match only {
            Only::Any => (ALL, 0, i64::MAX, None),
            Only::Batch(batch) => (BATCH, 0, i64::MAX, Some(batch)),
            Only::Run(id) => {
                let mut query = self.conn.prepare_cached("SELECT seq FROM run WHERE id = ?1")?;
                let seq = query.query_row(params![run_bytes(*id)], |row| row.get::<_, i64>(0)).optional()?;
                let Some(seq) = seq.map(uint) else { return Ok(()) };
                (ALL, pack(seq, 0) - 1, pack(seq + 1, 0), None)
            }
        };
        let left = int((limit - found.len()) as u64);
        let mut query = self.conn.prepare_cached(sql)?;
        let mut rows = query.query(params![lane, rank, after.max(from), to, batch, left])?;
        while let Some(row) = rows.next()? {
            let (seq, no) = unpack(row.get(0)?);
            found.push(ReadyKey { rank, seq, task: TaskNo(no) });
        }
        Ok(())
    }

    /// Whether a lane has a ready task.
    pub fn any_ready(&self, lane: &str, only: &Only) -> Result<bool, Trouble> {
        let mut found = Vec::new();
        let mut next = self.next_rank(lane, 0)?;
        while let Some(rank) = next.filter(|_| found.is_empty()) {
            self.ready_of_rank(lane, only, rank, -1, 1, &mut found)?;
            next = rank.checked_add(1).map(|rank| self.next_rank(lane, rank)).transpose()?.flatten();
        }
        Ok(!found.is_empty())
    }

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
        lane: &str,
        only: &Only,
        after: Option<ReadyKey>,
        limit: usize,
    ) -> Result<Vec<ReadyKey>, Trouble> {
        let ranks = after.map_or(0, |key| key.rank);
        let mut found = Vec::new();
        let mut next = self.next_rank(lane, ranks)?;
        while let Some(rank) = next.filter(|_| found.len() < limit) {
            let from = after.filter(|key| key.rank == rank).map_or(-1, |key| pack(key.seq, key.task.0));
            self.ready_of_rank(lane, only, rank, from, limit, &mut found)?;
            next = rank.checked_add(1).map(|rank| self.next_rank(lane, rank)).transpose()?.flatten();
        }
        Ok(found)
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
