//! Being seen: the worker announces itself, and gives back what dead neighbours held. A neighbour is a worker of the
//! same machine: whether its process still lives can be told at once, without waiting for its leases to run out.

use crate::adapt::Adapt;
use crate::held::Held;
use crate::lanes::Lanes;
use crate::learning::Learning;
use crate::metrics::Metrics;
use crate::paces::Paces;
use crate::slots::{Capacity, Slots};
use reelmill_graph::placement::{has_needs, serves};
use reelmill_model::WorkerId;
use reelmill_ports::{Fleet, StoreError, TaskQueue, WorkerCard};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time between two announcements.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(2);
/// Time between two looks at the neighbours: a killed worker's tasks go on within a second.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// Says of a worker whether its process is known to have ended.
pub type IsDead = fn(&WorkerId) -> bool;

/// What the worker is seen by.
pub struct Presence {
    /// Where it is seen.
    pub fleet: Arc<dyn Fleet>,
    /// Where leases are given back.
    pub queue: Arc<dyn TaskQueue>,
    /// How it is seen, but for what changes.
    pub card: WorkerCard,
    /// What it holds.
    pub held: Held,
    /// How long its tasks take.
    pub paces: Paces,
    /// How many slots it has.
    pub slots: Slots,
    /// What its stages use.
    pub learning: Learning,
    /// What its slots follow.
    pub adapt: Option<Adapt>,
    /// Where both are shown too.
    pub metrics: Metrics,
    /// Queues it serves.
    pub queues: Vec<String>,
    /// Lanes of tasks with needs that it serves too.
    pub lanes: Lanes,
    /// Whether it takes no more tasks.
    pub draining: watch::Receiver<bool>,
    /// Tells dead neighbours.
    pub is_dead: IsDead,
    /// Folder in which the workers of this machine have their scratch, each in one of its name.
    pub scratch: PathBuf,
}

impl Presence {
    /// Announces the worker and looks at its neighbours until `end`; then it retires.
    pub async fn run(self, end: CancellationToken) {
        let mut announce = tokio::time::interval(ANNOUNCE_EVERY);
        let mut look = tokio::time::interval(LOOK_EVERY);
        for ticks in [&mut announce, &mut look] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            let done = tokio::select! {
                () = end.cancelled() => break,
                _ = announce.tick() => self.fleet.announce(self.now()).await,
                _ = look.tick() => self.look().await,
            };
            // A store that does not answer is no reason to stop: the heartbeat says so loudly enough.
            if let Err(error) = done {
                tracing::debug!(%error, "the worker could not be announced");
            }
        }
        if let Err(error) = self.fleet.retire(&self.card.worker).await {
            tracing::debug!(%error, "the worker could not be taken off the list");
        }
    }

    /// Looks at the neighbours, and at which lanes there are.
    async fn look(&self) -> Result<(), StoreError> {
        bury(&*self.fleet, &*self.queue, self.is_dead, &self.scratch).await?;
        let lanes = self.fleet.lanes().await?.into_iter().map(|view| view.lane);
        self.lanes
            .add(lanes.filter(|lane| has_needs(lane) && serves(&self.card.machine, &self.queues, lane)));
        Ok(())
    }

    fn now(&self) -> WorkerCard {
        let held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let lanes = [self.lanes.awake(&self.card.lanes), self.lanes.now()].concat();
        let draining = *self.draining.borrow();
        let Capacity { slots, memory_mib, .. } = self.slots.capacity();
        let (adaptive, learned) = (self.adapt.as_ref().map(Adapt::now), self.learning.now());
        self.metrics.show_slots(
            slots,
            adaptive.as_ref().map_or(slots, |follows| follows.slots_max),
            &learned,
        );
        let paces = self.paces.now();
        WorkerCard { lanes, held, draining, slots, memory_mib, adaptive, paces, learned, ..self.card.clone() }
    }
}

/// Gives back at once what workers hold whose processes have ended, and forgets them and their scratch; says how many
/// tasks go on.
pub async fn bury(
    fleet: &dyn Fleet,
    queue: &dyn TaskQueue,
    is_dead: IsDead,
    scratch: &Path,
) -> Result<usize, StoreError> {
    let mut given_back = 0;
    for card in fleet.workers().await?.into_iter().filter(|card| is_dead(&card.worker)) {
        let count = queue.release_worker(&card.worker).await?;
        given_back += count;
        fleet.retire(&card.worker).await?;
        // It may have had none, or another neighbour was quicker; what stays is removed by the next start.
        let _ = std::fs::remove_dir_all(scratch.join(&card.worker.0));
        tracing::info!(worker = %card.worker, count, "a worker had died; its tasks go on");
    }
    Ok(given_back)
}
