//! The pump: the only part of the worker that steps the queue. Ends of attempts go in, leased tasks come out,
//! both in batches; while there is work it never sleeps, and while there is none it waits to be woken. Where many
//! attempts end, several steps are under way at once, so that neither the queue nor the worker waits for the other.
//!
//! When the queue does not answer, the pump keeps the ends and tries again: tokens make that safe.

use crate::backend::Job;
use crate::ends::Ends;
use crate::held::Held;
use crate::lanes::Lanes;
use crate::metrics::Metrics;
use crate::slots::Slots;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use reelmill_graph::light_lane;
use reelmill_model::{IdSet, Outcome, TaskRef, Token, WorkerId, limits};
use reelmill_ports::{LeaseRequest, Only, Rejected, Settle, StepReply, StepRequest, StoreError, TaskQueue};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

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

/// Steps under way at once: the queue works on one while the ends for the next are gathered and the tasks of the one
/// before are handed out.
const STEPS_MAX: usize = 4;
/// Ends that are worth a step of their own while others are under way.
const ENDS_WORTH_A_STEP: usize = 64;
/// Tasks of a kind that one step asks for: the worker begins with the first while others are leased.
const ASKED_AT_ONCE: usize = limits::STEP_BATCH_MAX / STEPS_MAX;

/// A step under way, and what it will change when it is answered.
struct Step {
    settles: Vec<Settle>,
    /// Tasks that it settles, from light lanes and from others.
    ends: Count,
    /// Tasks that it asks for.
    asked: Count,
    reply: StepReply,
}

/// What the pump waits for.
enum Event {
    /// A step was answered.
    Answered(Step),
    /// What an idle worker has waited for came.
    Came(Step),
    /// An attempt ended, or draining was asked for.
    Ended,
    /// There may be more room.
    Woken,
}

/// Tasks of light lanes and of others.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    light: usize,
    heavy: usize,
}

impl Count {
    fn add(&mut self, other: Self) {
        self.light += other.light;
        self.heavy += other.heavy;
    }

    fn take(&mut self, other: Self) {
        self.light -= other.light;
        self.heavy -= other.heavy;
    }
}

/// Whether the queue had less of a kind than it was asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Dry {
    light: bool,
    heavy: bool,
}

