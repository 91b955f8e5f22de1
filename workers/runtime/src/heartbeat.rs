//! The heartbeat: extends the worker's leases from a thread of its own, so that no busy stage and no busy pump
//! can make a healthy worker look dead.

use crate::held::{Held, Stop};
use reelmill_model::WorkerId;
use reelmill_ports::TaskQueue;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest time between two beats: also how long a cancelled attempt goes on unaware.
const BEAT_AT_LEAST: Duration = Duration::from_secs(1);

/// Starts the heartbeat. It beats three times a lease, and once a second, until `end` is cancelled.
pub fn start(
    queue: Arc<dyn TaskQueue>,
    worker: WorkerId,
    held: Held,
    lease: Duration,
    end: CancellationToken,
) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("heartbeat".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(beat(&*queue, &worker, &held, lease, &end));
                // A beat that nobody answers is not waited for.
                runtime.shutdown_background();
            }
            Err(error) => tracing::error!(%error, "no heartbeat: leases will run out"),
        }
    })
}

async fn beat(
    queue: &dyn TaskQueue,
    worker: &WorkerId,
    held: &Held,
    lease: Duration,
    end: &CancellationToken,
) {
    let mut ticks = tokio::time::interval((lease / 3).min(BEAT_AT_LEAST));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            _ = ticks.tick() => once(queue, worker, held, lease).await,
        }
    }
}

/// One beat. A queue that does not answer is no reason to stop: the tokens decide in the end.
async fn once(queue: &dyn TaskQueue, worker: &WorkerId, held: &Held, lease: Duration) {
    let beats = held.beats();
    if beats.is_empty() {
        return;
    }
    match queue.heartbeat(worker, &beats, lease).await {
        Ok(reply) => {
            for task in reply.lost {
                held.stop(task, Stop::Lost);
            }
            for task in reply.cancelled {
                held.stop(task, Stop::Cancelled);
            }
        }
        Err(error) => tracing::warn!(%error, "a heartbeat did not go through"),
    }
}
