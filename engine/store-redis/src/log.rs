//! The event log: one stream a partition with an entry a step, and a stream of its own for the lines of each run.
//!
//! A cursor is a microsecond since the epoch, or one more than the last cursor of its partition where that is larger;
//! so the cursors of a run only grow, and those of all partitions together follow the servers' clock.

use crate::error::Trouble;
use crate::events;
use crate::index::{self, Order};
use crate::keys::{Keys, run_bytes};
use crate::pack::Packer;
use crate::pen::{Eye, Pen};
use crate::reading::Reading;
use crate::store::RedisStore;
use crate::wire::Wire;
use async_trait::async_trait;
use redis::cmd;
use reelmill_lifecycle::Damage;
use reelmill_model::limits::{
    LOG_LINE_BYTES_MAX, LOG_LINES_PER_ATTEMPT_MAX, PAGE_ROWS_MAX, PAYLOAD_BYTES_MAX,
};
use reelmill_model::{Event, EventKind, RunId, Severity, TaskNo, TaskRef, TaskState};
use reelmill_ports::{EventLog, EventQuery, LogLine, StoreError};
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Events of one answer at most.
const EVENTS_AT_ONCE: usize = 5 * PAGE_ROWS_MAX;
/// Entries of a stream read at once.
const ENTRIES_AT_ONCE: usize = 128;
/// Runs whose lines are looked through when no run is named.
const RUNS_LOOKED_AT_MAX: usize = 1_000;
/// Where the last cursor lies in the counts of a partition, as `lua/common.lua` writes them.
const CURSOR_AT: std::ops::Range<usize> = 8..16;
/// Time between two looks at the cursor while somebody waits for events.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How far the clock of whoever submits a run may be ahead of the server's, in milliseconds.
const CLOCKS_APART_MS: u64 = 3_600_000;

type Entry = (String, HashMap<String, Vec<u8>>);

fn position(entry: &Entry) -> Result<u64, Damage> {
    let id = entry.0.split('-').next().and_then(|id| id.parse().ok());
    id.ok_or_else(|| Damage(format!("{:?} is no cursor", entry.0)))
}

fn line_bytes(task: TaskNo, attempt: u32, line: &LogLine) -> Vec<u8> {
    let mut bytes = line_head(task, attempt, line.at_ms, line.severity);
    bytes.extend_from_slice(&line.text.as_bytes()[..line.text.floor_char_boundary(LOG_LINE_BYTES_MAX)]);
    bytes
}

/// What a line's bytes begin with; its text follows to the end.
fn line_head(task: TaskNo, attempt: u32, at_ms: u64, severity: Severity) -> Vec<u8> {
    let mut pen = Pen::default();
    pen.number(task.0.into());
    pen.number(attempt.into());
    pen.number(at_ms);
    pen.byte(severity as u8);
    pen.done()
}

fn read_line(run: RunId, entry: &Entry) -> Result<Event, Damage> {
    let bytes = entry.1.get("d").map(Vec::as_slice).unwrap_or_default();
    let mut eye = Eye::new(bytes);
    let (task, attempt, at_ms) = (TaskNo(eye.small()?), eye.small()?, eye.number()?);
    let severity = Severity::ALL.get(usize::from(eye.byte()?)).copied();
    let severity = severity.ok_or_else(|| Damage("a line has no severity".into()))?;
    let text = String::from_utf8_lossy(eye.rest());
    Ok(Event {
        cursor: position(entry)?,
        at_ms,
        kind: EventKind::TaskLog,
        run,
        task: Some(task),
        attempt: Some(attempt),
        data: json!({ "severity": severity, "text": text }),
    })
}

/// The events of one entry: what was decided, then what was leased.
fn read_entry(entry: &Entry) -> Result<Vec<Event>, Damage> {
    let field = |name: &str| entry.1.get(name).map(Vec::as_slice).unwrap_or_default();
    let at_ms = crate::codec::decimal(field("t"))?;
    let mut events = events::read(field("e"), field("d"), at_ms)?;
    let worker = String::from_utf8_lossy(field("w")).into_owned();
    for leased in field("l").chunks(24) {
        let task = crate::keys::task_of(leased.get(..20).unwrap_or_default())?;
        let attempt: [u8; 4] = leased[20..].try_into().map_err(|_| Damage("a lease is cut off".into()))?;
        events.push(Event {
            cursor: 0,
            at_ms,
            kind: EventKind::TaskLeased,
            run: task.run,
            task: Some(task.task),
            attempt: Some(u32::from_be_bytes(attempt)),
            data: json!({ "worker": worker }),
        });
    }
    let first = position(entry)?;
    for (place, event) in (0..).zip(&mut events) {
        event.cursor = first + place;
    }
    Ok(events)
}

fn wanted(query: &EventQuery, event: &Event) -> bool {
    (query.kinds.is_empty() || query.kinds.contains(&event.kind))
        && event.cursor > query.after
        && query.run.is_none_or(|run| run == event.run)
        && query.task.is_none_or(|task| Some(task) == event.task)
}

