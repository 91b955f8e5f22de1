//! The queue: each method becomes deeds of runs, and those go to the partitions of their runs.

use crate::deed::{Deed, Done};
use crate::error::Trouble;
use crate::keys::{Keys, member};
use crate::link::{Link, Order, Outcome, Stand};
use crate::pack::Packer;
use crate::scripts::Scripts;
use crate::store::RedisStore;
use crate::wake::Woken;
use crate::wire::Wire;
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use reelmill_lifecycle::{Edits, RetryScope};
use reelmill_model::limits::{RUN_INPUTS_BYTES_MAX, STEP_BATCH_MAX};
use reelmill_model::{Decision, RunId, RunState, TaskRef, TaskState, Token, WorkerId};
use reelmill_ports::{
    Beat, HeartbeatReply, LeaseRequest, Leased, NewRun, Only, Settle, Settled, StepReply, StepRequest,
    StoreError, TaskQueue,
};
use std::sync::Arc;
use std::time::Duration;

/// Something that cannot be: a deed answered for another.
fn mixed_up() -> StoreError {
    StoreError::Corrupt("the store gave an answer to another question".into())
}

/// Extends leases; says of each 0 kept, 1 no longer wanted, 2 lost.
fn beat(
    wire: &mut Wire,
    keys: &Keys,
    beats: &[Beat],
    lease_ms: u64,
    now_ms: u64,
) -> Result<Vec<u8>, Trouble> {
    let mut packer = Packer::default();
    packer.list(3).number(now_ms).number(lease_ms).list(2 * beats.len());
    for Beat { task, token } in beats {
        packer.bytes(member(task.run, task.task)).number(token.0);
    }
    wire.run(&Scripts::shared().beat, keys, &packer.done())
}

fn late(after: Duration) -> StoreError {
    StoreError::Unavailable { message: format!("a heartbeat had no answer after {after:?}"), source: None }
}

fn count(done: &[Done]) -> usize {
    done.iter().filter(|done| **done == Done::Did(true)).count()
}

impl RedisStore {
    /// One partition's part of a step.
    async fn step_in(
        &self,
        place: usize,
        worker: WorkerId,
        settles: Vec<Settle>,
        leases: Vec<LeaseRequest>,
    ) -> Result<(Vec<Settled>, Vec<(usize, Leased)>), StoreError> {
        let tasks: Vec<TaskRef> = settles.iter().map(|settle| settle.task).collect();
        let ends: Vec<(TaskRef, Token)> = settles.iter().map(|settle| (settle.task, settle.token)).collect();
        let deeds: Vec<Deed> = settles.into_iter().map(Deed::Settle).collect();
        let order = Order { deeds, worker, leases, stand: Stand::No };
        let Outcome { done, leased, .. } = self.desks()[place].commit(order).await?;
        self.leave_limits(&ends).await;
        let settled = tasks.into_iter().zip(done).map(|(task, done)| match done {
            Done::Settled(result) => Ok(Settled { task, result }),
            _ => Err(mixed_up()),
        });
        Ok((settled.collect::<Result<_, _>>()?, leased))
    }

    /// Does to each of these tasks what `deed` says, and says to how many it was done.
    async fn each(&self, place: usize, deeds: Vec<Deed>) -> Result<usize, StoreError> {
        if deeds.is_empty() {
            return Ok(0);
        }
        Ok(count(&self.desks()[place].deeds(deeds).await?))
    }
}

#[async_trait]
impl TaskQueue for RedisStore {
    async fn submit(&self, run: NewRun) -> Result<bool, StoreError> {
        let bytes = serde_json::to_vec(&run.inputs).map_or(usize::MAX, |json| json.len());
        if bytes > RUN_INPUTS_BYTES_MAX {
            return Err(StoreError::Refused(format!(
                "the inputs of the run are {bytes} bytes of JSON, the limit is {RUN_INPUTS_BYTES_MAX}; \
                 pass large data as a file"
            )));
        }
        let graph = self.graph_of(run.graph).await?;
        let desk = self.desk(run.id);
        match desk.deed(Deed::Submit(Arc::new(run), graph)).await? {
            Done::Submitted(new) => Ok(new),
            _ => Err(mixed_up()),
        }
    }

    async fn step(&self, request: StepRequest) -> Result<StepReply, StoreError> {
        let StepRequest { worker, settles, mut leases } = request;
        if settles.len() > STEP_BATCH_MAX {
            return Err(StoreError::Refused(format!(
                "a step settles at most {STEP_BATCH_MAX} attempts, not {}",
                settles.len()
            )));
        }
        let places = self.desks().len();
        let mut parts: Vec<Vec<(usize, Settle)>> = vec![Vec::new(); places];
        for (at, settle) in settles.into_iter().enumerate() {
            parts[self.place(settle.task.run)].push((at, settle));
        }
        let mut settled: Vec<(usize, Settled)> = Vec::new();
        let mut leased = Vec::new();
        let first = self.turn();
        for place in (first..places).chain(0..first) {
            let (order, part): (Vec<usize>, Vec<Settle>) =
                std::mem::take(&mut parts[place]).into_iter().unzip();
            if part.is_empty() && leases.iter().all(|request| request.want == 0) {
                continue;
            }
            let (ends, taken) = self.step_in(place, worker.clone(), part, leases.clone()).await?;
            settled.extend(order.into_iter().zip(ends));
            for (request, task) in taken {
                // The next partition is asked for the rest only.
                leases[request].want = leases[request].want.saturating_sub(1);
                leased.push(task);
            }
        }
        settled.sort_by_key(|(at, _)| *at);
        Ok(StepReply { settled: settled.into_iter().map(|(_, one)| one).collect(), leased })
    }

