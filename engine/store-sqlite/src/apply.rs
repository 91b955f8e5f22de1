//! Writing what a transaction changed: each row once, in the order of ids, so that the tree grows at its end.

use crate::codec::{Code, counts_bytes, int, json, json_of, pack, run_bytes};
use crate::error::Trouble;
use reelmill_graph::Graph;
use reelmill_lifecycle::{Change, Changes, InstanceRow, RunRow, TaskRow, rank};
use reelmill_model::{Digest, TaskState};
use rusqlite::{Connection, params};
use serde_json::Value;

/// Writes a run's changes, but for its events. Says whether a task became ready.
pub fn apply(conn: &Connection, changes: &Changes) -> Result<bool, Trouble> {
    let run = &changes.run.1;
    if changes.run.0 == Change::Update {
        update_run(conn, run)?;
    }
    for (change, row) in &changes.instances {
        instance(conn, run.seq, *change, row)?;
    }
    let mut readied = false;
    for (change, row) in &changes.tasks {
        readied |= row.state == TaskState::Ready && *change != Change::Delete;
        task(conn, run, *change, row, &changes.graph)?;
    }
    Ok(readied)
}

/// Writes a run for the first time.
pub fn insert_run(conn: &Connection, run: &RunRow, name: &str) -> Result<(), Trouble> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO run (seq, id, graph, name, batch, state, phase, failed, cleanup_failed, counts, \
         next_task, next_instance, priority) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?8, 0, 0, ?9)",
    )?;
    insert.execute(params![
        int(run.seq),
        run_bytes(run.id),
        run.graph.0,
        name,
        run.batch,
        run.state.code(),
        run.phase.code(),
        counts_bytes(&run.counts),
        run.priority,
    ])?;
    Ok(())
}

/// Writes what changes of a run.
pub fn update_run(conn: &Connection, run: &RunRow) -> Result<(), Trouble> {
    let mut update = conn.prepare_cached(
        "UPDATE run SET state = ?2, phase = ?3, on_failure = ?4, finally = ?5, failed = ?6, \
         cleanup_failed = ?7, cancel_reason = ?8, failure = ?9, started_ms = ?10, ended_ms = ?11, \
         counts = ?12, next_task = ?13, next_instance = ?14, undo = ?15, paused = ?16, edits = ?17 WHERE seq = ?1",
    )?;
    update.execute(params![
        int(run.seq),
        run.state.code(),
        run.phase.code(),
        run.on_failure.map(|no| no.0),
        run.finally.map(|no| no.0),
        run.failed,
        run.cleanup_failed,
        run.cancel_reason,
        json_of(run.failure.as_deref())?,
        run.started_ms.map(int),
        run.ended_ms.map(int),
        counts_bytes(&run.counts),
        run.next_task,
        run.next_instance,
        json_of(run.undo.as_ref())?,
        run.paused,
        json_of((!run.edits.is_empty()).then_some(&run.edits))?,
    ])?;
    Ok(())
}