/// Entries of a stream from a cursor on.
fn entries(wire: &mut Wire, stream: &[u8], from: u64) -> Result<Vec<Entry>, Trouble> {
    wire.query(cmd("XRANGE").arg(stream).arg(format!("{from}-0")).arg("+").arg("COUNT").arg(ENTRIES_AT_ONCE))
}

/// What was decided and leased, as far as it is wanted.
fn transitions(
    wire: &mut Wire,
    keys: &Keys,
    query: &EventQuery,
    limit: usize,
) -> Result<Vec<Event>, Trouble> {
    let stream = keys.named("events").into_bytes();
    // The entry that holds the cursor may hold events after it.
    let around: Vec<Entry> = wire.query(
        cmd("XREVRANGE").arg(&stream).arg(format!("{}-0", query.after)).arg("-").arg("COUNT").arg(1),
    )?;
    let mut from = around.first().map(position).transpose()?.unwrap_or(query.after);
    if let Some(run) = query.run {
        from = from.max(run.0.timestamp_ms().saturating_sub(CLOCKS_APART_MS).saturating_mul(1000));
    }
    let mut found: Vec<Event> = Vec::new();
    while found.len() < limit {
        let page = entries(wire, &stream, from)?;
        let Some(last) = page.last() else { break };
        from = position(last)? + 1;
        let full = page.len() == ENTRIES_AT_ONCE;
        for entry in &page {
            found.extend(read_entry(entry)?.into_iter().filter(|event| wanted(query, event)));
        }
        without_gone(wire, keys, &mut found)?;
        if !full {
            break;
        }
    }
    Ok(found)
}

/// Passes over the events of runs that were deleted.
fn without_gone(wire: &mut Wire, keys: &Keys, events: &mut Vec<Event>) -> Result<(), Trouble> {
    let runs: BTreeSet<RunId> = events.iter().map(|event| event.run).collect();
    if runs.is_empty() {
        return Ok(());
    }
    let mut question = cmd("SMISMEMBER");
    question.arg(keys.named("gone"));
    for run in &runs {
        question.arg(&run_bytes(*run)[..]);
    }
    let gone: Vec<bool> = wire.query(&question)?;
    let gone: BTreeSet<RunId> =
        runs.into_iter().zip(gone).filter(|(_, gone)| *gone).map(|(run, _)| run).collect();
    events.retain(|event| !gone.contains(&event.run));
    Ok(())
}

pub fn lines(
    wire: &mut Wire,
    keys: &Keys,
    run: RunId,
    query: &EventQuery,
    limit: usize,
) -> Result<Vec<Event>, Trouble> {
    let stream = keys.of_run("log", run);
    let (mut from, mut found) = (query.after + 1, Vec::new());
    while found.len() < limit {
        let page = entries(wire, &stream, from)?;
        let Some(last) = page.last() else { break };
        from = position(last)? + 1;
        for entry in &page {
            found.push(read_line(run, entry)?);
        }
        found.retain(|event| query.task.is_none_or(|task| Some(task) == event.task));
        if page.len() < ENTRIES_AT_ONCE {
            break;
        }
    }
    Ok(found)
}

/// The latest progress of each task of a run.
fn progress_of(wire: &mut Wire, keys: &Keys, run: RunId) -> Result<Vec<Event>, Trouble> {
    let held: HashMap<u32, Vec<u8>> = wire.query(cmd("HGETALL").arg(keys.of_run("progress", run)))?;
    let mut found = Vec::with_capacity(held.len());
    for (task, bytes) in held {
        let mut eye = Eye::new(&bytes);
        let (cursor, at_ms, attempt) = (eye.number()?, eye.number()?, eye.small()?);
        let (task, attempt) = (Some(TaskNo(task)), Some(attempt));
        let data = eye.json()?;
        found.push(Event { cursor, at_ms, kind: EventKind::TaskProgress, run, task, attempt, data });
    }
    found.sort_by_key(|event| event.task);
    Ok(found)
}

/// The runs whose own streams a query is about.
fn runs_of(wire: &mut Wire, keys: &Keys, query: &EventQuery) -> Result<Vec<RunId>, Trouble> {
    if let Some(run) = query.run {
        return Ok(vec![run]);
    }
    index::list(wire, keys, None, Order::NewestFirst, None, RUNS_LOOKED_AT_MAX)
}

fn events(wire: &mut Wire, keys: &Keys, query: &EventQuery, limit: usize) -> Result<Vec<Event>, Trouble> {
    let apart = [EventKind::TaskLog, EventKind::TaskProgress];
    let mut found = Vec::new();
    if query.kinds.is_empty() || query.kinds.iter().any(|kind| !apart.contains(kind)) {
        found.extend(transitions(wire, keys, query, limit)?);
    }
    if query.kinds.iter().any(|kind| apart.contains(kind)) {
        for run in runs_of(wire, keys, query)? {
            if query.kinds.contains(&EventKind::TaskLog) {
                found.extend(lines(wire, keys, run, query, limit)?);
            }
            if query.kinds.contains(&EventKind::TaskProgress) {
                found.extend(progress_of(wire, keys, run)?.into_iter().filter(|event| wanted(query, event)));
            }
        }
    }
    Ok(found)
}

