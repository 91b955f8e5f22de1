//! The queue over the writer: every method is one errand within a transaction.

use crate::codec::{Code, int};
use crate::error::Trouble;
use crate::source::Rows;
use crate::store::SqliteStore;
use crate::unit::Unit;
use async_trait::async_trait;
use reelmill_lifecycle::{BeatOutcome, Edits, RetryScope, RunRow, Wish};
use reelmill_model::limits::{RUN_INPUTS_BYTES_MAX, STEP_BATCH_MAX};
use reelmill_model::{Decision, RunId, RunState, TaskRef, TaskState, WorkerId};
use reelmill_ports::{
    Beat, HeartbeatReply, LeaseRequest, NewRun, Only, Settled, StepReply, StepRequest, StoreError, TaskQueue,
};
use rusqlite::params;
use std::time::Duration;

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn submit(unit: &mut Unit<'_>, run: NewRun) -> Result<Result<bool, StoreError>, Trouble> {
    if unit.tx.knows(run.id)? {
        return Ok(Ok(false));
    }
    let source = unit.tx.source();
    let Some(graph) = source.graphs.get(source.conn, run.graph)? else {
        return Ok(Err(StoreError::NoSuchGraph(run.graph)));
    };
    let seq = unit.counters.next_run;
    unit.counters.next_run += 1;
    let batch = run.batch.as_ref().map(|(batch, _)| batch.clone());
    let row = RunRow { priority: run.priority, ..RunRow::new(seq, run.id, run.graph, batch) };
    unit.note_new(seq, run);
    unit.tx.submit(row, graph)?;
    Ok(Ok(true))
}

fn step(unit: &mut Unit<'_>, request: StepRequest) -> Result<StepReply, Trouble> {
    let mut settled = Vec::with_capacity(request.settles.len());
    for settle in request.settles {
        let result = unit.tx.settle(settle.task, settle.token, settle.outcome, &settle.usage)?;
        settled.push(Settled { task: settle.task, result });
    }
    let mut leased = Vec::new();
    for LeaseRequest { lanes, want, lease, only } in &request.leases {
        let want = (*want).min(STEP_BATCH_MAX - leased.len());
        let wish = Wish { lanes, only, want, lease_ms: ms(*lease) };
        leased.extend(unit.tx.lease(&request.worker, wish)?);
    }
    Ok(StepReply { settled, leased })
}

fn heartbeat(unit: &mut Unit<'_>, beats: &[Beat], lease_ms: u64) -> Result<HeartbeatReply, Trouble> {
    let mut reply = HeartbeatReply::default();
    for beat in beats {
        match unit.tx.beat(beat.task, beat.token, lease_ms)? {
            BeatOutcome::Kept => {}
            BeatOutcome::Cancelled => reply.cancelled.push(beat.task),
            BeatOutcome::Lost => reply.lost.push(beat.task),
        }
    }
    Ok(reply)
}

/// Readies what is due, and says when the next task will be.
fn promote(unit: &mut Unit<'_>, limit: usize) -> Result<(usize, Option<Duration>), Trouble> {
    let readied = unit.tx.promote(limit)?;
    unit.flush()?;
    unit.drop_aged_events()?;
    let mut next = None;
    for state in [TaskState::Delayed, TaskState::Ready] {
        let mut query = unit
            .conn
            .prepare_cached("SELECT min(until_ms) FROM task WHERE state = ?1 AND until_ms IS NOT NULL")?;
        let due: Option<i64> = query.query_row(params![state.code()], |row| row.get(0))?;
        next = next.into_iter().chain(due).min();
    }
    let now = int(unit.tx.now_ms());
    let next = next.map(|due| Duration::from_millis(u64::try_from(due - now).unwrap_or(0)));
    Ok((readied, next))
}

#[async_trait]
impl TaskQueue for SqliteStore {
    async fn submit(&self, run: NewRun) -> Result<bool, StoreError> {
        let bytes = serde_json::to_vec(&run.inputs).map_or(usize::MAX, |json| json.len());
        if bytes > RUN_INPUTS_BYTES_MAX {
            return Err(StoreError::Refused(format!(
                "the inputs of the run are {bytes} bytes of JSON, the limit is {RUN_INPUTS_BYTES_MAX}; \
                 pass large data as a file"
            )));
        }
        self.writer.write(move |unit| submit(unit, run)).await
    }