fn instance(conn: &Connection, seq: u64, change: Change, row: &InstanceRow) -> Result<(), Trouble> {
    let id = pack(seq, row.no.0);
    let first_task = row.first_task.map(|no| no.0);
    let failed_by = row.failed_by.map(|no| no.0);
    match change {
        Change::None => {}
        Change::Insert => {
            let mut insert = conn.prepare_cached(
                "INSERT INTO instance (id, scope, outer_no, owner, place, state, open, first_task, failed_by, \
                 cancelled, key, value) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?;
            insert.execute(params![
                id,
                row.scope.0,
                row.outer.map(|no| no.0),
                row.owner.map(|no| no.0),
                row.index,
                row.state.code(),
                row.open,
                first_task,
                failed_by,
                row.cancelled,
                row.key,
                json(&row.value)?,
            ])?;
        }
        Change::Update => {
            let mut update = conn.prepare_cached(
                "UPDATE instance SET state = ?2, open = ?3, first_task = ?4, failed_by = ?5, cancelled = ?6 \
                 WHERE id = ?1",
            )?;
            let state = row.state.code();
            update.execute(params![id, state, row.open, first_task, failed_by, row.cancelled])?;
        }
        Change::Delete => {
            conn.prepare_cached("DELETE FROM instance WHERE id = ?1")?.execute(params![id])?;
        }
    }
    Ok(())
}

fn task(
    conn: &Connection,
    run: &RunRow,
    change: Change,
    row: &TaskRow,
    graph: &Graph,
) -> Result<(), Trouble> {
    let id = pack(run.seq, row.no.0);
    match change {
        Change::None => return Ok(()),
        Change::Insert => {
            let node = graph.node(row.node);
            let mut insert = conn.prepare_cached(
                "INSERT INTO task (id, state, waiting, attempts, spent, settled, token, cancel, cached, \
                 until_ms, ready_ms, leased_ms, ended_ms, cpu_ms, rss_peak, execute_ms, store_ms, worker, fan, \
                 failure, skipped, outputs, escalated, node, instance, lane, rank) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, \
                 ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)",
            )?;
            bind_task(&mut insert, id, row)?;
            insert.raw_bind_parameter(24, row.node.0)?;
            insert.raw_bind_parameter(25, row.instance.0)?;
            insert.raw_bind_parameter(26, node.lane())?;
            insert.raw_bind_parameter(27, rank(node, run.priority))?;
            insert.raw_execute()?;
        }
        Change::Update => {
            let mut update = conn.prepare_cached(
                "UPDATE task SET state = ?2, waiting = ?3, attempts = ?4, spent = ?5, settled = ?6, token = ?7, \
                 cancel = ?8, cached = ?9, until_ms = ?10, ready_ms = ?11, leased_ms = ?12, ended_ms = ?13, \
                 cpu_ms = ?14, rss_peak = ?15, execute_ms = ?16, store_ms = ?17, worker = ?18, fan = ?19, \
                 failure = ?20, skipped = ?21, outputs = ?22, escalated = ?23 WHERE id = ?1",
            )?;
            bind_task(&mut update, id, row)?;
            update.raw_execute()?;
        }
        Change::Delete => {
            conn.prepare_cached("DELETE FROM task WHERE id = ?1")?.execute(params![id])?;
            conn.prepare_cached("DELETE FROM progress WHERE task = ?1")?.execute(params![id])?;
        }
    }
    name_artifacts(conn, run.seq, &row.outputs)
}

/// Binds the parameters that writing a task for the first time and writing it again have in common.
fn bind_task(statement: &mut rusqlite::CachedStatement<'_>, id: i64, row: &TaskRow) -> Result<(), Trouble> {
    statement.raw_bind_parameter(1, id)?;
    statement.raw_bind_parameter(2, row.state.code())?;
    statement.raw_bind_parameter(3, row.waiting)?;
    statement.raw_bind_parameter(4, row.attempts)?;
    statement.raw_bind_parameter(5, row.spent)?;
    statement.raw_bind_parameter(6, row.settled)?;
    statement.raw_bind_parameter(7, int(row.token.0))?;
    statement.raw_bind_parameter(8, row.cancel)?;
    statement.raw_bind_parameter(9, row.cached)?;
    statement.raw_bind_parameter(10, row.until_ms.map(int))?;
    statement.raw_bind_parameter(11, row.ready_ms.map(int))?;
    statement.raw_bind_parameter(12, row.leased_ms.map(int))?;
    statement.raw_bind_parameter(13, row.ended_ms.map(int))?;
    statement.raw_bind_parameter(14, int(row.usage.cpu_ms))?;
    statement.raw_bind_parameter(15, int(row.usage.rss_peak_bytes))?;
    statement.raw_bind_parameter(16, int(row.usage.execute_ms))?;
    statement.raw_bind_parameter(17, int(row.usage.store_ms))?;
    statement.raw_bind_parameter(18, row.worker.as_ref().map(|worker| worker.0.as_str()))?;
    statement.raw_bind_parameter(19, json_of(row.fan.as_ref())?)?;
    statement.raw_bind_parameter(20, json_of(row.failure.as_deref())?)?;
    statement.raw_bind_parameter(21, json_of(row.skipped.as_deref())?)?;
    statement.raw_bind_parameter(22, json(&row.outputs)?)?;
    statement.raw_bind_parameter(23, row.escalated)?;
    Ok(())
}

/// Notes the artifacts that a value of a run names.
pub fn name_artifacts(conn: &Connection, seq: u64, value: &Value) -> Result<(), Trouble> {
    let mut found = Vec::new();
    artifacts_in(value, &mut found);
    for digest in found {
        conn.prepare_cached("INSERT OR IGNORE INTO run_artifact (run, digest) VALUES (?1, ?2)")?
            .execute(params![int(seq), digest.0])?;
    }
    Ok(())
}

/// Collects the digests of the artifact references in a value.
fn artifacts_in(value: &Value, found: &mut Vec<Digest>) {
    match value {
        Value::Object(map) => {
            let named = map.get(reelmill_model::artifact::ARTIFACT_KEY).and_then(Value::as_str);
            found.extend(named.and_then(|text| text.parse::<Digest>().ok()));
            map.values().for_each(|inner| artifacts_in(inner, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| artifacts_in(inner, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
