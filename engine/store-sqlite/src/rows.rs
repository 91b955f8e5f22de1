//! Reading rows: columns in a fixed order become the rows that decisions and readers share.

use crate::codec::{Code, counts, digest, parse, run_id, small, uint, unpack};
use crate::error::Trouble;
use reelmill_lifecycle::{InstanceRow, RunRow, TaskRow};
use reelmill_model::{
    InstanceNo, InstanceState, NodeNo, Phase, RunState, ScopeNo, TaskNo, TaskState, Token, Usage, WorkerId,
};
use rusqlite::Row;
use serde_json::Value;

/// `SELECT` of a run's columns and the rest of the statement.
macro_rules! select_run {
    ($rest:literal) => {
        concat!(
            "SELECT seq, id, graph, batch, state, phase, on_failure, finally, failed, cleanup_failed, cancel_reason, \
             failure, started_ms, ended_ms, counts, next_task, next_instance, undo, \
             priority, paused, edits ",
            $rest
        )
    };
}

/// `SELECT` of a task's columns and the rest of the statement.
macro_rules! select_task {
    ($rest:literal) => {
        concat!(
            "SELECT task.id, node, instance, task.state, waiting, attempts, spent, settled, token, cancel, \
             cached, until_ms, ready_ms, leased_ms, ended_ms, cpu_ms, rss_peak, execute_ms, store_ms, worker, \
             fan, failure, skipped, outputs, escalated ",
            $rest
        )
    };
}

/// `SELECT` of an instance's columns and the rest of the statement.
macro_rules! select_instance {
    ($rest:literal) => {
        concat!(
            "SELECT id, scope, outer_no, owner, place, state, open, first_task, failed_by, cancelled, key, \
             value ",
            $rest
        )
    };
}

pub(crate) use {select_instance, select_run, select_task};

/// A run from the columns of `select_run`.
pub fn run(row: &Row<'_>) -> Result<RunRow, Trouble> {
    let instance = |at| -> Result<_, Trouble> { Ok(row.get::<_, Option<u32>>(at)?.map(InstanceNo)) };
    Ok(RunRow {
        seq: uint(row.get(0)?),
        id: run_id(row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?)?,
        graph: digest(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?,
        batch: row.get(3)?,
        state: RunState::from_code(row.get(4)?)?,
        phase: Phase::from_code(row.get(5)?)?,
        on_failure: instance(6)?,
        finally: instance(7)?,
        failed: row.get(8)?,
        cleanup_failed: row.get(9)?,
        cancel_reason: row.get(10)?,
        failure: parse(text(row, 11)?)?.map(Box::new),
        started_ms: row.get::<_, Option<i64>>(12)?.map(uint),
        ended_ms: row.get::<_, Option<i64>>(13)?.map(uint),
        counts: counts(row.get_ref(14)?.as_blob().map_err(rusqlite::Error::from)?)?,
        next_task: row.get(15)?,
        next_instance: row.get(16)?,
        undo: parse(text(row, 17)?)?,
        priority: row.get(18)?,
        paused: row.get(19)?,
        edits: parse(text(row, 20)?)?.unwrap_or_default(),
    })
}

/// A task from the columns of `select_task`.
pub fn task(row: &Row<'_>) -> Result<TaskRow, Trouble> {
    let ms = |at| -> Result<_, Trouble> { Ok(row.get::<_, Option<i64>>(at)?.map(uint)) };
    let count = |at| -> Result<_, Trouble> { Ok(uint(row.get(at)?)) };
    Ok(TaskRow {
        no: TaskNo(unpack(row.get(0)?).1),
        node: NodeNo(row.get(1)?),
        instance: InstanceNo(row.get(2)?),
        state: TaskState::from_code(row.get(3)?)?,
        waiting: row.get(4)?,
        attempts: row.get(5)?,
        spent: row.get(6)?,
        settled: row.get(7)?,
        token: Token(count(8)?),
        cancel: row.get(9)?,
        cached: row.get(10)?,
        until_ms: ms(11)?,
        ready_ms: ms(12)?,
        leased_ms: ms(13)?,
        ended_ms: ms(14)?,
        usage: Usage {
            cpu_ms: count(15)?,
            rss_peak_bytes: count(16)?,
            execute_ms: count(17)?,
            store_ms: count(18)?,
        },
        worker: row.get::<_, Option<String>>(19)?.map(WorkerId),
        fan: parse(text(row, 20)?)?,
        failure: parse(text(row, 21)?)?.map(Box::new),
        skipped: parse(text(row, 22)?)?.map(Box::new),
        outputs: parse(text(row, 23)?)?.unwrap_or(Value::Null),
        escalated: row.get(24)?,
    })
}

/// An instance from the columns of `select_instance`.
pub fn instance(row: &Row<'_>) -> Result<InstanceRow, Trouble> {
    let number = |at| -> Result<_, Trouble> { Ok(row.get::<_, Option<i64>>(at)?.map(small)) };
    Ok(InstanceRow {
        no: InstanceNo(unpack(row.get(0)?).1),
        scope: ScopeNo(row.get(1)?),
        outer: number(2)?.map(InstanceNo),
        owner: number(3)?.map(TaskNo),
        index: row.get(4)?,
        state: InstanceState::from_code(row.get(5)?)?,
        open: row.get(6)?,
        first_task: number(7)?.map(TaskNo),
        failed_by: number(8)?.map(TaskNo),
        cancelled: row.get(9)?,
        key: row.get(10)?,
        value: parse(text(row, 11)?)?.unwrap_or(Value::Null),
    })
}

fn text<'r>(row: &'r Row<'_>, at: usize) -> Result<Option<&'r str>, Trouble> {
    Ok(row.get_ref(at)?.as_str_or_null().map_err(rusqlite::Error::from)?)
}
