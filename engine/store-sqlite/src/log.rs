//! The event log: what workers add about attempts, and reading it all in the order of cursors.

use crate::codec::{Code, int, pack, parse, run_id, uint, unpack};
use crate::error::Trouble;
use crate::runs::seq_of;
use crate::store::SqliteStore;
use crate::unit::Unit;
use async_trait::async_trait;
use reelmill_model::limits::{
    LOG_LINE_BYTES_MAX, LOG_LINES_PER_ATTEMPT_MAX, PAGE_ROWS_MAX, PAYLOAD_BYTES_MAX,
};
use reelmill_model::{Event, EventKind, RunId, Severity, TaskNo, TaskRef};
use reelmill_ports::{EventLog, EventQuery, LogLine, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::{Value, json};
use std::time::Duration;

/// Events of one answer at most.
const EVENTS_AT_ONCE: usize = 5 * PAGE_ROWS_MAX;

/// Cuts a line at its limit, between characters.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LOG_LINE_BYTES_MAX)]
}

fn append(
    unit: &mut Unit<'_>,
    task: TaskRef,
    attempt: u32,
    lines: &[LogLine],
) -> Result<Result<(), StoreError>, Trouble> {
    unit.flush()?;
    let Some(seq) = seq_of(unit.conn, task.run)? else { return Ok(Err(StoreError::NoSuchRun(task.run))) };
    let id = pack(seq, task.task.0);
    let mut query = unit
        .conn
        .prepare_cached("SELECT kept, dropped, marker FROM log_head WHERE task = ?1 AND attempt = ?2")?;
    let head = query.query_row(params![id, attempt], |row| {
        Ok((uint(row.get(0)?), uint(row.get(1)?), row.get::<_, Option<i64>>(2)?))
    });
    let (mut kept, mut dropped, mut marker) = head.optional()?.unwrap_or((0, 0, None));
    for line in lines {
        if kept >= LOG_LINES_PER_ATTEMPT_MAX as u64 {
            dropped += 1;
            continue;
        }
        kept += 1;
        insert(unit, id, attempt, line)?;
    }
    if dropped > 0 {
        let text = format!("{dropped} more lines of this attempt were not kept (the limit is {kept})");
        if let Some(cursor) = marker {
            let mut update = unit.conn.prepare_cached("UPDATE log SET text = ?2 WHERE cursor = ?1")?;
            update.execute(params![cursor, text])?;
        } else {
            let line = LogLine { at_ms: unit.tx.now_ms(), severity: Severity::Warn, text };
            marker = Some(insert(unit, id, attempt, &line)?);
        }
    }
    let mut upsert = unit.conn.prepare_cached(
        "INSERT INTO log_head (task, attempt, kept, dropped, marker) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (task, attempt) DO UPDATE SET kept = ?3, dropped = ?4, marker = ?5",
    )?;
    upsert.execute(params![id, attempt, int(kept), int(dropped), marker])?;
    Ok(Ok(()))
}