/// The newest cursor of these partitions.
fn newest(wire: &mut Wire, partitions: &[Keys]) -> Result<u64, Trouble> {
    let mut newest = 0;
    for keys in partitions {
        let counts: Option<Vec<u8>> = wire.query(cmd("GET").arg(keys.named("counts")))?;
        let cursor = counts.as_deref().and_then(|counts| counts.get(CURSOR_AT)?.try_into().ok());
        newest = newest.max(cursor.map_or(0, u64::from_be_bytes));
    }
    Ok(newest)
}

#[async_trait]
impl EventLog for RedisStore {
    async fn log(&self, task: TaskRef, attempt: u32, lines: Vec<LogLine>) -> Result<(), StoreError> {
        let known = self.desk(task.run).call(move |link| {
            let (wire, keys, scripts, now) = link.parts();
            let mut packer = Packer::default();
            packer.list(7).number(now).bytes(run_bytes(task.run)).bytes(format!("{}.{attempt}", task.task));
            packer.number(LOG_LINES_PER_ATTEMPT_MAX as u64).list(lines.len());
            for line in &lines {
                packer.bytes(line_bytes(task.task, attempt, line));
            }
            let at_ms = lines.last().map_or(now, |line| line.at_ms);
            packer.bytes(line_head(task.task, attempt, at_ms, Severity::Warn));
            packer.bytes(format!(
                " more lines of this attempt were not kept (the limit is {LOG_LINES_PER_ATTEMPT_MAX})"
            ));
            wire.run::<bool>(&scripts.log, keys, &packer.done())
        });
        if known.await? { Ok(()) } else { Err(StoreError::NoSuchRun(task.run)) }
    }

    async fn progress(&self, task: TaskRef, attempt: u32, progress: Value) -> Result<(), StoreError> {
        let text = progress.to_string();
        if text.len() > PAYLOAD_BYTES_MAX {
            let why = format!("a progress message is {} bytes, the limit is {PAYLOAD_BYTES_MAX}", text.len());
            return Err(StoreError::Refused(why));
        }
        let known = self.desk(task.run).call(move |link| {
            let (wire, keys, scripts, now) = link.parts();
            let mut packer = Packer::default();
            packer.list(5).number(now).bytes(run_bytes(task.run)).number(task.task.0.into());
            packer.number(attempt.into()).bytes(&text);
            wire.run::<bool>(&scripts.progress, keys, &packer.done())
        });
        if known.await? { Ok(()) } else { Err(StoreError::NoSuchRun(task.run)) }
    }

    async fn latest_progress(&self, run: RunId) -> Result<Vec<(TaskNo, Value)>, StoreError> {
        let (keys, graphs) = (self.keys[self.place(run)].clone(), Arc::clone(&self.graphs));
        self.readers
            .read(move |wire| {
                let said = progress_of(wire, &keys, run)?;
                let Some(mut reading) = Reading::of(wire, &keys, &graphs, run)? else {
                    return Ok(Vec::new());
                };
                let numbers: Vec<TaskNo> = said.iter().filter_map(|event| event.task).collect();
                let tasks = reading.tasks(&numbers)?;
                let of = |event: &Event| tasks.iter().find(|task| Some(task.no) == event.task);
                let is_latest = |event: &Event| {
                    of(event).is_some_and(|task| {
                        task.state == TaskState::Leased && event.attempt == Some(task.attempts)
                    })
                };
                let latest = said.into_iter().filter(is_latest);
                Ok(latest.filter_map(|event| Some((event.task?, event.data))).collect())
            })
            .await
    }

    async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        let limit = if query.limit == 0 { PAGE_ROWS_MAX } else { query.limit.min(EVENTS_AT_ONCE) };
        let partitions = match query.run {
            Some(run) => vec![self.keys[self.place(run)].clone()],
            None => self.keys.clone(),
        };
        self.readers
            .read(move |wire| {
                let mut found = Vec::new();
                for keys in &partitions {
                    found.extend(events(wire, keys, &query, limit)?);
                }
                found.sort_by_key(|event| event.cursor);
                found.truncate(limit);
                Ok(found)
            })
            .await
    }

    async fn wait_event(&self, after: u64, at_most: Duration) -> u64 {
        let begun = tokio::time::Instant::now();
        loop {
            let partitions = self.keys.clone();
            let newest = self.readers.read(move |wire| newest(wire, &partitions)).await;
            match newest {
                Ok(newest) if newest > after => return newest,
                // A store that cannot be read is waited for like one where nothing happens.
                _ => {}
            }
            let left = at_most.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return after;
            }
            tokio::time::sleep(LOOK_EVERY.min(left)).await;
        }
    }
}