    async fn heartbeat(
        &self,
        _worker: &WorkerId,
        beats: &[Beat],
        lease: Duration,
    ) -> Result<HeartbeatReply, StoreError> {
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let mut reply = HeartbeatReply::default();
        let now_ms = self.clock.as_ref().map_or(0, |clock| clock.now_ms());
        for (place, keys) in self.keys.iter().enumerate() {
            let part: Vec<Beat> =
                beats.iter().filter(|beat| self.place(beat.task.run) == place).copied().collect();
            if part.is_empty() {
                continue;
            }
            // On a connection of its own: one that no longer answers must not hold up the others until leases end.
            let (keys, sent) = (keys.clone(), part.clone());
            let beat = self.readers.read(move |wire| beat(wire, &keys, &sent, lease_ms, now_ms));
            let codes = tokio::time::timeout(lease / 4, beat).await.map_err(|_| late(lease / 4))??;
            for (Beat { task, .. }, code) in part.into_iter().zip(codes) {
                match code {
                    0 => {}
                    1 => reply.cancelled.push(task),
                    _ => reply.lost.push(task),
                }
            }
        }
        Ok(reply)
    }

    async fn wait(&self, lanes: &[String], _only: &Only, at_most: Duration) {
        self.wakes.wait(lanes, at_most).await;
    }

    async fn step_when_ready(
        &self,
        request: StepRequest,
        at_most: Duration,
        withdrawn: BoxFuture<'static, ()>,
    ) -> Result<Option<StepReply>, StoreError> {
        let (worker, leases) = (request.worker.clone(), request.leases.clone());
        let order = Order { deeds: Vec::new(), worker, leases, stand: Stand::No };
        let woken = match self.desks() {
            [desk] if order.leases.iter().all(|lease| lease.only == Only::Any) => {
                self.offers.offer(desk, order, at_most, withdrawn).await
            }
            _ => self.wakes.stand(order, at_most, withdrawn).await,
        };
        match woken {
            Woken::Withdrawn => Ok(None),
            Woken::Ask => self.step(request).await.map(Some),
            Woken::Told(outcome) => {
                let tasks = outcome?.leased.into_iter().map(|(_, task)| task).collect();
                Ok(Some(StepReply { settled: Vec::new(), leased: tasks }))
            }
        }
    }

    async fn expire_leases(&self, limit: usize) -> Result<usize, StoreError> {
        let mut total = 0;
        for (place, desk) in self.desks().iter().enumerate() {
            let (over, by_ms) = desk.call(move |link| link.expired(limit)).await?;
            let deeds = over.into_iter().map(|task| Deed::Expire(task, by_ms)).collect();
            total += self.each(place, deeds).await?;
        }
        Ok(total)
    }

    async fn promote_delayed(&self, limit: usize) -> Result<(usize, Option<Duration>), StoreError> {
        let (mut readied, mut next) = (0, None);
        for (place, desk) in self.desks().iter().enumerate() {
            let due = desk.call(move |link| link.due(limit)).await?;
            readied += self.each(place, due.into_iter().map(Deed::Promote).collect()).await?;
            let here = desk.call(Link::next_due_ms).await?;
            next = next.into_iter().chain(here).min();
        }
        Ok((readied, next.map(Duration::from_millis)))
    }

    async fn release_worker(&self, worker: &WorkerId) -> Result<usize, StoreError> {
        let mut total = 0;
        for (place, desk) in self.desks().iter().enumerate() {
            // It must not be handed any more.
            let wish = Order { worker: worker.clone(), stand: Stand::Withdraw, ..Order::of(Vec::new()) };
            desk.commit(wish).await?;
            let leased = desk.call(Link::all_leased).await?;
            let deeds = leased.into_iter().map(|task| Deed::Release(task, worker.clone())).collect();
            total += self.each(place, deeds).await?;
        }
        Ok(total)
    }

    async fn cancel(&self, run: RunId, reason: &str) -> Result<RunState, StoreError> {
        match self.desk(run).deed(Deed::Cancel(run, reason.to_owned())).await? {
            Done::State(state) => Ok(state),
            Done::NoSuchRun => Err(StoreError::NoSuchRun(run)),
            _ => Err(mixed_up()),
        }
    }

    async fn pause(&self, run: RunId, reason: Option<&str>) -> Result<bool, StoreError> {
        match self.desk(run).deed(Deed::Pause(run, reason.map(str::to_owned))).await? {
            Done::Paused(changed) => changed.map_err(StoreError::Refused),
            Done::NoSuchRun => Err(StoreError::NoSuchRun(run)),
            _ => Err(mixed_up()),
        }
    }

    async fn approve(&self, task: TaskRef, decision: Decision) -> Result<TaskState, StoreError> {
        match self.desk(task.run).deed(Deed::Approve(task, decision)).await? {
            Done::Decided(ended) => ended.map_err(StoreError::Refused),
            Done::NoSuchRun => Err(StoreError::NoSuchRun(task.run)),
            _ => Err(mixed_up()),
        }
    }

    async fn retry_with(&self, run: RunId, scope: RetryScope, set: Edits) -> Result<usize, StoreError> {
        match self.desk(run).deed(Deed::Retry(run, scope, set)).await? {
            Done::Reset(reset) => reset.map_err(StoreError::Refused),
            Done::NoSuchRun => Err(StoreError::NoSuchRun(run)),
            _ => Err(mixed_up()),
        }
    }
}
