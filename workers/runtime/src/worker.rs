//! The worker: composes pump, apalis worker, heartbeat and services, and takes them down in order.

use crate::adapt::Adapt;
use crate::backend::{Job, LeasedTasks};
use crate::execute::Executor;
use crate::held::{Held, Stop};
use crate::presence::{IsDead, Presence};
use crate::pump::{Pump, PumpConfig};
use crate::report::now_ms;
use crate::slots::Capacity;
use crate::{heartbeat, services};
use apalis::prelude::{BoxDynError, Data, WorkerBuilder};
use reelmill_graph::light_lane;
use reelmill_model::{Outcome, Usage, WorkerCapacity, WorkerId, limits};
use reelmill_ports::{Only, Store, TaskQueue, WorkerCard};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Its name, new at every start.
    pub worker: WorkerId,
    /// Queues it serves.
    pub queues: Vec<String>,
    /// What its machine has: lanes of tasks that need no more are served too.
    pub machine: WorkerCapacity,
    /// Such lanes that are known already.
    pub lanes: Vec<String>,
    /// What its slots follow; none when their number was given.
    pub adapt: Option<Adapt>,
    /// Whose tasks it takes.
    pub only: Only,
    /// How long a lease lasts without a heartbeat.
    pub lease: Duration,
    /// Tells workers of this machine whose processes have ended.
    pub is_dead: IsDead,
}

impl WorkerConfig {
    /// Lease unless set otherwise; a dead worker's tasks go on after twice this at most.
    pub const LEASE: Duration = Duration::from_secs(10);
}

/// A worker at work.
pub struct Worker {
    held: Held,
    draining: watch::Sender<bool>,
    end: CancellationToken,
    pump: JoinHandle<()>,
    apalis: JoinHandle<()>,
    services: Vec<JoinHandle<()>>,
    heartbeat: thread::JoinHandle<()>,
}

impl Worker {
    /// Starts to work. Must be called within a tokio runtime.
    pub fn start(
        store: Arc<dyn Store>,
        executor: Arc<Executor>,
        config: WorkerConfig,
    ) -> std::io::Result<Self> {
        let queue: Arc<dyn TaskQueue> = store.clone();
        let held = Held::default();
        let end = CancellationToken::new();
        let (draining, drain) = watch::channel(false);
        let lanes = executor.lanes.clone();
        lanes.add(config.lanes.iter().cloned());
        let presence = Presence {
            lanes: lanes.clone(),
            queues: config.queues.clone(),
            fleet: store.clone(),
            queue: queue.clone(),
            card: card(&config, executor.slots.capacity()),
            held: held.clone(),
            paces: executor.paces.clone(),
            slots: executor.slots.clone(),
            learning: executor.learning.clone(),
            adapt: config.adapt.clone(),
            metrics: executor.metrics.clone(),
            draining: drain.clone(),
            is_dead: config.is_dead,
            scratch: neighbours(executor.scratch.root()),
        };
        let pump = PumpConfig {
            queue: Arc::clone(&queue),
            worker: config.worker.clone(),
            queues: config.queues,
            lanes,
            only: config.only,
            lease: config.lease,
            slots: executor.slots.clone(),
            light: limits::STEP_BATCH_MAX,
            metrics: executor.metrics.clone(),
        };
        let follow = config.adapt.map(|adapt| {
            let (slots, learning) = (executor.slots.clone(), executor.learning.clone());
            tokio::spawn(adapt.run(slots, learning, end.clone()))
        });
        let (pump, jobs, ends) = Pump::new(pump, held.clone(), drain);
        let recall = executor.recall.clone();
        let apalis = WorkerBuilder::new(config.worker.0.as_str())
            .backend(LeasedTasks::new(jobs, ends))
            .data(executor)
            .build(attempt);
        let heartbeat =
            heartbeat::start(Arc::clone(&queue), config.worker, held.clone(), config.lease, end.clone())?;
        let mut services = vec![
            tokio::spawn(services::expire_leases(Arc::clone(&queue), config.lease, end.clone())),
            tokio::spawn(services::promote_delayed(queue, end.clone())),
            tokio::spawn(services::mend_limits(store, end.clone())),
            tokio::spawn(presence.run(end.clone())),
            tokio::spawn(recall.serve(end.clone())),
        ];
        services.extend(follow);
        let apalis = tokio::spawn(async move {
            if let Err(error) = apalis.run().await {
                tracing::error!(%error, "the worker loop ended");
            }
        });
        Ok(Self { held, draining, end, pump: tokio::spawn(pump.run()), apalis, services, heartbeat })
    }

    /// Takes no more tasks, gives running attempts so long to end, then gives the rest of them back.
    /// Returns when every lease is settled and nothing of the worker is left.
    pub async fn drain(mut self, patience: Duration) {
        let _ = self.draining.send(true);
        if tokio::time::timeout(patience, &mut self.pump).await.is_err() {
            self.held.stop_all(Stop::Drained);
            let _ = (&mut self.pump).await;
        }
        // The pump is gone and with it the channel of jobs: the apalis worker ends by itself.
        let _ = self.apalis.await;
        self.end.cancel();
        for service in self.services {
            let _ = service.await;
        }
        let beats = tokio::task::spawn_blocking(|| self.heartbeat.join());
        let _ = beats.await;
    }

    /// How many tasks it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }
}

/// The folder around a worker's own scratch.
fn neighbours(own: &Path) -> PathBuf {
    own.parent().unwrap_or(own).to_owned()
}

/// How a worker is seen before it holds anything.
fn card(config: &WorkerConfig, capacity: Capacity) -> WorkerCard {
    WorkerCard {
        worker: config.worker.clone(),
        machine: config.machine.clone(),
        lanes: config.queues.iter().flat_map(|queue| [queue.clone(), light_lane(queue)]).collect(),
        slots: capacity.slots,
        adaptive: None,
        memory_mib: capacity.memory_mib,
        held: 0,
        draining: false,
        paces: Vec::new(),
        learned: Vec::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_ms: now_ms(),
        seen_ms: 0,
    }
}

/// What apalis calls for each task.
async fn attempt(job: Job, executor: Data<Arc<Executor>>) -> Result<(Outcome, Usage), BoxDynError> {
    Ok(executor.attempt(job).await)
}
