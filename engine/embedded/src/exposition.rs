//! `/metrics`: the figures of this process, its store and its machine, in Prometheus' text format.

use crate::{OpenError, State};
use prometheus::{Encoder as _, IntGaugeVec, Opts, Registry, TextEncoder};
use reelmill_hardware::Figures;
use reelmill_model::{RunState, TaskState, limits};
use reelmill_ports::{RunFilter, Store, StoreError};
use std::sync::{Arc, Mutex, PoisonError};

/// What is read anew for every scrape.
pub struct Exposition {
    registry: Registry,
    store: Arc<dyn Store>,
    machine: Mutex<Figures>,
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
        Ok(Self {
            runs: gauge("reelmill_runs", "Runs in the store that have not ended, by phase", "phase")?,
            tasks: gauge("reelmill_tasks", "Tasks of unfinished runs, by state", "state")?,
            cache: gauge("reelmill_cache", "The result cache: entries, bytes, CPU saved", "figure")?,
            host: gauge("reelmill_host", "The machine: CPU per mille, memory and disk bytes", "figure")?,
            machine: Mutex::new(Figures::new(&state.home)),
            registry: registry.clone(),
            store: state.store.clone(),
        })
    }

    /// All figures.
    pub async fn text(&self) -> Result<String, StoreError> {
        self.read_runs().await?;
        let stats = self.store.stats().await?;
        let set = |gauges: &IntGaugeVec, name: &str, value: u64| {
            gauges.with_label_values(&[name]).set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        set(&self.cache, "entries", stats.entries);
        set(&self.cache, "bytes", stats.bytes);
        set(&self.cache, "hits", stats.hits);
        set(&self.cache, "misses", stats.misses);
        set(&self.cache, "cpu_saved_milliseconds", stats.cpu_saved_ms);
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
        Ok(String::from_utf8_lossy(&text).into_owned())
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
            self.tasks.with_label_values(&[state.word()]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        Ok(())
    }
}