/// The pump.
pub struct Pump {
    config: PumpConfig,
    light_lanes: Vec<String>,
    held: Held,
    jobs: mpsc::UnboundedSender<Job>,
    ends: Ends,
    draining: watch::Receiver<bool>,
    /// Which of the held tasks came from a light lane.
    light_held: IdSet<TaskRef>,
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
    /// What the steps under way settle, and what they ask for.
    ending: Count,
    asked: Count,
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
        let ends = Ends::default();
        let door = ends.clone();
        let light_lanes = config.queues.iter().map(|queue| light_lane(queue)).collect();
        let pump = Self {
            config,
            light_lanes,
            held,
            jobs,
            ends,
            draining,
            light_held: IdSet::default(),
            steps: FuturesUnordered::new(),
            ending: Count::default(),
            asked: Count::default(),
        };
        (pump, jobs_out, door)
    }

    /// Runs until draining was asked for and every lease was settled.
    pub async fn run(mut self) {
        let mut settles = Vec::new();
        let mut dry = Dry::default();
        loop {
            self.collect(&mut settles);
            let draining = *self.draining.borrow();
            if draining && settles.is_empty() && self.steps.is_empty() && self.held.is_empty() {
                return;
            }
            if let Some(leases) = self.next(&settles, draining, dry) {
                self.start(std::mem::take(&mut settles), leases);
            } else {
                match self.idle(&settles, draining).await {
                    Event::Answered(step) => self.answered(step, &mut dry),
                    Event::Came(step) => {
                        self.answered(step, &mut dry);
                        // What was handed out begins before the next question is thought about.
                        tokio::task::yield_now().await;
                    }
                    Event::Woken => dry = Dry::default(),
                    Event::Ended => {}
                }
            }
        }
    }

    /// What a step that is made now asks for, if one is worth its while.
    fn next(&self, settles: &[Settle], draining: bool, dry: Dry) -> Option<Vec<LeaseRequest>> {
        let under_way = self.steps.len();
        if settles.is_empty() && (draining || dry.light && dry.heavy) {
            return None;
        }
        let leases = if draining { Vec::new() } else { self.wanted(settles) };
        let is_dry = |request| if self.is_light(request) { dry.light } else { dry.heavy };
        let asks = leases.iter().filter(|request| !is_dry(request)).map(|request| request.want).max();
        is_worth_a_step(under_way, settles.len(), asks.unwrap_or(0)).then_some(leases)
    }

    /// Takes the ends that are there, up to one batch; what the store has parked already is only forgotten.
    fn collect(&mut self, settles: &mut Vec<Settle>) {
        for settle in self.ends.take(limits::STEP_BATCH_MAX - settles.len()) {
            if settle.outcome == Outcome::Parked {
                self.forget(settle.task, settle.token);
            } else {
                settles.push(settle);
            }
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

    fn count(&self, settles: &[Settle]) -> Count {
        let light = settles.iter().filter(|settle| self.light_held.contains(&settle.task)).count();
        Count { light, heavy: settles.len() - light }
    }

    /// What is asked for of what there is room for once these attempts are settled, and what is under way was answered.
    fn room(&self, ends: Count) -> Count {
        let light = self.light_held.len();
        let held = Count { light, heavy: self.held.len().saturating_sub(light) };
        let slots = self.config.slots.capacity().slots as usize;
        let room = |room: usize, held: usize, ends: usize, ending: usize, asked: usize| {
            room.saturating_sub(held.saturating_sub(ends + ending) + asked).min(ASKED_AT_ONCE)
        };
        Count {
            light: room(self.config.light, held.light, ends.light, self.ending.light, self.asked.light),
            heavy: room(slots, held.heavy, ends.heavy, self.ending.heavy, self.asked.heavy),
        }
    }

    /// What to ask for when these attempts are settled: the same step does both.
    fn wanted(&self, settles: &[Settle]) -> Vec<LeaseRequest> {
        let room = self.room(self.count(settles));
        let request = |lanes: Vec<String>, want: usize| {
            (want > 0 && !lanes.is_empty()).then(|| LeaseRequest {
                lanes,
                want,
                lease: self.config.lease,
                only: self.config.only.clone(),
            })
        };
        let light = request(self.config.lanes.awake(&self.light_lanes), room.light);
        let heavy = request(self.heavy_lanes(), room.heavy);
        light.into_iter().chain(heavy).collect()
    }

    fn is_light(&self, request: &LeaseRequest) -> bool {
        self.light_lanes.contains(&request.lanes[0])
    }

    fn asked(&self, leases: &[LeaseRequest]) -> Count {
        let mut asked = Count::default();
        for request in leases {
            let kind = if self.is_light(request) { &mut asked.light } else { &mut asked.heavy };
            *kind += request.want;
        }
        asked
    }

    /// Sends a step on its way.
    fn start(&mut self, settles: Vec<Settle>, leases: Vec<LeaseRequest>) {
        let (ends, asked) = (self.count(&settles), self.asked(&leases));
        self.ending.add(ends);
        self.asked.add(asked);
        let queue = Arc::clone(&self.config.queue);
        let (worker, metrics) = (self.config.worker.clone(), self.config.metrics.clone());
        let step = async move {
            let reply = step(&*queue, &worker, &settles, &leases, &metrics).await;
            Step { settles, ends, asked, reply }
        };
        self.steps.push(step.boxed());
    }

    /// Takes an answer.
    fn answered(&mut self, step: Step, dry: &mut Dry) {
        let Step { settles, ends, asked, reply } = step;
        self.ending.take(ends);
        self.asked.take(asked);
        let light = reply.leased.iter().filter(|leased| leased.light).count();
        for (dry, asked, leased) in
            [(&mut dry.light, asked.light, light), (&mut dry.heavy, asked.heavy, reply.leased.len() - light)]
        {
            if asked > 0 {
                *dry = leased < asked;
            }
        }
        self.acknowledge(&settles, &reply);
        self.hand_out(reply);
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

    /// Waits for an answer, for ends that are worth a step, for tasks (when there is room for more) or for the order to
    /// drain.
    async fn idle(&mut self, settles: &[Settle], draining: bool) -> Event {
        if !self.steps.is_empty() {
            let room = self.steps.len() < STEPS_MAX;
            return tokio::select! {
                biased;
                step = self.steps.select_next_some() => Event::Answered(step),
                () = self.ends.gather(ENDS_WORTH_A_STEP.saturating_sub(settles.len())), if room => Event::Ended,
                _ = self.draining.changed() => Event::Ended,
            };
        }
        let leases = if draining { Vec::new() } else { self.wanted(settles) };
        if !leases.is_empty() {
            return self.wait_for_tasks(leases).await;
        }
        tokio::select! {
            biased;
            () = self.ends.gather(1) => Event::Ended,
            _ = self.draining.changed() => Event::Ended,
            // What was full or rested may have room again.
            () = tokio::time::sleep(IDLE_WAIT) => Event::Woken,
        }
    }

    /// Leaves an order for tasks with the queue, and takes it back when there is something else to do first.
    async fn wait_for_tasks(&mut self, leases: Vec<LeaseRequest>) -> Event {
        let asked = self.asked(&leases);
        let (withdraw, withdrawn) = oneshot::channel::<()>();
        let withdrawn = async { drop(withdrawn.await) }.boxed();
        let queue = Arc::clone(&self.config.queue);
        let (worker, metrics) = (self.config.worker.clone(), self.config.metrics.clone());
        let mut reply = async {
            let request = StepRequest { worker: worker.clone(), settles: Vec::new(), leases: leases.clone() };
            match queue.step_when_ready(request, IDLE_WAIT, withdrawn).await {
                Ok(reply) => reply,
                Err(_) => Some(step(&*queue, &worker, &[], &leases, &metrics).await),
            }
        }
        .boxed();
        let reply = tokio::select! {
            biased;
            reply = &mut reply => reply,
            () = self.ends.gather(1) => withdraw_and_hear(withdraw, reply).await,
            _ = self.draining.changed() => withdraw_and_hear(withdraw, reply).await,
        };
        let Some(reply) = reply else { return Event::Ended };
        self.asked.add(asked);
        Event::Came(Step { settles: Vec::new(), ends: Count::default(), asked, reply })
    }
}

/// Whether to make a step beside those under way: the first for whatever there is, others for many ends, or for many tasks
/// of a kind of which there may be some.
fn is_worth_a_step(under_way: usize, ends: usize, tasks: usize) -> bool {
    match under_way {
        0 => ends > 0 || tasks > 0,
        STEPS_MAX.. => false,
        _ => ends >= ENDS_WORTH_A_STEP || tasks >= ASKED_AT_ONCE,
    }
}

/// Takes an order back. What was leased for it before is heard.
async fn withdraw_and_hear(
    withdraw: oneshot::Sender<()>,
    reply: BoxFuture<'_, Option<StepReply>>,
) -> Option<StepReply> {
    drop(withdraw);
    reply.await
}

/// One step of the queue, repeated until it answers.
async fn step(
    queue: &dyn TaskQueue,
    worker: &WorkerId,
    settles: &[Settle],
    leases: &[LeaseRequest],
    metrics: &Metrics,
) -> StepReply {
    let (mut pause, longest) = BACKOFF;
    loop {
        let request =
            StepRequest { worker: worker.clone(), settles: settles.to_vec(), leases: leases.to_vec() };
        match queue.step(request).await {
            Ok(reply) => return reply,
            Err(error @ StoreError::Unavailable { .. }) => {
                tracing::warn!(%error, "the queue does not answer; trying again in {pause:?}");
            }
            Err(error) => tracing::error!(%error, "the queue refused a step; trying again in {pause:?}"),
        }
        metrics.queue_error();
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_beside_others_is_for_many_and_the_first_for_any() {
        let (few_ends, few_tasks) = (ENDS_WORTH_A_STEP - 1, ASKED_AT_ONCE - 1);
        assert!(is_worth_a_step(0, 1, 0) && is_worth_a_step(0, 0, 1));
        assert!(!is_worth_a_step(0, 0, 0), "an idle worker waits instead");
        for under_way in 1..STEPS_MAX {
            assert!(!is_worth_a_step(under_way, few_ends, few_tasks));
            assert!(
                is_worth_a_step(under_way, few_ends + 1, 0) && is_worth_a_step(under_way, 0, few_tasks + 1)
            );
        }
        assert!(!is_worth_a_step(STEPS_MAX, limits::STEP_BATCH_MAX, ASKED_AT_ONCE), "that many are enough");
    }

    #[test]
    fn a_worker_that_begins_fills_up_in_as_many_parts_as_steps_go_at_once() {
        let parts =
            (0..2 * STEPS_MAX).take_while(|under_way| is_worth_a_step(*under_way, 0, ASKED_AT_ONCE)).count();
        assert_eq!(parts * ASKED_AT_ONCE, limits::STEP_BATCH_MAX);
    }
}
