//! The event log.

use crate::state::State;
use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_model::limits::{
    LOG_LINE_BYTES_MAX, LOG_LINES_PER_ATTEMPT_MAX, PAGE_ROWS_MAX, PAYLOAD_BYTES_MAX,
};
use reelmill_model::{Event, EventKind, RunId, Severity, TaskNo, TaskRef, TaskState};
use reelmill_ports::{EventLog, EventQuery, LogLine, StoreError};
use serde_json::{Value, json};
use std::time::Duration;

/// Events of one answer at most.
const EVENTS_AT_ONCE: usize = 5 * PAGE_ROWS_MAX;

fn wanted(query: &EventQuery, event: &Event) -> bool {
    let apart = matches!(event.kind, EventKind::TaskLog | EventKind::TaskProgress);
    let kind = if query.kinds.is_empty() { !apart } else { query.kinds.contains(&event.kind) };
    kind && event.cursor > query.after
        && query.run.is_none_or(|run| run == event.run)
        && query.task.is_none_or(|task| Some(task) == event.task)
}

fn line(task: TaskRef, attempt: u32, cursor: u64, line: &LogLine) -> Event {
    let text = &line.text[..line.text.floor_char_boundary(LOG_LINE_BYTES_MAX)];
    Event {
        cursor,
        at_ms: line.at_ms,
        kind: EventKind::TaskLog,
        run: task.run,
        task: Some(task.task),
        attempt: Some(attempt),
        data: json!({ "severity": line.severity, "text": text }),
    }
}

fn append(state: &mut State, task: TaskRef, attempt: u32, lines: &[LogLine], now_ms: u64) {
    let mut head = state.heads.remove(&(task, attempt)).unwrap_or_default();
    for new in lines {
        if head.kept >= LOG_LINES_PER_ATTEMPT_MAX {
            head.dropped += 1;
            continue;
        }
        head.kept += 1;
        let cursor = state.cursor();
        state.events.push_back(line(task, attempt, cursor, new));
    }
    if head.dropped > 0 {
        let text =
            format!("{} more lines of this attempt were not kept (the limit is {})", head.dropped, head.kept);
        let cursor = head.marker.unwrap_or_else(|| state.cursor());
        let event = line(task, attempt, cursor, &LogLine { at_ms: now_ms, severity: Severity::Warn, text });
        match state.events.iter_mut().find(|old| old.cursor == cursor) {
            Some(old) => old.data = event.data,
            None => state.events.push_back(event),
        }
        head.marker = Some(cursor);
    }
    state.heads.insert((task, attempt), head);
}

#[async_trait]
impl EventLog for MemoryStore {
    async fn log(&self, task: TaskRef, attempt: u32, lines: Vec<LogLine>) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        let mut state = self.state();
        if state.run(task.run).is_none() {
            return Err(StoreError::NoSuchRun(task.run));
        }
        append(&mut state, task, attempt, &lines, now_ms);
        self.tell(&state);
        Ok(())
    }

    async fn progress(&self, task: TaskRef, attempt: u32, progress: Value) -> Result<(), StoreError> {
        let bytes = progress.to_string().len();
        if bytes > PAYLOAD_BYTES_MAX {
            let why = format!("a progress message is {bytes} bytes, the limit is {PAYLOAD_BYTES_MAX}");
            return Err(StoreError::Refused(why));
        }
        let mut state = self.state();
        if state.run(task.run).is_none() {
            return Err(StoreError::NoSuchRun(task.run));
        }
        let event = Event {
            cursor: state.cursor(),
            at_ms: self.now_ms(),
            kind: EventKind::TaskProgress,
            run: task.run,
            task: Some(task.task),
            attempt: Some(attempt),
            data: progress,
        };
        state.progress.insert(task, event);
        self.tell(&state);
        Ok(())
    }

    async fn latest_progress(&self, run: RunId) -> Result<Vec<(TaskNo, Value)>, StoreError> {
        let state = self.state();
        let Some(run) = state.run(run) else { return Ok(Vec::new()) };
        let leased = run.tasks.values().filter(|task| task.state == TaskState::Leased);
        let latest = leased.filter_map(|task| {
            let event = state.progress.get(&TaskRef { run: run.row.id, task: task.no })?;
            (event.attempt == Some(task.attempts)).then(|| (task.no, event.data.clone()))
        });
        Ok(latest.collect())
    }

    async fn events(&self, query: EventQuery) -> Result<Vec<Event>, StoreError> {
        let limit = if query.limit == 0 { PAGE_ROWS_MAX } else { query.limit.min(EVENTS_AT_ONCE) };
        let state = self.state();
        let all = state.events.iter().chain(state.progress.values());
        let mut found: Vec<Event> = all.filter(|event| wanted(&query, event)).cloned().collect();
        found.sort_by_key(|event| event.cursor);
        found.truncate(limit);
        Ok(found)
    }

    async fn wait_event(&self, after: u64, at_most: Duration) -> u64 {
        let mut last = self.last_cursor.subscribe();
        // Running out of time is one of the two ways to end.
        let newer = tokio::time::timeout(at_most, last.wait_for(|last| *last > after)).await;
        newer.ok().and_then(Result::ok).map_or(after, |last| *last)
    }
}
