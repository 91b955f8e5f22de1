//! `/metrics`: the figures of this process, its store and its machine, in Prometheus' text format.

use crate::lane_gauges::LaneGauges;
use crate::{OpenError, State};
use prometheus::{Encoder as _, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};
use reelmill_control::{Control, ControlError};
use reelmill_hardware::Figures;
use reelmill_model::{RunState, TaskState, limits};
use reelmill_ports::{RunFilter, Store, StoreError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

/// How long what was read from the store is shown, however many scrape.
const FRESH: Duration = Duration::from_secs(3);
/// Time that the store gets to answer, for lanes and for runs each.
const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// What is read anew for every scrape, from the store at most every few seconds.
pub struct Exposition {
    registry: Registry,
    store: Arc<dyn Store>,
    control: Control,
    machine: Mutex<Figures>,
    /// When the store was read last. Held while it is read: one scrape reads for all.
    read: tokio::sync::Mutex<Option<Instant>>,
    lanes: LaneGauges,
    up: IntGauge,
    runs: IntGaugeVec,
    tasks: IntGaugeVec,
    cache: IntGaugeVec,
    host: IntGaugeVec,
}

impl Exposition {
    /// Registers what is read.
    pub fn register(registry: &Registry, state: &State) -> Result<Self, OpenError> {
        let gauge = |name: &str, help: &str, label: &str| -> Result<IntGaugeVec, OpenError> {
            let gauge = IntGaugeVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let up = IntGauge::new("reelmill_store_up", "Whether the store answered, 1 or 0")?;
        registry.register(Box::new(up.clone()))?;
        Ok(Self {
            lanes: LaneGauges::register(registry)?,
            up,
            runs: gauge("reelmill_runs", "Runs in the store that have not ended, by phase", "phase")?,
            tasks: gauge("reelmill_tasks", "Tasks of unfinished runs, by state", "state")?,
            cache: gauge("reelmill_cache", "The result cache: entries, bytes, CPU saved", "figure")?,
            host: gauge("reelmill_host", "The machine: CPU per mille, memory and disk bytes", "figure")?,
            machine: Mutex::new(Figures::new(&state.home)),
            read: tokio::sync::Mutex::new(None),
            registry: registry.clone(),
            store: state.store.clone(),
            control: state.control.clone(),
        })
    }

    /// All figures. Those of a store that does not answer in time are left out: the process's own are wanted then most.
    pub async fn text(&self) -> String {
        let mut read = self.read.lock().await;
        if read.is_none_or(|at| at.elapsed() >= FRESH) {
            self.read_store().await;
            *read = Some(Instant::now());
        }
        {
            let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
            let now = machine.read();
            set(&self.host, "cpu_per_mille", now.cpu_per_mille);
            set(&self.host, "memory_used_bytes", now.memory_used_bytes);
            set(&self.host, "memory_total_bytes", now.memory_total_bytes);
            set(&self.host, "disk_available_bytes", now.disk_available_bytes);
        }
        let mut text = Vec::new();
        // Writing to memory does not fail, and the encoder writes UTF-8.
        let _ = TextEncoder::new().encode(&self.registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    async fn read_store(&self) {
        let lanes = matches!(timeout(STORE_PATIENCE, self.read_lanes()).await, Ok(Ok(())));
        self.up.set(lanes.into());
        if !lanes {
            self.lanes.forget();
        }
        // A store that has just been silent is not waited for again.
        let runs = async {
            self.read_runs().await?;
            self.read_cache().await
        };
        if !lanes || !matches!(timeout(STORE_PATIENCE, runs).await, Ok(Ok(()))) {
            for gauges in [&self.runs, &self.tasks, &self.cache] {
                gauges.reset();
            }
        }
    }

    async fn read_lanes(&self) -> Result<(), ControlError> {
        let load = self.control.load().await?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.lanes.set(&load, u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        Ok(())
    }

    async fn read_cache(&self) -> Result<(), StoreError> {
        let stats = self.store.stats().await?;
        set(&self.cache, "entries", stats.entries);
        set(&self.cache, "bytes", stats.bytes);
        set(&self.cache, "hits", stats.hits);
        set(&self.cache, "misses", stats.misses);
        set(&self.cache, "cpu_saved_milliseconds", stats.cpu_saved_ms);
        Ok(())
    }

    /// Counts unfinished runs and their tasks.
    async fn read_runs(&self) -> Result<(), StoreError> {
        let mut tasks = [0_u64; 8];
        self.runs.reset();
        let mut before = None;
        loop {
            let filter = RunFilter {
                states: vec![RunState::Running],
                before,
                limit: limits::PAGE_ROWS_MAX,
                ..RunFilter::default()
            };
            let page = self.store.runs(filter).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.new.id);
            for run in &page {
                self.runs.with_label_values(&[run.phase.word()]).inc();
                tasks.iter_mut().zip(run.counts).for_each(|(sum, count)| *sum += count);
            }
        }
        for (state, count) in TaskState::ALL.iter().zip(tasks) {
            set(&self.tasks, state.word(), count);
        }
        Ok(())
    }
}

fn set(gauges: &IntGaugeVec, name: &str, value: u64) {
    gauges.with_label_values(&[name]).set(i64::try_from(value).unwrap_or(i64::MAX));
}
