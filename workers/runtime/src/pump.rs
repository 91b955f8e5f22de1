//! The pump: the only part of the worker that steps the queue. Ends of attempts go in, leased tasks come out,
//! both in batches; while there is work it never sleeps, and while there is none it waits to be woken.
//!
//! When the queue does not answer, the pump keeps the ends and tries again: tokens make that safe.

use crate::backend::Job;
use crate::held::Held;
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::slots::Slots;
use reelmill_graph::light_lane;
use reelmill_model::{Outcome, TaskRef, Token, WorkerId, limits};
use reelmill_ports::{LeaseRequest, Only, Rejected, Settle, StepReply, StepRequest, StoreError, TaskQueue};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Where attempts report their ends.
#[derive(Clone, Debug)]
pub struct Ends(mpsc::UnboundedSender<Settle>);

impl Ends {
    /// Reports one end. Never blocks; there is at most one a lease, so the channel cannot grow past the leases.
    pub fn send(&self, settle: Settle) {
        // The pump outlives the attempts, except when the whole process goes down; then the lease expires.
        let _ = self.0.send(settle);
    }
}

/// What the pump works with.
pub struct PumpConfig {
    /// The queue.
    pub queue: Arc<dyn TaskQueue>,
    /// This worker.
    pub worker: WorkerId,
    /// Queues it serves.
    pub queues: Vec<String>,
    /// Lanes of tasks with needs that it serves.
    pub lanes: Lanes,
    /// Whose tasks it takes.
    pub only: Only,
    /// How long a lease lasts without a heartbeat.
    pub lease: Duration,
    /// Tasks of heavy lanes held at once: as many as there are slots at the moment.
    pub slots: Slots,
    /// Tasks of light lanes held at once.
    pub light: usize,
    /// Figures.
    pub metrics: Metrics,
}

/// Longest wait for a wake-up: a missed one costs no more than this.
const IDLE_WAIT: Duration = Duration::from_millis(500);
/// First and largest pause after the queue did not answer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// The pump.
pub struct Pump {
    config: PumpConfig,
    light_lanes: Vec<String>,
    held: Held,
    jobs: mpsc::UnboundedSender<Job>,
    ends: mpsc::UnboundedReceiver<Settle>,
    draining: watch::Receiver<bool>,
    /// Which of the held tasks came from a light lane.
    light_held: HashSet<TaskRef>,
}

impl Pump {
    /// A pump, the channel of leased tasks and the door for their ends.
    #[must_use]
    pub fn new(
        config: PumpConfig,
        held: Held,
        draining: watch::Receiver<bool>,
    ) -> (Self, mpsc::UnboundedReceiver<Job>, Ends) {
        let (jobs, jobs_out) = mpsc::unbounded_channel();
        let (ends_in, ends) = mpsc::unbounded_channel();
        let light_lanes = config.queues.iter().map(|queue| light_lane(queue)).collect();
        let pump = Self { config, light_lanes, held, jobs, ends, draining, light_held: HashSet::new() };
        (pump, jobs_out, Ends(ends_in))
    }

    /// Runs until draining was asked for and every lease was settled.
    pub async fn run(mut self) {
        let mut settles = Vec::new();
        loop {
            self.collect(&mut settles);
            let draining = *self.draining.borrow();
            if draining && settles.is_empty() && self.held.is_empty() {
                return;
            }
            let leases = if draining { Vec::new() } else { self.wanted(&settles) };
            if settles.is_empty() && leases.is_empty() {
                self.idle(&mut settles, false).await;
                continue;
            }
            let reply = self.step(&settles, leases).await;
            self.acknowledge(&settles, &reply);
            settles.clear();
            let took = reply.leased.len();
            self.hand_out(reply);
            // While draining, the top of the loop sees whether this was the last lease.
            if took == 0 && !draining {
                self.idle(&mut settles, true).await;
            }
        }
    }

    /// Takes the ends that are there, up to one batch.
    fn collect(&mut self, settles: &mut Vec<Settle>) {
        while settles.len() < limits::STEP_BATCH_MAX {
            match self.ends.try_recv() {
                Ok(settle) => self.take(settle, settles),
                Err(_) => return,
            }
        }
    }

