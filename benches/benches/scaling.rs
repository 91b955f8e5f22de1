//! What stays as it is while a fleet grows: throughput a worker, throughput by the length of the queue, and the memory of
//! Redis over many finished runs. Workers are the product's own, over a Redis of this bench.
//!
//! `make bench-scaling` prints a table of ratios; with `SCALING=--quick` a part of it.

use reelmill_benches::fleet::{self, Form, Product};
use reelmill_benches::median;
use reelmill_graph::light_lane;
use reelmill_host::Plugin;
use reelmill_ports::{Fleet as _, RunStore as _};
use reelmill_store_redis::{Config, RedisStore};
use reelmill_test_redis::RedisServer;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Naps at once in a worker.
const SLOTS: u64 = 4;
/// Naps of each worker.
const NAPS: u64 = 400;
/// Rounds in which all sizes take turns.
const ROUNDS: usize = 3;
/// Lengths of the queue, in runs of one task.
const LENGTHS: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Runs at the head of a queue whose rate is measured, and runs before them, until the worker has loaded what it needs.
const MEASURED: u64 = 20_000;
const WARM: u64 = 2_000;
/// Rounds of finished runs, and runs of a round.
const FINISHED: (u64, u64) = (10, 20_000);
/// Runs that finish before them: their events are more than the log keeps.
const FILLING: u64 = 120_000;
/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(5);
/// Ended runs of the one partition; an entry begins with the moment, 6 bytes of milliseconds.
const ENDED: &str = "rm:{0}:ended";

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(measure(quick));
}

async fn measure(quick: bool) {
    let home = tempfile::tempdir().expect("a temporary folder");
    let plugin = fleet::plugin(&home.path().join("manifests")).await;
    let bench = Bench { server: RedisServer::in_memory(), plugin, home: home.path() };
    let (naps, lengths, rounds) =
        if quick { (NAPS / 10, &LENGTHS[..3], 1) } else { (NAPS, &LENGTHS[..], ROUNDS) };
    bench.workers(naps, rounds).await;
    bench.lengths(lengths, rounds).await;
    bench.finished(if quick { FINISHED.1 / 10 } else { FINISHED.1 }).await;
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
        self.server.ask(&["LLEN", ENDED]).parse().unwrap_or(0)
    }

    async fn wait_for(&self, ended: u64) {
        while self.ended() < ended {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Runs a second between a tenth and nine tenths of so many.
    async fn rate(&self, runs: u64) -> f64 {
        let passed = |count| async move {
            self.wait_for(count).await;
            (self.ended(), Instant::now())
        };
        let (low, begun) = passed(runs / 10).await;
        let (high, over) = passed(runs * 9 / 10).await;
        (high - low) as f64 / (over - begun).as_secs_f64()
    }

    /// One, two and four workers, in turn, round after round.
    async fn workers(&self, naps: u64, rounds: usize) {
        let mut rates: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
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

    /// Rates at the head of queues of several lengths, in turn, round after round.
    async fn lengths(&self, lengths: &[u64], rounds: usize) {
        let mut rates = vec![Vec::new(); lengths.len()];
        for _ in 0..rounds {
            for (rates, length) in rates.iter_mut().zip(lengths) {
                rates.push(self.rate_at_the_head(*length).await);
            }
        }
        let rates: Vec<f64> = rates.into_iter().map(median).collect();
        for (length, rate) in lengths.iter().zip(&rates) {
            println!("{length:>9} queued: {rate:>9.0} tasks/s, {:.3} of the first", rate / rates[0]);
        }
    }

    /// Tasks a second at the head of a queue that is filled while it is paused, before a worker that is warm. A short
    /// queue is filled again and again.
    async fn rate_at_the_head(&self, length: u64) -> f64 {
        let store = self.queue(Form::Noop, WARM).await;
        let worker = self.worker(0, &[]);
        self.wait_for(WARM).await;
        let (head, mut before, mut tasks, mut ms) = (length.min(MEASURED), WARM, 0, 0);
        while before < WARM + MEASURED {
            pause(&store, true).await;
            self.add(&store, Form::Noop, length).await;
            pause(&store, false).await;
            self.wait_for(before + head).await;
            let (later, time_ms) = self.span(before, head);
            (before, tasks, ms) = (before + head, tasks + later, ms + time_ms);
        }
        drop((worker, store));
        tasks as f64 * 1_000.0 / ms as f64
    }

    /// Of so many runs that ended after some others: how many ended later than those of the first step, and in how many
    /// milliseconds, by the server's clock.
    fn span(&self, before: u64, runs: u64) -> (u64, u64) {
        let client = redis::Client::open(self.server.url()).expect("an address");
        let mut server = client.get_connection().expect("the server answers");
        let mut question = redis::cmd("LRANGE");
        question.arg(ENDED).arg(before).arg(before + runs - 1);
        let entries: Vec<Vec<u8>> = question.query(&mut server).expect("the runs");
        let moment = |entry: &Vec<u8>| entry[..6].iter().fold(0, |ms, byte| ms << 8 | u64::from(*byte));
        let moments: Vec<u64> = entries.iter().map(moment).collect();
        let (first, last) = (moments[0], moments[moments.len() - 1]);
        (moments.iter().filter(|ms| **ms > first).count() as u64, last - first)
    }

    /// Memory of Redis while runs finish and are archived, once the log of events is full.
    async fn finished(&self, runs: u64) {
        let store = self.queue(Form::Noop, 0).await;
        let worker = self.worker(0, &["--keep", "1s"]);
        let first = self.memory_after(&store, FILLING).await;
        println!("{FILLING:>9} finished: {first:>7.1} MiB of Redis, the log of events is full");
        for round in 1..=FINISHED.0 {
            let mib = self.memory_after(&store, runs).await;
            println!("{:>9} more: {mib:>11.1} MiB of Redis, {:.3} of the first", round * runs, mib / first);
        }
        drop(worker);
    }

    /// MiB of the server when so many more runs have finished, and all that have are in the archive.
    async fn memory_after(&self, store: &Arc<RedisStore>, runs: u64) -> f64 {
        self.add(store, Form::Noop, runs).await;
        while self.server.ask(&["EXISTS", "rm:{0}:runs", "rm:{0}:fresh"]) != "0" {
            tokio::time::sleep(LOOK).await;
        }
        self.server.figure("used_memory") / f64::from(1 << 20)
    }
}

/// Pauses the queue, or lets it go on.
async fn pause(store: &RedisStore, paused: bool) {
    for lane in ["default".to_owned(), light_lane("default")] {
        store.pause_lane(&lane, paused).await.expect("it is noted");
    }
}
