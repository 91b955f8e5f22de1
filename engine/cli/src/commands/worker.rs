//! `reelmill worker`: a member of a fleet. It works on whatever is submitted to its queues until it is told to stop.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::inbox::InboxDesk;
use crate::words;
use crate::work::{Job, PATIENCE, WorkFlags, work};
use anyhow::Context as _;
use humantime::format_duration;
use reelmill_embedded::{Engine, Kept, Place, worker_id};
use reelmill_inbox::{Consumer, ConsumerConfig, Tally};
use reelmill_ports::Only;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long ended runs stay in Redis.
const KEEP: Duration = Duration::from_hours(1);

/// Work on whatever is submitted, until told to stop
#[derive(clap::Args)]
#[command(
    after_help = "SIGTERM and Ctrl-C let it drain: it takes no more tasks, running stages get --drain to end, and what
is left is given back. Killed, its tasks go on elsewhere: within a second where another worker of this machine or its
own restart sees it, after its lease (10 s) otherwise.

With --slots auto it takes as many tasks at once as CPU and memory have room for, by what attempts of each stage were
seen to use: many that wait for a network, few that render. What a stage asks for in `runs_on` it gets at least; what
other programs of the machine use is left to them. It begins as without --slots, remembers what it has learned in its
home, and says in `reelmill workers` and in its log (REELMILL_LOG=info) why it has as many slots as it has.

It also starts the runs of triggers of registered pipelines (`reelmill pipelines`, `reelmill triggers`), and with
--listen takes calls of webhooks at POST /hooks/PIPELINE/TRIGGER. However many workers there are, a firing starts
one run.

Examples:
  reelmill worker --redis redis://db:6379
  reelmill worker --redis redis://db --queue default --queue gpu --slots 4 --listen 127.0.0.1:9464
  reelmill worker --redis redis://db --slots auto --memory 12Gi
  reelmill worker --redis redis://db --archive postgres://reelmill@db/reelmill --keep 10m --archive-keep 90d
  REELMILL_REDIS=redis://db reelmill worker --drain 10m"
)]
pub struct WorkerCommand {
    /// Serve this queue; may be given again [default: default]
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<String>,
    /// Time that running stages get to end when it is told to stop
    #[arg(long, value_name = "TIME", default_value_t = format_duration(PATIENCE).to_string(), value_parser = duration)]
    drain: String,
    /// Move runs that ended so long ago from Redis into the archive: that of --archive, or archive.db in this worker's home
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration)]
    keep: String,
    /// Delete runs from the archive that ended so long ago: 90d, 52w [default: never]. What was drawn from an event (an
    /// envelope, a key, a firing) is told apart from it only as long as its run is there
    #[arg(long, value_name = "TIME", value_parser = duration)]
    archive_keep: Option<String>,
    /// Delete the oldest runs of the archive when there are more than so many [default: no limit]
    #[arg(long, value_name = "N")]
    archive_runs: Option<u64>,
    /// Submit what other systems put into the stream `rm:inbox`; a pipeline they name is NAME.yaml in this folder
    #[arg(long, value_name = "DIR")]
    inbox: Option<PathBuf>,
    #[command(flatten)]
    work: WorkFlags,
}

/// Checks a time such as `90s` or `10m`.
fn duration(text: &str) -> Result<String, String> {
    humantime::parse_duration(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}; write 90s or 10m"))
}

impl WorkerCommand {
    /// What the archive keeps.
    fn kept(&self, cx: &Context) -> Result<Kept, CliError> {
        let age = self.archive_keep.as_deref().and_then(|time| humantime::parse_duration(time).ok());
        let kept = Kept { age, runs: self.archive_runs };
        if cx.place == Place::Home && kept != Kept::default() {
            let message = "--archive-keep and --archive-runs need --redis: runs at home are in no archive";
            return Err(CliError::Usage(message.to_owned()));
        }
        Ok(kept)
    }

    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let kept = self.kept(cx)?;
        let state = engine::open(cx)?;
        let queues = if self.queues.is_empty() { vec!["default".to_owned()] } else { self.queues };
        let patience = humantime::parse_duration(&self.drain).unwrap_or(PATIENCE);
        engine::block_on(async {
            let engine = engine::start(cx, state, Path::new("."), &self.work).await?;
            let served = queues.join(", ");
            let at = match &cx.place {
                Place::Home => format!("the runs in {}", cx.home.root.display()),
                Place::Redis { .. } => "the fleet".to_owned(),
            };
            let slots = slots(&engine);
            let plugins = engine.plugins.len();
            eprintln!("working for {at}: queues {served}, {slots}, {plugins} plugins; Ctrl-C lets it drain");
            let job = Job { only: Only::Any, queues, patience, triggers: true };
            let end = CancellationToken::new();
            let keep = humantime::parse_duration(&self.keep).unwrap_or(KEEP);
            engine.start_archiving(keep, kept, end.clone())?;
            let inbox = self.inbox.as_deref().map(|folder| take_envelopes(cx, &engine, folder, end.clone()));
            let inbox = inbox.transpose()?;
            work::<()>(&engine, &self.work, job, forever()).await?;
            end.cancel();
            if let Some(inbox) = inbox {
                let tally = inbox.await.context("the inbox stopped in the middle")?;
                eprintln!("inbox: {} submitted, {} bad", tally.submitted, tally.dead);
            }
            engine.close().await;
            eprintln!("drained; nothing is held any more");
            Ok(Exit::Ok)
        })
    }
}

/// How many slots there are, and why where it was not said how many.
fn slots(engine: &Engine) -> String {
    let slots = engine.capacity().slots;
    match engine.adaptive() {
        Some((follows, known)) => format!(
            "{slots} slots to begin with, {} at most ({}; {} known from before)",
            follows.slots_max,
            follows.because,
            words::count(known as u64, "stage")
        ),
        None => format!("{slots} slots"),
    }
}

/// Takes envelopes until `end`.
fn take_envelopes(
    cx: &Context,
    engine: &Engine,
    folder: &Path,
    end: CancellationToken,
) -> Result<JoinHandle<Tally>, CliError> {
    let Place::Redis { url, .. } = &cx.place else {
        return Err(CliError::Usage("--inbox needs --redis: the stream lies there".to_owned()));
    };
    let desk = InboxDesk {
        control: engine.state.control.clone(),
        catalog: engine.catalog(),
        pipelines: std::path::absolute(folder).context("cannot tell where the inbox's folder is")?,
    };
    let config = ConsumerConfig::new(url, worker_id().0);
    let consumer = Consumer::new(config, Arc::new(desk)).context("the inbox cannot be opened")?;
    Ok(tokio::spawn(consumer.run(end)))
}

/// A worker of a fleet has no end of its own.
async fn forever() -> Result<(), CliError> {
    loop {
        tokio::time::sleep(Duration::from_hours(24)).await;
    }
}
