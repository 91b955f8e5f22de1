//! The queue: every method is one transaction under the lock.

use crate::state::Rows;
use crate::store::MemoryStore;
use async_trait::async_trait;
use reelmill_lifecycle::{BeatOutcome, Edits, RetryScope, RunRow, Source, Wish};
use reelmill_model::limits::{RUN_INPUTS_BYTES_MAX, STEP_BATCH_MAX};
use reelmill_model::{Decision, RunId, RunState, TaskRef, TaskState, WorkerId};
use reelmill_ports::{
    Beat, HeartbeatReply, LeaseRequest, NewRun, Only, Settled, StepReply, StepRequest, StoreError, TaskQueue,
};
use std::sync::Arc;
use std::time::Duration;

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait]
impl TaskQueue for MemoryStore {
    async fn submit(&self, run: NewRun) -> Result<bool, StoreError> {
        let bytes = serde_json::to_vec(&run.inputs).map_or(usize::MAX, |json| json.len());
        if bytes > RUN_INPUTS_BYTES_MAX {
            return Err(StoreError::Refused(format!(
                "the inputs of the run are {bytes} bytes of JSON, the limit is {RUN_INPUTS_BYTES_MAX}; \
                 pass large data as a file"
            )));
        }
        let (seq, graph) = {
            let mut state = self.state();
            if state.ids.contains_key(&run.id) {
                return Ok(false);
            }
            let graph = state.graphs.get(&run.graph).ok_or(StoreError::NoSuchGraph(run.graph))?;
            let graph = Arc::clone(graph);
            state.next_run += 1;
            (state.next_run, graph)
        };
        let batch = run.batch.as_ref().map(|(batch, _)| batch.clone());
        let row = RunRow { priority: run.priority, ..RunRow::new(seq, run.id, run.graph, batch) };
        self.transact(Some(run.clone()), |tx, _| {
            let known = tx.knows(run.id)?;
            if !known {
                tx.submit(row, graph)?;
            }
            Ok(!known)
        })
    }

    async fn step(&self, request: StepRequest) -> Result<StepReply, StoreError> {
        if request.settles.len() > STEP_BATCH_MAX {
            return Err(StoreError::Refused(format!(
                "a step settles at most {STEP_BATCH_MAX} attempts, not {}",
                request.settles.len()
            )));
        }
        self.transact(None, |tx, _| {
            let mut reply = StepReply::default();
            for settle in request.settles {
                let result = tx.settle(settle.task, settle.token, settle.outcome, &settle.usage)?;
                reply.settled.push(Settled { task: settle.task, result });
            }
            for LeaseRequest { lanes, want, lease, only } in &request.leases {
                let want = (*want).min(STEP_BATCH_MAX - reply.leased.len());
                let wish = Wish { lanes, only, want, lease_ms: ms(*lease) };
                reply.leased.extend(tx.lease(&request.worker, wish)?);
            }
            Ok(reply)
        })
    }

    async fn heartbeat(
        &self,
        _worker: &WorkerId,
        beats: &[Beat],
        lease: Duration,
    ) -> Result<HeartbeatReply, StoreError> {
        self.transact(None, |tx, _| {
            let mut reply = HeartbeatReply::default();
            for beat in beats {
                match tx.beat(beat.task, beat.token, ms(lease))? {
                    BeatOutcome::Kept => {}
                    BeatOutcome::Cancelled => reply.cancelled.push(beat.task),
                    BeatOutcome::Lost => reply.lost.push(beat.task),
                }
            }
            Ok(reply)
        })
    }

    async fn wait(&self, lanes: &[String], only: &Only, at_most: Duration) {
        let readied = self.ready.notified();
        tokio::pin!(readied);
        // Listening begins before looking, so that a task that becomes ready in between is not missed.
        readied.as_mut().enable();
        let any = lanes.iter().any(|lane| {
            let state = self.state();
            Rows(&state).ready(lane, only, None, 1).is_ok_and(|ready| !ready.is_empty())
        });
        if !any {
            // Running out of time is one of the two ways to end.
            let _ = tokio::time::timeout(at_most, readied).await;
        }
    }

    async fn expire_leases(&self, limit: usize) -> Result<usize, StoreError> {
        self.transact(None, |tx, _| tx.expire(limit))
    }

    async fn promote_delayed(&self, limit: usize) -> Result<(usize, Option<Duration>), StoreError> {
        let readied = self.transact(None, |tx, _| tx.promote(limit))?;
        let state = self.state();
        let tasks = state.runs.values().flat_map(|run| run.tasks.values());
        let waiting = tasks.filter(|task| matches!(task.state, TaskState::Delayed | TaskState::Ready));
        let next = waiting.filter_map(|task| task.until_ms).min();
        Ok((readied, next.map(|due| Duration::from_millis(due.saturating_sub(self.now_ms())))))
    }

    async fn release_worker(&self, worker: &WorkerId) -> Result<usize, StoreError> {
        self.transact(None, |tx, _| tx.release_worker(worker))
    }

    async fn cancel(&self, run: RunId, reason: &str) -> Result<RunState, StoreError> {
        self.transact(None, |tx, _| tx.cancel(run, reason)?.ok_or(StoreError::NoSuchRun(run)))
    }

    async fn pause(&self, run: RunId, reason: Option<&str>) -> Result<bool, StoreError> {
        self.transact(None, |tx, _| {
            let changed = tx.pause(run, reason)?.ok_or(StoreError::NoSuchRun(run))?;
            changed.map_err(|refused| StoreError::Refused(refused.to_string()))
        })
    }

    async fn approve(&self, task: TaskRef, decision: Decision) -> Result<TaskState, StoreError> {
        self.transact(None, |tx, _| {
            let decided = tx.approve(task, &decision)?.ok_or(StoreError::NoSuchRun(task.run))?;
            decided.map_err(|refused| StoreError::Refused(refused.to_string()))
        })
    }

    async fn retry_with(&self, run: RunId, scope: RetryScope, set: Edits) -> Result<usize, StoreError> {
        self.transact(None, |tx, _| {
            let reset = tx.retry(run, &scope, &set)?.ok_or(StoreError::NoSuchRun(run))?;
            reset.map_err(|refused| StoreError::Refused(refused.to_string()))
        })
    }
}
