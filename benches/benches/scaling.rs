//! What stays as it is while a fleet grows: throughput a worker, throughput by the length of the queue, and the memory of
//! Redis over many finished runs. Workers are the product's own, over a Redis of this bench.
//!
//! `cargo bench -p reelmill-benches --bench scaling` prints a table of ratios; with `-- --quick` a tenth of it.

use reelmill_benches::fleet::{self, Form, Product};
use reelmill_benches::median;
use reelmill_host::Plugin;
use reelmill_ports::RunStore as _;
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::RedisServer;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Naps at once in a worker.
const SLOTS: u64 = 4;
/// Naps of each worker.
const NAPS: u64 = 400;
/// Rounds of what is over quickly.
const ROUNDS: usize = 3;
/// Lengths of the queue, in runs of one task.
const LENGTHS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Runs of a long queue whose rate is measured.
const MEASURED: u64 = 20_000;
/// Rounds of finished runs, and runs of a round.
const FINISHED: (u64, u64) = (10, 20_000);
/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(5);

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(if quick { 10 } else { 1 }));
}

async fn measure(less: u64) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let plugin = fleet::plugin(&home.path().join("manifests")).await;
    let bench = Bench { server: RedisServer::in_memory(), plugin, home: home.path() };
    bench.workers(NAPS / less).await;
    bench.lengths(less).await;
    bench.finished(FINISHED.1 / less).await;
}

struct Bench<'h> {
    server: RedisServer,
    plugin: Arc<Plugin>,
    home: &'h Path,
}

impl Bench<'_> {
    /// Empties the server and enqueues runs.
    async fn queue(&self, form: Form, runs: u64) -> Arc<RedisStore> {
        let _ = self.server.ask(&["FLUSHALL"]);
        let store = Arc::new(RedisStore::open(&Config::new(self.server.url())).expect("a store"));
        self.add(&store, form, runs).await;
        store
    }

    async fn add(&self, store: &Arc<RedisStore>, form: Form, runs: u64) {
        let pipeline = form.pipeline(&self.plugin);
        store.put_graph(pipeline.digest, pipeline.graph.clone()).await.expect("a graph");
        fleet::submit_all(store, &pipeline, runs).await;
    }

    fn worker(&self, no: u64, more: &[&str]) -> Product {
        Product::start(&self.home.join(format!("w{no}")), &self.server.url(), more)
    }

    fn ended(&self) -> u64 {
        self.server.ask(&["LLEN", "rm:{0}:ended"]).parse().unwrap_or(0)
    }

    /// Runs a second between a tenth and nine tenths of so many.
    async fn rate(&self, runs: u64) -> f64 {
        let passed = |count| async move {
            while self.ended() < count {
                tokio::time::sleep(LOOK).await;
            }
            (self.ended(), Instant::now())
        };
        let (low, begun) = passed(runs / 10).await;
        let (high, over) = passed(runs * 9 / 10).await;
        (high - low) as f64 / (over - begun).as_secs_f64()
    }

    /// One, two and four workers, in turn, round after round.
    async fn workers(&self, naps: u64) {
        let mut rates: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS {
            for (at, count) in [1, 2, 4].into_iter().enumerate() {
                let store = self.queue(Form::Nap, naps * count).await;
                let slots = SLOTS.to_string();
                let workers: Vec<Product> =
                    (0..count).map(|no| self.worker(no, &["--slots", &slots])).collect();
                rates[at].push(self.rate(naps * count).await);
                drop((workers, store));
            }
        }
        let [one, two, four] = rates.map(median);
        for (count, rate) in [(1.0, one), (2.0, two), (4.0, four)] {
            println!(
                "{count} workers, {SLOTS} slots each, stages of 50 ms: {rate:>8.1} tasks/s, {:.3} of linear",
                rate / one / count
            );
        }
    }

    /// Rates at the head of queues of several lengths.
    async fn lengths(&self, less: u64) {
        let mut first = None;
        for length in LENGTHS.map(|length| length / less) {
            // What is over in a moment is measured again.
            let rounds = if length <= MEASURED { ROUNDS } else { 1 };
            let mut rates = Vec::new();
            for _ in 0..rounds {
                let store = self.queue(Form::Noop, length).await;
                let worker = self.worker(0, &[]);
                rates.push(self.rate(length.min(MEASURED)).await);
                drop((worker, store));
            }
            let rate = median(rates);
            let first = *first.get_or_insert(rate);
            println!("{length:>9} queued: {rate:>9.0} tasks/s, {:.3} of the first", rate / first);
        }
    }

    /// Memory of Redis while runs finish and are archived: it grows until the log of events is full, and no further.
    async fn finished(&self, runs: u64) {
        let store = self.queue(Form::Noop, 0).await;
        let worker = self.worker(0, &["--keep", "1s"]);
        let (mut first, mut total) = (None, 0);
        for _ in 0..FINISHED.0 {
            self.add(&store, Form::Noop, runs).await;
            total += runs;
            // Nothing waits, nothing is worked on, and what has ended is in the archive.
            while self.server.ask(&["EXISTS", "rm:{0}:runs", "rm:{0}:fresh"]) != "0" {
                tokio::time::sleep(LOOK).await;
            }
            let mib = self.server.figure("used_memory") / f64::from(1 << 20);
            let first = *first.get_or_insert(mib);
            println!("{total:>9} finished: {mib:>7.1} MiB of Redis, {:.3} of the first", mib / first);
        }
        drop(worker);
    }
}
