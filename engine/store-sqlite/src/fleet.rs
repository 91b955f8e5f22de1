//! Workers and lanes.

use crate::codec::{int, pack, run_bytes, run_id, uint};
use crate::error::Trouble;
use crate::runs::seq_of;
use crate::store::SqliteStore;
use crate::unit::Unit;
use async_trait::async_trait;
use reelmill_graph::placement::queue_of;
use reelmill_model::limits::WORKER_SILENT_MS;
use reelmill_model::{RunId, TaskRef, WorkerId};
use reelmill_ports::{Fleet, InLine, LaneView, StoreError, WorkerCard};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeSet;

fn announce(unit: &mut Unit<'_>, card: &WorkerCard) -> Result<(), Trouble> {
    let now_ms = unit.tx.now_ms();
    let silent = int(now_ms.saturating_sub(WORKER_SILENT_MS));
    unit.conn.prepare_cached("DELETE FROM worker WHERE seen_ms < ?1")?.execute(params![silent])?;
    let mut upsert = unit.conn.prepare_cached(
        "INSERT INTO worker (name, seen_ms, card) VALUES (?1, ?2, ?3) \
         ON CONFLICT (name) DO UPDATE SET seen_ms = ?2, card = ?3",
    )?;
    upsert.execute(params![card.worker.0, int(now_ms), serde_json::to_string(card)?])?;
    Ok(())
}

