//! `reelmill serve`: the web page and the REST interface, with a worker in the same process.

use super::Context;
use crate::args::bytes;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::work::{Job, PATIENCE, WorkFlags, attend};
use anyhow::Context as _;
use reelmill_api::{Config, Keys, ServeError, serve};
use reelmill_embedded::{Engine, Kept};
use reelmill_model::limits::API_UPLOAD_BYTES_DEFAULT;
use reelmill_ports::Only;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How long ended runs of a fleet stay in Redis.
const KEEP: Duration = Duration::from_hours(1);

/// Serve the web page and the REST interface, and work on what is submitted
#[derive(clap::Args)]
#[command(
    after_help = "Open http://127.0.0.1:7070 for the page; /openapi.json describes what programs can ask. Runs are kept
in the home folder, or with --redis in a fleet's Redis. Ctrl-C and SIGTERM let it drain: running stages get 10 s to end,
and what is left goes on at the next start.

Without keys whoever reaches it may do everything, so it listens on this machine only, and answers neither to other names
than this machine's nor to pages of other sites. Other addresses need a file of keys, a line each, `NAME ROLE KEY`:
  viewer     looks at everything
  submitter  uploads files, and starts pipelines that are there
  operator   starts pipelines of its own (they may name files and secrets of the server); cancels, retries, approves,
             deletes
  admin      registers and removes pipelines
It has no TLS: put a proxy before it, and tell its name with --host.

Examples:
  reelmill serve                                           the pipelines of ./pipelines, or of this folder
  reelmill serve --pipelines ~/reels --slots auto
  reelmill serve --addr 0.0.0.0:7070 --keys keys.txt --host reels.example.org
  reelmill serve --redis redis://db --no-worker            in front of a fleet
  curl -T song.mp3 http://127.0.0.1:7070/api/v1/files/music/song.mp3
  curl http://127.0.0.1:7070/api/v1/runs -H 'content-type: application/json' \\
    -d '{\"pipeline\": \"topic_to_video.yaml\", \"inputs\": {\"topic\": \"How tides work\"}}'"
)]
pub struct Serve {
    /// Listen here; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    addr: SocketAddr,
    /// The folder of pipelines, with `plugins` beside them [default: pipelines below this folder, or this folder]
    #[arg(long, value_name = "DIR")]
    pipelines: Option<PathBuf>,
    /// Let in whoever has a key of this file
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// A name under which it is reached, beside addresses and localhost; may be given again
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Bytes of one upload [default: 2Gi]
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    upload_max: Option<u64>,
    /// Serve this queue; may be given again [default: default]
    #[arg(long = "queue", value_name = "NAME")]
    queues: Vec<String>,
    /// Work on nothing here: leave it to the workers
    #[arg(long)]
    no_worker: bool,
    #[command(flatten)]
    work: WorkFlags,
}

impl Serve {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let config = self.config()?;
        let state = engine::open(cx)?;
        let queues = if self.queues.is_empty() { vec!["default".to_owned()] } else { self.queues.clone() };
        let job = Job { only: Only::Any, queues, patience: PATIENCE, triggers: true };
        engine::block_on(async {
            let folder = config.pipelines.clone();
            let engine = engine::start(cx, state, &folder, &self.work).await?;
            let end = CancellationToken::new();
            let hooks = engine.start_triggers(end.clone())?;
            engine.start_archiving(KEEP, Kept::default(), end.clone())?;
            let serving = serve(config, &engine, Some(hooks)).await.map_err(failed)?;
            eprintln!("{}", self.sentence(serving.address, &folder, &engine));
            attend::<()>(&engine, (!self.no_worker).then_some(job), std::future::pending()).await?;
            drop(serving);
            end.cancel();
            engine.close().await;
            eprintln!("drained; nothing is held any more");
            Ok(Exit::Ok)
        })
    }

    fn config(&self) -> Result<Config, CliError> {
        if self.work.metrics_addr.is_some() {
            let message = "leave --metrics-addr out: `serve` has /metrics and /hooks at --addr";
            return Err(CliError::Usage(message.to_owned()));
        }
        let config = Config {
            address: self.addr,
            pipelines: self.folder()?,
            keys: self.keys.as_deref().map(read_keys).transpose()?.unwrap_or_default(),
            names: self.hosts.clone(),
            upload_bytes_max: self.upload_max.unwrap_or(API_UPLOAD_BYTES_DEFAULT),
        };
        config.check().map_err(failed)?;
        Ok(config)
    }

    /// The folder of pipelines, absolute.
    fn folder(&self) -> Result<PathBuf, CliError> {
        let beside = Path::new("pipelines");
        let folder = match &self.pipelines {
            Some(folder) if !folder.is_dir() => {
                return Err(CliError::Usage(format!("--pipelines: there is no folder {}", folder.display())));
            }
            Some(folder) => folder,
            None if beside.is_dir() => beside,
            None => Path::new("."),
        };
        Ok(std::path::absolute(folder)
            .with_context(|| format!("cannot tell where {} is", folder.display()))?)
    }

    fn sentence(&self, address: SocketAddr, folder: &Path, engine: &Engine) -> String {
        let work = if self.no_worker {
            "no worker".to_owned()
        } else {
            format!("{} slots", engine.capacity().slots)
        };
        let folder = folder.display();
        format!(
            "serving http://{address}: pipelines of {folder}, {} plugins, {work}; Ctrl-C lets it drain",
            engine.plugins.len()
        )
    }
}

fn read_keys(file: &Path) -> Result<Keys, CliError> {
    let name = file.display();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let mode = std::fs::metadata(file).map(|facts| facts.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o004 != 0) {
        eprintln!(
            "warning: everybody on this machine can read {name}; `chmod 600 {name}` keeps the keys to you"
        );
    }
    Keys::parse(&text).map_err(|error| CliError::Usage(format!("{name}, {error}")))
}

fn failed(error: ServeError) -> CliError {
    match error {
        ServeError::NoKeys(_) => CliError::Usage(format!("{error} (--keys, --addr)")),
        ServeError::Open(error) => error.into(),
        error => anyhow::Error::new(error).into(),
    }
}
