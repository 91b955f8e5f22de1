//! How much there is to do: what an autoscaler looks at. The figures are a pure function of lanes and workers.

use crate::{Control, ControlError};
use reelmill_graph::is_light_lane;
use reelmill_graph::placement::has_needs;
use reelmill_model::limits::STEP_BATCH_MAX;
use reelmill_ports::{LaneView, WorkerCard};
use serde::Serialize;
use std::collections::BTreeMap;

/// What a task counts for while no worker has ended one of its lane, in microseconds: 10 s, or 1 ms in a light lane.
const UNKNOWN_US: (u64, u64) = (10_000_000, 1_000);

/// What there is to do for all workers.
#[derive(Clone, Debug)]
pub struct FleetLoad {
    /// Workers that were heard lately and take tasks.
    pub working: usize,
    /// Workers that were heard lately and take no more.
    pub draining: usize,
    /// Every lane with ready tasks, every paused one, and the queues of workers, by name.
    pub lanes: Vec<LaneLoad>,
}

/// What there is to do in a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneLoad {
    /// The lane.
    #[serde(flatten)]
    pub view: LaneView,
    /// Its tasks that can be worked on at once: the slots of all workers that serve it and do not drain, or 512 for each
    /// of them (`STEP_BATCH_MAX`) when the lane is light. A worker that serves several lanes counts in each.
    pub slots: u64,
    /// How long its ready tasks take the slots there are, in milliseconds: ready tasks × mean duration / slots.
    ///
    /// The mean is that of the tasks that workers ended lately, from lease to outcome, weighted by their number; before
    /// any has ended, 10 s, or 1 ms in a light lane. Without slots it is as if there were one. A paused lane has none: no
    /// worker makes it go on. Lanes that the same workers serve add up: the sum is how long those need for all.
    pub backlog_ms: u64,
}

impl Control {
    /// What there is to do.
    pub async fn load(&self) -> Result<FleetLoad, ControlError> {
        let workers = self.fleet.workers().await?;
        let lanes = loads(&self.fleet.lanes().await?, &workers);
        let draining = workers.iter().filter(|card| card.draining).count();
        Ok(FleetLoad { working: workers.len() - draining, draining, lanes })
    }
}

/// What there is to do in these lanes and in the queues of workers, by name.
fn loads(lanes: &[LaneView], workers: &[WorkerCard]) -> Vec<LaneLoad> {
    let empty = |lane: &String| LaneView { lane: lane.clone(), ready: 0, oldest_ms: None, paused: false };
    let served = workers.iter().flat_map(|card| &card.lanes).filter(|lane| !has_needs(lane)).map(empty);
    let views: BTreeMap<String, LaneView> =
        served.chain(lanes.iter().cloned()).map(|view| (view.lane.clone(), view)).collect();
    views.into_values().map(|view| load(view, workers)).collect()
}

fn load(view: LaneView, workers: &[WorkerCard]) -> LaneLoad {
    let light = is_light_lane(&view.lane);
    let at_once = |card: &WorkerCard| if light { STEP_BATCH_MAX as u64 } else { card.slots.into() };
    let slots: u64 =
        workers.iter().filter(|card| !card.draining && card.serves(&view.lane)).map(at_once).sum();
    let ready = if view.paused { 0 } else { view.ready };
    let mean_us = mean_us(&view.lane, workers).unwrap_or(if light { UNKNOWN_US.1 } else { UNKNOWN_US.0 });
    LaneLoad { backlog_ms: ready.saturating_mul(mean_us) / slots.max(1) / 1_000, slots, view }
}

/// The mean of what all workers measured in a lane.
fn mean_us(lane: &str, workers: &[WorkerCard]) -> Option<u64> {
    let paces = workers.iter().flat_map(|card| &card.paces).filter(|pace| pace.lane == lane);
    let (tasks, took) = paces.fold((0_u64, 0_u64), |(tasks, took), pace| {
        (tasks + u64::from(pace.tasks), took.saturating_add(pace.mean_us.saturating_mul(pace.tasks.into())))
    });
    took.checked_div(tasks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_model::{WorkerCapacity, WorkerId};
    use reelmill_ports::Pace;

    fn view(lane: &str, ready: u64) -> LaneView {
        LaneView { lane: lane.into(), ready, oldest_ms: None, paused: false }
    }

    /// A worker of the queue `default` with so many slots, whose tasks of a lane took so long.
    fn worker(slots: u32, gpus: u32, (lane, tasks, mean_ms): (&str, u32, u64)) -> WorkerCard {
        WorkerCard {
            worker: WorkerId("w".into()),
            machine: WorkerCapacity { gpus, ..WorkerCapacity::default() },
            lanes: vec!["default".into(), "default/light".into()],
            slots,
            adaptive: None,
            memory_mib: 1,
            held: 0,
            draining: false,
            paces: vec![Pace { lane: lane.into(), tasks, mean_us: mean_ms * 1_000 }],
            learned: Vec::new(),
            version: String::new(),
            started_ms: 0,
            seen_ms: 0,
        }
    }

    fn backlog(view: LaneView, workers: &[WorkerCard]) -> (u64, u64) {
        let load = load(view, workers);
        (load.slots, load.backlog_ms)
    }

    #[test]
    fn a_backlog_is_ready_tasks_times_their_mean_over_slots() {
        let workers = [worker(4, 0, ("default", 30, 1_000)), worker(1, 0, ("default", 10, 5_000))];
        assert_eq!(
            backlog(view("default", 100), &workers),
            (5, 100 * 2_000 / 5),
            "each task weighs the same"
        );
        assert_eq!(backlog(view("default", 0), &workers), (5, 0));
        assert_eq!(
            backlog(LaneView { paused: true, ..view("default", 100) }, &workers),
            (5, 0),
            "it waits for a person"
        );
        let draining = workers.clone().map(|card| WorkerCard { draining: true, ..card });
        assert_eq!(backlog(view("default", 3), &draining), (0, 6_000), "no slots are one");
        assert_eq!(backlog(view("default", u64::MAX), &workers[..1]).1, u64::MAX / 4_000, "it does not wrap");
    }

    #[test]
    fn before_a_task_has_ended_it_counts_for_ten_seconds() {
        let workers = [worker(2, 0, ("other", 1, 1)), worker(2, 1, ("other", 1, 1))];
        assert_eq!(backlog(view("default", 4), &workers), (4, 10_000));
        assert_eq!(backlog(view("default;gpu=1", 4), &workers), (2, 20_000), "only one of them has a GPU");
        assert_eq!(
            backlog(view("default/light", 4_096), &workers),
            (1_024, 4),
            "light ones are done side by side"
        );
        assert_eq!(backlog(view("gpu", 1), &[]), (0, 10_000));
    }

    #[test]
    fn queues_that_are_served_are_seen_without_tasks() {
        let mut gpu = worker(1, 1, ("default", 1, 1));
        gpu.lanes.push("default;gpu=1".into());
        let seen = loads(&[view("default", 3), view("upload", 1)], &[gpu.clone(), gpu]);
        let seen: Vec<_> = seen.iter().map(|load| (load.view.lane.as_str(), load.view.ready)).collect();
        assert_eq!(seen, [("default", 3), ("default/light", 0), ("upload", 1)]);
    }
}