    /// Takes an end; what the store has parked already is only forgotten.
    fn take(&mut self, settle: Settle, settles: &mut Vec<Settle>) {
        if settle.outcome == Outcome::Parked {
            self.forget(settle.task, settle.token);
        } else {
            settles.push(settle);
        }
    }

    fn forget(&mut self, task: TaskRef, token: Token) {
        if self.held.remove(task, token) {
            self.light_held.remove(&task);
        }
    }

    fn heavy_lanes(&self) -> Vec<String> {
        [self.config.lanes.awake(&self.config.queues), self.config.lanes.now()].concat()
    }

    /// What there is room for once these attempts are settled: the same step does both.
    fn wanted(&self, settles: &[Settle]) -> Vec<LeaseRequest> {
        let light_ends = settles.iter().filter(|settle| self.light_held.contains(&settle.task)).count();
        let light_held = self.light_held.len() - light_ends;
        let heavy_held = self.held.len().saturating_sub(settles.len() + light_held);
        let request = |lanes: &[String], room: usize, held: usize| {
            let want = room.saturating_sub(held).min(limits::STEP_BATCH_MAX);
            (want > 0 && !lanes.is_empty()).then(|| LeaseRequest {
                lanes: lanes.to_vec(),
                want,
                lease: self.config.lease,
                only: self.config.only.clone(),
            })
        };
        let light = request(&self.config.lanes.awake(&self.light_lanes), self.config.light, light_held);
        let slots = self.config.slots.capacity().slots as usize;
        let heavy = request(&self.heavy_lanes(), slots, heavy_held);
        light.into_iter().chain(heavy).collect()
    }

    /// One step of the queue, repeated until it answers.
    async fn step(&self, settles: &[Settle], leases: Vec<LeaseRequest>) -> StepReply {
        let (mut pause, longest) = BACKOFF;
        loop {
            let request = StepRequest {
                worker: self.config.worker.clone(),
                settles: settles.to_vec(),
                leases: leases.clone(),
            };
            match self.config.queue.step(request).await {
                Ok(reply) => return reply,
                Err(error @ StoreError::Unavailable { .. }) => {
                    tracing::warn!(%error, "the queue does not answer; trying again in {pause:?}");
                }
                Err(error) => tracing::error!(%error, "the queue refused a step; trying again in {pause:?}"),
            }
            self.config.metrics.queue_error();
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    fn acknowledge(&mut self, settles: &[Settle], reply: &StepReply) {
        let rejected: HashMap<_, Rejected> = reply.rejected().collect();
        for settle in settles {
            if let Some(why) = rejected.get(&settle.task) {
                self.config.metrics.settle_refused();
                tracing::warn!(task = %settle.task, "an attempt ended too late to count: {why}");
            }
            self.forget(settle.task, settle.token);
        }
    }

    fn hand_out(&mut self, reply: StepReply) {
        for leased in reply.leased {
            let stop = self.held.add(leased.task, leased.token);
            if leased.light {
                self.light_held.insert(leased.task);
            }
            // The worker holds the other end until the pump is done.
            let _ = self.jobs.send(Job { leased, stop });
        }
    }

    /// Waits for an end, a wake-up (when there is room for more tasks) or the order to drain.
    async fn idle(&mut self, settles: &mut Vec<Settle>, room: bool) {
        let lanes = [self.heavy_lanes(), self.light_lanes.clone()].concat();
        let queue = Arc::clone(&self.config.queue);
        let only = self.config.only.clone();
        let has_room = room && !self.wanted(settles).is_empty();
        tokio::select! {
            biased;
            end = self.ends.recv() => end.into_iter().for_each(|end| self.take(end, settles)),
            () = queue.wait(&lanes, &only, IDLE_WAIT), if has_room => {}
            _ = self.draining.changed() => {}
            // What was full or rested may have room again.
            () = tokio::time::sleep(IDLE_WAIT), if !has_room => {}
        }
    }
}