    async fn step(&self, request: StepRequest) -> Result<StepReply, StoreError> {
        if request.settles.len() > STEP_BATCH_MAX {
            return Err(StoreError::Refused(format!(
                "a step settles at most {STEP_BATCH_MAX} attempts, not {}",
                request.settles.len()
            )));
        }
        self.writer.write(move |unit| step(unit, request).map(Ok)).await
    }

    async fn heartbeat(
        &self,
        _worker: &WorkerId,
        beats: &[Beat],
        lease: Duration,
    ) -> Result<HeartbeatReply, StoreError> {
        let beats = beats.to_vec();
        self.writer.write(move |unit| heartbeat(unit, &beats, ms(lease)).map(Ok)).await
    }

    async fn wait(&self, lanes: &[String], only: &Only, at_most: Duration) {
        let readied = self.writer.signals.ready.notified();
        tokio::pin!(readied);
        // Listening begins before looking, so that a task that becomes ready in between is not missed.
        readied.as_mut().enable();
        let any = self.readers.brief(|conn| {
            let rows = Rows { conn, graphs: &self.graphs };
            for lane in lanes {
                if rows.any_ready(lane, only)? {
                    return Ok(true);
                }
            }
            Ok(false)
        });
        // A store that cannot be read is waited for like one without work; the next step says what is wrong.
        if !any.unwrap_or(false) {
            // Running out of time is one of the two ways to end.
            let _ = tokio::time::timeout(at_most, readied).await;
        }
    }

    async fn expire_leases(&self, limit: usize) -> Result<usize, StoreError> {
        self.writer.write(move |unit| Ok(Ok(unit.tx.expire(limit)?))).await
    }

    async fn promote_delayed(&self, limit: usize) -> Result<(usize, Option<Duration>), StoreError> {
        self.writer.write(move |unit| promote(unit, limit).map(Ok)).await
    }

    async fn release_worker(&self, worker: &WorkerId) -> Result<usize, StoreError> {
        let worker = worker.clone();
        self.writer
            .write(move |unit| {
                // Leases of this very transaction are to be found as well.
                unit.flush()?;
                Ok(Ok(unit.tx.release_worker(&worker)?))
            })
            .await
    }

    async fn cancel(&self, run: RunId, reason: &str) -> Result<RunState, StoreError> {
        let reason = reason.to_owned();
        self.writer
            .write(move |unit| Ok(unit.tx.cancel(run, &reason)?.ok_or(StoreError::NoSuchRun(run))))
            .await
    }

    async fn pause(&self, run: RunId, reason: Option<&str>) -> Result<bool, StoreError> {
        let reason = reason.map(str::to_owned);
        self.writer
            .write(move |unit| {
                Ok(match unit.tx.pause(run, reason.as_deref())? {
                    None => Err(StoreError::NoSuchRun(run)),
                    Some(changed) => changed.map_err(|refused| StoreError::Refused(refused.to_string())),
                })
            })
            .await
    }

    async fn approve(&self, task: TaskRef, decision: Decision) -> Result<TaskState, StoreError> {
        self.writer
            .write(move |unit| {
                Ok(match unit.tx.approve(task, &decision)? {
                    None => Err(StoreError::NoSuchRun(task.run)),
                    Some(Err(refused)) => Err(StoreError::Refused(refused.to_string())),
                    Some(Ok(state)) => Ok(state),
                })
            })
            .await
    }

    async fn retry_with(&self, run: RunId, scope: RetryScope, set: Edits) -> Result<usize, StoreError> {
        self.writer
            .write(move |unit| {
                Ok(match unit.tx.retry(run, &scope, &set)? {
                    None => Err(StoreError::NoSuchRun(run)),
                    Some(Err(refused)) => Err(StoreError::Refused(refused.to_string())),
                    Some(Ok(reset)) => Ok(reset),
                })
            })
            .await
    }
}
