//! What autoscalers look at on `/metrics`: how much there is to do, lane by lane. Every process shows the same of a fleet.

use crate::OpenError;
use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};
use reelmill_control::FleetLoad;
use reelmill_model::limits::LANES_SHOWN_MAX;
use std::cmp::Reverse;
use std::time::Duration;

/// The gauges.
pub struct LaneGauges {
    workers: IntGaugeVec,
    ready: IntGaugeVec,
    slots: IntGaugeVec,
    oldest: GaugeVec,
    backlog: GaugeVec,
}

impl LaneGauges {
    /// Makes the gauges and registers them.
    pub fn register(registry: &Registry) -> Result<Self, OpenError> {
        let of = |name: &str, help: &str| Opts::new(name, help);
        let gauges = Self {
            workers: IntGaugeVec::new(of("reelmill_workers", "Workers heard lately, by state"), &["state"])?,
            ready: IntGaugeVec::new(of("reelmill_lane_ready", "Tasks that are ready, by lane"), &["lane"])?,
            slots: IntGaugeVec::new(
                of("reelmill_lane_slots", "Tasks of the lane that its workers take at once"),
                &["lane"],
            )?,
            oldest: GaugeVec::new(
                of("reelmill_lane_oldest_seconds", "Age of the run whose task is next in the lane"),
                &["lane"],
            )?,
            backlog: GaugeVec::new(
                of(
                    "reelmill_lane_backlog_seconds",
                    "How long the ready tasks of the lane take: their number times their mean duration over slots",
                ),
                &["lane"],
            )?,
        };
        for gauge in [&gauges.workers, &gauges.ready, &gauges.slots] {
            registry.register(Box::new(gauge.clone()))?;
        }
        for gauge in [&gauges.oldest, &gauges.backlog] {
            registry.register(Box::new(gauge.clone()))?;
        }
        Ok(gauges)
    }

    /// Shows these figures at that moment. Of lanes beyond the limit those with the most to do.
    pub fn set(&self, load: &FleetLoad, now_ms: u64) {
        self.forget();
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
        for (state, count) in [("working", load.working), ("draining", load.draining)] {
            self.workers.with_label_values(&[state]).set(int(count as u64));
        }
        let mut lanes: Vec<_> = load.lanes.iter().collect();
        lanes.sort_by_key(|lane| Reverse(lane.backlog_ms));
        for lane in lanes.into_iter().take(LANES_SHOWN_MAX) {
            let name = &[lane.view.lane.as_str()];
            self.ready.with_label_values(name).set(int(lane.view.ready));
            self.slots.with_label_values(name).set(int(lane.slots));
            self.backlog.with_label_values(name).set(seconds(lane.backlog_ms));
            let age_ms = lane.view.oldest_ms.map_or(0, |oldest_ms| now_ms.saturating_sub(oldest_ms));
            self.oldest.with_label_values(name).set(seconds(age_ms));
        }
    }

    /// Shows nothing: what is not known is not zero.
    pub fn forget(&self) {
        self.workers.reset();
        self.ready.reset();
        self.slots.reset();
        self.oldest.reset();
        self.backlog.reset();
    }
}
