//! Working until something is done: the worker is started, an interrupt lets it drain, and everything is taken down
//! in order.

use crate::args::bytes;
use crate::exit::CliError;
use reelmill_embedded::{Engine, SlotsChoice, serve};
use reelmill_model::limits::WORKER_SLOTS_MAX;
use reelmill_ports::Only;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Time that running attempts get to end after an interrupt, unless it is said otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a worker works on, and how it ends.
#[derive(Clone, Debug)]
pub struct Job {
    /// Whose tasks.
    pub only: Only,
    /// Of which queues.
    pub queues: Vec<String>,
    /// Time that running attempts get to end after an interrupt.
    pub patience: Duration,
    /// Whether it also starts the runs of triggers, and takes calls of webhooks.
    pub triggers: bool,
}

impl Job {
    /// The tasks of one run or batch.
    pub fn of(only: Only) -> Self {
        Self { only, queues: vec!["default".to_owned()], patience: PATIENCE, triggers: false }
    }
}

/// How the embedded worker works.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct WorkFlags {
    /// Attempts that run at once: a number, or `auto` for as many as CPU and memory have room for by what stages were
    /// seen to use [default: by processors and memory]
    #[arg(long, value_name = "N|auto", value_parser = slots)]
    pub slots: Option<SlotsChoice>,
    /// Memory that attempts may use together: `8Gi` [default: what the machine has]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    pub memory: Option<u64>,
    /// Neither read nor write the result cache
    #[arg(long)]
    pub no_cache: bool,
    /// Leave the folders of attempts behind, to look into them
    #[arg(long)]
    pub keep_scratch: bool,
    /// Give this machine a label that stages may ask for in `runs_on`; may be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub worker_label: Vec<(String, String)>,
    /// Say that this machine has an encoder; one of hardware is tried with a frame first. May be given again
    #[arg(long, value_name = "NAME")]
    pub worker_encoder: Vec<String>,
    /// Serve Prometheus metrics here: `127.0.0.1:9464`; a worker also takes calls of webhooks here
    #[arg(long, value_name = "ADDRESS", visible_alias = "listen")]
    pub metrics_addr: Option<SocketAddr>,
}

/// `--slots`.
fn slots(text: &str) -> Result<SlotsChoice, String> {
    if text == "auto" {
        return Ok(SlotsChoice::Auto);
    }
    let count = text.parse().ok().filter(|count| (1..=WORKER_SLOTS_MAX).contains(count));
    count
        .map(SlotsChoice::Count)
        .ok_or_else(|| format!("write a number from 1 to {WORKER_SLOTS_MAX}, or `auto`"))
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
    pair.ok_or_else(|| format!("{text:?} is not KEY=VALUE"))
}

/// How work ended.
pub enum Worked<T> {
    /// What was waited for came.
    Done(T),
    /// Someone interrupted it; what was begun is given back and can be gone on with.
    Interrupted,
}

/// Works on tasks until `done` is, or until an interrupt.
pub async fn work<T>(
    engine: &Engine,
    flags: &WorkFlags,
    job: Job,
    done: impl Future<Output = Result<T, CliError>>,
) -> Result<Worked<T>, CliError> {
    let end = CancellationToken::new();
    let hooks = job.triggers.then(|| engine.start_triggers(end.clone())).transpose()?;
    let serving = match flags.metrics_addr {
        Some(address) => {
            let with_hooks = if hooks.is_some() { ", webhooks on /hooks/PIPELINE/TRIGGER" } else { "" };
            let (address, serving) = serve(address, engine.registry.clone(), &engine.state, hooks).await?;
            eprintln!("metrics on http://{address}/metrics{with_hooks}");
            Some(serving)
        }
        None => None,
    };
    let ended = attend(engine, Some(job), done).await;
    end.cancel();
    if let Some(serving) = serving {
        serving.abort();
    }
    ended
}

/// Lets a worker work, if there is to be one, until `done` is, or until an interrupt; then it drains.
pub async fn attend<T>(
    engine: &Engine,
    job: Option<Job>,
    done: impl Future<Output = Result<T, CliError>>,
) -> Result<Worked<T>, CliError> {
    let mut interrupts = Interrupts::listen()?;
    let Some(job) = job else {
        return tokio::select! {
            result = done => result.map(Worked::Done),
            () = interrupts.next() => Ok(Worked::Interrupted),
        };
    };
    let worker = engine.start_worker(job.only, job.queues).await?;
    let ended = tokio::select! {
        result = done => result.map(Worked::Done),
        () = interrupts.next() => {
            eprintln!("stopping: running stages get {} s to end; interrupt again to stop at once", job.patience.as_secs());
            Ok(Worked::Interrupted)
        }
    };
    tokio::select! {
        () = worker.drain(job.patience) => {}
        // Leases that are still held are given back by the next start, which sees that this process is gone.
        () = interrupts.next() => {}
    }
    ended
}

/// Interrupts from the keyboard and requests to end, each one once.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Listens from now on.
    pub fn listen() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|error| anyhow::Error::new(error).context("cannot listen for signals"))
        };
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