fn claim(
    unit: &mut Unit<'_>,
    key: &str,
    run: RunId,
    kept_ms: u64,
    instead_of: Option<RunId>,
) -> Result<RunId, Trouble> {
    let now_ms = unit.tx.now_ms();
    unit.conn.prepare_cached("DELETE FROM claim WHERE until_ms < ?1")?.execute(params![int(now_ms)])?;
    let mut leave = unit.conn.prepare_cached("DELETE FROM claim WHERE key = ?1 AND run = ?2")?;
    leave.execute(params![key, instead_of.map(run_bytes)])?;
    let mut insert =
        unit.conn.prepare_cached("INSERT OR IGNORE INTO claim (key, run, until_ms) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![key, run_bytes(run), int(now_ms.saturating_add(kept_ms))])?;
    let mut query = unit.conn.prepare_cached("SELECT run FROM claim WHERE key = ?1")?;
    let bytes: Vec<u8> = query.query_row(params![key], |row| row.get(0))?;
    run_id(&bytes)
}

/// The run that has a key.
fn claimed(conn: &Connection, key: &str, now_ms: u64) -> Result<Option<RunId>, Trouble> {
    let mut query = conn.prepare_cached("SELECT run FROM claim WHERE key = ?1 AND until_ms >= ?2")?;
    let bytes: Option<Vec<u8>> = query.query_row(params![key, int(now_ms)], |row| row.get(0)).optional()?;
    bytes.map(|bytes| run_id(&bytes)).transpose()
}

/// The workers heard since a moment.
fn workers(conn: &Connection, since_ms: u64) -> Result<Vec<WorkerCard>, Trouble> {
    let mut query =
        conn.prepare_cached("SELECT card, seen_ms FROM worker WHERE seen_ms >= ?1 ORDER BY name")?;
    let mut found = query.query(params![int(since_ms)])?;
    let mut workers = Vec::new();
    while let Some(row) = found.next()? {
        let card: String = row.get(0)?;
        let seen_ms = uint(row.get(1)?);
        workers.push(WorkerCard { seen_ms, ..serde_json::from_str(&card)? });
    }
    Ok(workers)
}

fn lanes(conn: &Connection) -> Result<Vec<LaneView>, Trouble> {
    let mut query = conn.prepare_cached(
        "SELECT lane, sum(ready), (SELECT run.id FROM task JOIN run ON run.seq = task.id >> 32 \
         WHERE task.state = 1 AND task.lane = found.lane ORDER BY task.rank, task.id LIMIT 1) FROM (\
         SELECT lane, count(*) AS ready FROM task WHERE state = 1 GROUP BY lane \
         UNION ALL SELECT lane, 0 FROM paused) AS found GROUP BY lane ORDER BY lane",
    )?;
    let paused: BTreeSet<String> = conn
        .prepare_cached("SELECT lane FROM paused")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut found = query.query([])?;
    let mut lanes = Vec::new();
    while let Some(row) = found.next()? {
        let (lane, oldest): (String, Option<Vec<u8>>) = (row.get(0)?, row.get(2)?);
        let oldest_ms = oldest.map(|id| run_id(&id)).transpose()?.map(|id| id.0.timestamp_ms());
        let paused = paused.contains(&lane) || paused.contains(queue_of(&lane));
        lanes.push(LaneView { ready: uint(row.get(1)?), oldest_ms, paused, lane });
    }
    Ok(lanes)
}

fn in_line(conn: &Connection, task: TaskRef) -> Result<Option<InLine>, Trouble> {
    let Some(seq) = seq_of(conn, task.run)? else { return Ok(None) };
    let mut query = conn.prepare_cached(
        "SELECT (SELECT count(*) FROM task WHERE state = 1 AND lane = one.lane AND rank < one.rank) \
         + (SELECT count(*) FROM task WHERE state = 1 AND lane = one.lane AND rank = one.rank AND id < one.id) \
         FROM task AS one WHERE id = ?1 AND state = 1",
    )?;
    let ahead: Option<i64> = query.query_row(params![pack(seq, task.task.0)], |row| row.get(0)).optional()?;
    Ok(ahead.map(|ahead| InLine { ahead: uint(ahead), others: 0 }))
}

#[async_trait]
impl Fleet for SqliteStore {
    async fn announce(&self, card: WorkerCard) -> Result<(), StoreError> {
        self.writer.write(move |unit| announce(unit, &card).map(Ok)).await
    }

    async fn retire(&self, worker: &WorkerId) -> Result<(), StoreError> {
        let worker = worker.clone();
        self.writer
            .write(move |unit| {
                unit.conn.prepare_cached("DELETE FROM worker WHERE name = ?1")?.execute(params![worker.0])?;
                Ok(Ok(()))
            })
            .await
    }

    async fn claim(
        &self,
        key: &str,
        run: RunId,
        kept_ms: u64,
        instead_of: Option<RunId>,
    ) -> Result<RunId, StoreError> {
        let key = key.to_owned();
        self.writer.write(move |unit| claim(unit, &key, run, kept_ms, instead_of).map(Ok)).await
    }

    async fn claimed(&self, key: &str) -> Result<Option<RunId>, StoreError> {
        let (key, now_ms) = (key.to_owned(), self.writer.now_ms());
        self.readers.long(move |conn| claimed(conn, &key, now_ms)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerCard>, StoreError> {
        let now_ms = self.writer.now_ms();
        self.readers.long(move |conn| workers(conn, now_ms.saturating_sub(WORKER_SILENT_MS))).await
    }

    async fn lanes(&self) -> Result<Vec<LaneView>, StoreError> {
        self.readers.long(lanes).await
    }

    async fn in_line(&self, task: TaskRef) -> Result<Option<InLine>, StoreError> {
        self.readers.long(move |conn| in_line(conn, task)).await
    }

    async fn pause_lane(&self, lane: &str, paused: bool) -> Result<(), StoreError> {
        let lane = lane.to_owned();
        self.writer
            .write(move |unit| {
                let sql = if paused {
                    "INSERT OR IGNORE INTO paused (lane) VALUES (?1)"
                } else {
                    "DELETE FROM paused WHERE lane = ?1"
                };
                unit.conn.prepare_cached(sql)?.execute(params![lane])?;
                Ok(Ok(()))
            })
            .await?;
        if !paused {
            self.writer.signals.ready.notify_waiters();
        }
        Ok(())
    }
}
