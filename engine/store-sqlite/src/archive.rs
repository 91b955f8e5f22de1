//! Keeping runs that ended in another store.

use crate::apply;
use crate::codec::{Code, int, pack, run_bytes, run_id};
use crate::error::Trouble;
use crate::runs::delete;
use crate::store::SqliteStore;
use crate::unit::{Unit, insert_new};
use async_trait::async_trait;
use reelmill_lifecycle::{Change, Changes};
use reelmill_model::{Digest, Event, RunId, Severity};
use reelmill_ports::{Archive, Old, ResultCache as _, RunRecord, StoreError};
use rusqlite::{Connection, OptionalExtension as _, params};

fn keep(unit: &mut Unit<'_>, record: RunRecord) -> Result<Result<(), StoreError>, Trouble> {
    let RunRecord { new, mut run, instances, tasks, log } = record;
    let source = unit.tx.source();
    let Some(graph) = source.graphs.get(source.conn, new.graph)? else {
        return Ok(Err(StoreError::NoSuchGraph(new.graph)));
    };
    delete(unit, new.id)?;
    run.seq = unit.counters.next_run;
    unit.counters.next_run += 1;
    insert_new(unit.conn, &run, &new)?;
    let seq = run.seq;
    let changes = Changes {
        graph,
        run: (Change::None, run),
        instances: instances.into_iter().map(|row| (Change::Insert, row)).collect(),
        tasks: tasks.into_iter().map(|row| (Change::Insert, row)).collect(),
        events: Vec::new(),
    };
    apply::apply(unit.conn, &changes)?;
    for event in &log {
        line(unit, seq, event)?;
    }
    Ok(Ok(()))
}

/// One line of a stage, under a cursor of this store.
fn line(unit: &mut Unit<'_>, seq: u64, event: &Event) -> Result<(), Trouble> {
    let cursor = int(unit.counters.cursor());
    let severity = event.data["severity"].as_str().and_then(Severity::from_word).unwrap_or(Severity::Info);
    let mut insert = unit.conn.prepare_cached(
        "INSERT INTO log (cursor, at_ms, task, attempt, severity, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![
        cursor,
        int(event.at_ms),
        pack(seq, event.task.map_or(0, |task| task.0)),
        event.attempt.unwrap_or(0),
        severity.code(),
        event.data["text"].as_str().unwrap_or_default(),
    ])?;
    Ok(())
}

/// Ended runs to delete, oldest first. A run has ended after it was made: younger ids need not be looked at.
fn old(conn: &Connection, which: Old, limit: usize) -> Result<Vec<RunId>, Trouble> {
    let (last, ended_before) = match which {
        Old::EndedBefore(ms) => (RunId::from_parts(ms, 0), ms),
        Old::UpTo(last) => (last, u64::MAX),
    };
    let mut query = conn.prepare_cached(
        "SELECT id FROM run WHERE id <= ?1 AND ended_ms IS NOT NULL AND ended_ms < ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut found = query.query(params![run_bytes(last), int(ended_before), int(limit as u64)])?;
    let mut old = Vec::new();
    while let Some(row) = found.next()? {
        old.push(run_id(row.get_ref(0)?.as_blob().map_err(rusqlite::Error::from)?)?);
    }
    Ok(old)
}

#[async_trait]
impl Archive for SqliteStore {
    async fn keep(&self, record: RunRecord) -> Result<(), StoreError> {
        self.writer.write(move |unit| keep(unit, record)).await
    }

    async fn kept_artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        self.named_artifacts().await
    }

    async fn delete_old(&self, which: Old, limit: usize) -> Result<usize, StoreError> {
        self.writer
            .write(move |unit| {
                let old = old(unit.conn, which, limit)?;
                for id in &old {
                    delete(unit, *id)?;
                }
                Ok(Ok(old.len()))
            })
            .await
    }

    async fn beyond(&self, newest: u64) -> Result<Option<RunId>, StoreError> {
        self.readers
            .long(move |conn| {
                let mut query =
                    conn.prepare_cached("SELECT id FROM run ORDER BY id DESC LIMIT 1 OFFSET ?1")?;
                let found: Option<Vec<u8>> =
                    query.query_row(params![int(newest)], |row| row.get(0)).optional()?;
                found.as_deref().map(run_id).transpose()
            })
            .await
    }
}
