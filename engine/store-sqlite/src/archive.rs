//! Keeping runs that ended in another store.

use crate::apply;
use crate::codec::{Code, int, pack};
use crate::error::Trouble;
use crate::runs::delete;
use crate::store::SqliteStore;
use crate::unit::{Unit, insert_new};
use async_trait::async_trait;
use reelmill_lifecycle::{Change, Changes};
use reelmill_model::{Digest, Event, Severity};
use reelmill_ports::{Archive, ResultCache as _, RunRecord, StoreError};
use rusqlite::params;

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

#[async_trait]
impl Archive for SqliteStore {
    async fn keep(&self, record: RunRecord) -> Result<(), StoreError> {
        self.writer.write(move |unit| keep(unit, record)).await
    }

    async fn kept_artifacts(&self) -> Result<Vec<Digest>, StoreError> {
        self.named_artifacts().await
    }
}