fn insert(unit: &mut Unit<'_>, task: i64, attempt: u32, line: &LogLine) -> Result<i64, Trouble> {
    let cursor = int(unit.counters.cursor());
    let mut insert = unit.conn.prepare_cached(
        "INSERT INTO log (cursor, at_ms, task, attempt, severity, text) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    insert.execute(params![cursor, int(line.at_ms), task, attempt, line.severity.code(), cut(&line.text)])?;
    Ok(cursor)
}

fn progress(
    unit: &mut Unit<'_>,
    task: TaskRef,
    attempt: u32,
    progress: &Value,
) -> Result<Result<(), StoreError>, Trouble> {
    unit.flush()?;
    let Some(seq) = seq_of(unit.conn, task.run)? else { return Ok(Err(StoreError::NoSuchRun(task.run))) };
    let text = serde_json::to_string(progress)?;
    if text.len() > PAYLOAD_BYTES_MAX {
        let why = format!("a progress message is {} bytes, the limit is {PAYLOAD_BYTES_MAX}", text.len());
        return Ok(Err(StoreError::Refused(why)));
    }
    let cursor = int(unit.counters.cursor());
    let mut upsert = unit.conn.prepare_cached(
        "INSERT INTO progress (task, cursor, at_ms, attempt, data) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (task) DO UPDATE SET cursor = ?2, at_ms = ?3, attempt = ?4, data = ?5",
    )?;
    upsert.execute(params![pack(seq, task.task.0), cursor, int(unit.tx.now_ms()), attempt, text])?;
    Ok(Ok(()))
}

fn latest(conn: &Connection, run: RunId) -> Result<Vec<(TaskNo, Value)>, Trouble> {
    let Some(seq) = seq_of(conn, run)? else { return Ok(Vec::new()) };
    let mut query = conn.prepare_cached(
        "SELECT task.id, progress.data FROM task JOIN progress ON progress.task = task.id \
         AND progress.attempt = task.attempts \
         WHERE task.state = 3 AND task.until_ms IS NOT NULL AND task.id >= ?1 AND task.id < ?2 ORDER BY task.id",
    )?;
    let mut found = query.query(params![pack(seq, 0), pack(seq + 1, 0)])?;
    let mut latest = Vec::new();
    while let Some(row) = found.next()? {
        let data: String = row.get(1)?;
        latest.push((TaskNo(unpack(row.get(0)?).1), serde_json::from_str(&data)?));
    }
    Ok(latest)
}

/// What of a query the statements take; the same for all three tables.
struct Wanted {
    seq: Option<i64>,
    task: Option<u32>,
    after: i64,
    limit: i64,
}

fn events(conn: &Connection, query: &EventQuery) -> Result<Vec<Event>, Trouble> {
    let limit = if query.limit == 0 { PAGE_ROWS_MAX } else { query.limit.min(EVENTS_AT_ONCE) };
    let seq = match query.run {
        None => None,
        Some(run) => match seq_of(conn, run)? {
            Some(seq) => Some(int(seq)),
            None => return Ok(Vec::new()),
        },
    };
    let wanted =
        Wanted { seq, task: query.task.map(|t| t.0), after: int(query.after), limit: int(limit as u64) };
    let apart = [EventKind::TaskLog, EventKind::TaskProgress];
    let kinds: Vec<i64> = query.kinds.iter().filter(|k| !apart.contains(k)).map(|k| k.code()).collect();
    let mut found = Vec::new();
    if query.kinds.is_empty() || !kinds.is_empty() {
        found.extend(transitions(conn, &wanted, &kinds)?);
    }
    if query.kinds.contains(&EventKind::TaskLog) {
        found.extend(logs(conn, &wanted)?);
    }
    if query.kinds.contains(&EventKind::TaskProgress) {
        found.extend(progresses(conn, &wanted)?);
    }
    found.sort_by_key(|event| event.cursor);
    found.truncate(limit);
    Ok(found)
}

fn transitions(conn: &Connection, wanted: &Wanted, kinds: &[i64]) -> Result<Vec<Event>, Trouble> {
    let mut query = conn.prepare_cached(
        "SELECT cursor, event.at_ms, run.id, event.task, attempt, kind, data FROM event \
         JOIN run ON run.seq = event.run WHERE cursor > ?1 AND (?2 IS NULL OR event.run = ?2) \
         AND (?3 IS NULL OR event.task = ?3) \
         AND (?4 = '[]' OR kind IN (SELECT value FROM json_each(?4))) ORDER BY cursor LIMIT ?5",
    )?;
    let kinds = serde_json::to_string(kinds)?;
    let found = query.query(params![wanted.after, wanted.seq, wanted.task, kinds, wanted.limit])?;
    collect(found, |row| {
        let kind = EventKind::from_code(row.get(5)?)?;
        let data = row.get_ref(6)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        let data = parse(data)?.unwrap_or(Value::Null);
        event(row, kind, row.get::<_, Option<u32>>(3)?.map(TaskNo), data)
    })
}

/// The range of packed task ids that is wanted.
fn range(wanted: &Wanted) -> (i64, i64) {
    match (wanted.seq, wanted.task) {
        (Some(seq), Some(task)) => (pack(uint(seq), task), pack(uint(seq), task) + 1),
        (Some(seq), None) => (pack(uint(seq), 0), pack(uint(seq) + 1, 0)),
        (None, _) => (0, i64::MAX),
    }
}

fn logs(conn: &Connection, wanted: &Wanted) -> Result<Vec<Event>, Trouble> {
    let (from, to) = range(wanted);
    let mut query = conn.prepare_cached(
        "SELECT cursor, log.at_ms, run.id, log.task, attempt, severity, text FROM log \
         JOIN run ON run.seq = log.task >> 32 WHERE cursor > ?1 AND log.task >= ?2 AND log.task < ?3 \
         ORDER BY cursor LIMIT ?4",
    )?;
    let found = query.query(params![wanted.after, from, to, wanted.limit])?;
    collect(found, |row| {
        let severity = Severity::from_code(row.get(5)?)?;
        let text: String = row.get(6)?;
        let task = TaskNo(unpack(row.get(3)?).1);
        event(row, EventKind::TaskLog, Some(task), json!({ "severity": severity, "text": text }))
    })
}

fn progresses(conn: &Connection, wanted: &Wanted) -> Result<Vec<Event>, Trouble> {
    let (from, to) = range(wanted);
    let mut query = conn.prepare_cached(
        "SELECT cursor, progress.at_ms, run.id, progress.task, attempt, data FROM progress \
         JOIN run ON run.seq = progress.task >> 32 WHERE cursor > ?1 AND progress.task >= ?2 \
         AND progress.task < ?3 ORDER BY cursor LIMIT ?4",
    )?;
    let found = query.query(params![wanted.after, from, to, wanted.limit])?;
    collect(found, |row| {
        let data: String = row.get(5)?;
        let task = TaskNo(unpack(row.get(3)?).1);
        event(row, EventKind::TaskProgress, Some(task), serde_json::from_str(&data)?)
    })
}

/// An event from a row that begins with cursor, time, run, task and attempt.
fn event(row: &Row<'_>, kind: EventKind, task: Option<TaskNo>, data: Value) -> Result<Event, Trouble> {
    Ok(Event {
        cursor: uint(row.get(0)?),
        at_ms: uint(row.get(1)?),
        kind,
        run: run_id(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?,
        task,
        attempt: row.get(4)?,
        data,
    })
}

fn collect(
    mut rows: rusqlite::Rows<'_>,
    read: impl Fn(&Row<'_>) -> Result<Event, Trouble>,
) -> Result<Vec<Event>, Trouble> {
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(read(row)?);
    }
    Ok(events)
}

#[async_trait]
impl EventLog for SqliteStore {
    async fn log(&self, task: TaskRef, attempt: u32, lines: Vec<LogLine>) -> Result<(), StoreError> {
        self.writer.write(move |unit| append(unit, task, attempt, &lines)).await
    }

    async fn progress(&self, task: TaskRef, attempt: u32, data: Value) -> Result<(), StoreError> {
        self.writer.write(move |unit| progress(unit, task, attempt, &data)).await
    }

    async fn latest_progress(&self, run: RunId) -> Result<Vec<(TaskNo, Value)>, StoreError> {
        self.readers.brief(|conn| latest(conn, run))
    }

    async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        self.readers.long(move |conn| events(conn, &query)).await
    }

    async fn wait_event(&self, after: u64, at_most: Duration) -> u64 {
        let mut next = self.writer.signals.next_cursor.subscribe();
        let newer = next.wait_for(|next| *next > after + 1);
        // Running out of time, and a store that closes, end the waiting alike.
        let newer = tokio::time::timeout(at_most, newer).await;
        newer.ok().and_then(Result::ok).map_or(after, |next| *next - 1)
    }
}
