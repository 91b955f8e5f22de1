//! What the boundary between worker and plugin costs: a process made ready, a call, a crash, an inline call.
//!
//! Prints p50, p90 and p99 beside each goal.

use reelmill_host::{Attempt, AttemptEnd, CallInfo, Host, HostConfig, Plugin, catalog};
use reelmill_protocol::frame::Message;
use reelmill_protocol::{Confinement, FrameReader, FromRunner, Load, Program, ToRunner};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let runner = catalog::runner_path();
    if !runner.is_file() {
        return Err(
            format!("{} is missing: cargo build --release -p reelmill-runner", runner.display()).into()
        );
    }
    let program = std::env::current_exe()?;
    let library = program.parent().ok_or("no folder")?.join("libreelmill_faulty.so");
    println!("{:<44} {:>10} {:>10} {:>10}   goal", "", "p50", "p90", "p99");
    let ready = measure(400, || ready(&runner, &library))?;
    row("spawn, sandbox, load, open: ready", ready, "p99 < 3 ms");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(through_the_host(&runner, &library))
}

async fn through_the_host(runner: &Path, library: &Path) -> Outcome<()> {
    let bench = Bench::new(runner, library, 1).await?;
    bench.call("pooled").await?;
    row("warm call (pooled process)", bench.calls("pooled", 4000).await?, "p50 < 100 µs");
    row("fresh process for each attempt, with spare", bench.calls("echo", 400).await?, "");
    row("crash, then the next call (with spare)", bench.after_crashes(200).await?, "p99 < 100 ms");
    let inline = bench.inline(20_000)?;
    row("inline call", inline, "p50 < 5 µs");
    bench.host.shutdown().await;

    let bare = Bench::new(runner, library, 0).await?;
    row("fresh process for each attempt, no spare", bare.calls("echo", 400).await?, "");
    row("crash, then the next call (no spare)", bare.after_crashes(200).await?, "p99 < 100 ms");
    bare.host.shutdown().await;
    Ok(())
}

/// A host and a plugin to measure.
struct Bench {
    host: Host,
    plugin: Arc<Plugin>,
    root: TempDir,
}

impl Bench {
    async fn new(runner: &Path, library: &Path, spares: usize) -> Outcome<Self> {
        let root = tempfile::tempdir()?;
        let scratch = root.path().join("scratch");
        std::fs::create_dir_all(scratch.join("attempt"))?;
        let mut config = HostConfig::new(runner, scratch, root.path());
        config.spares = spares;
        config.quarantine_crashes = usize::MAX;
        config.recycle_calls = u32::MAX;
        let plugin = catalog::open(library, true, root.path(), runner).await.map_err(|p| p.to_string())?;
        Ok(Self { host: Host::new(config), plugin: Arc::new(plugin), root })
    }

    async fn attempt(&self, stage: &str) -> AttemptEnd {
        let (events, mut said) = mpsc::channel(64);
        let attempt = Attempt {
            plugin: Arc::clone(&self.plugin),
            stage: stage.to_owned(),
            with: with(),
            call: CallInfo::default(),
            scratch: self.root.path().join("scratch/attempt"),
            read_paths: Vec::new(),
            write_paths: Vec::new(),
            run_timeout: Some(Duration::from_secs(10)),
            idle_timeout: None,
            memory_bytes: None,
            cancel: CancellationToken::new(),
            events,
        };
        let listening = async { while said.recv().await.is_some() {} };
        tokio::join!(self.host.run(attempt), listening).0
    }

    async fn call(&self, stage: &str) -> Outcome<()> {
        self.attempt(stage).await.result.map(|_| ()).map_err(|failure| failure.to_string().into())
    }

    async fn calls(&self, stage: &str, count: usize) -> Outcome<Vec<Duration>> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let begun = Instant::now();
            self.call(stage).await?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }

    /// From the report of a crash to the end of the next call of the same plugin.
    async fn after_crashes(&self, count: usize) -> Outcome<Vec<Duration>> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            if self.attempt("segfault").await.result.is_ok() {
                return Err("the stage that crashes did not".into());
            }
            let begun = Instant::now();
            self.call("echo").await?;
            times.push(begun.elapsed());
        }
        Ok(times)
    }

    fn inline(&self, count: usize) -> Outcome<Vec<Duration>> {
        let (with, call) = (with(), CallInfo::default());
        measure(count, || {
            let begun = Instant::now();
            self.host
                .run_inline(&self.plugin, "noop", &with, &call)
                .map_err(|failure| failure.to_string())?;
            Ok(begun.elapsed())
        })
    }
}

/// About 256 bytes each way.
fn with() -> Value {
    json!({ "text": "x".repeat(200), "numbers": [1, 2, 3], "flag": true })
}

/// From the start of a runner to its word that the stage is open, in a sandbox.
fn ready(runner: &Path, library: &Path) -> Outcome<Duration> {
    let begun = Instant::now();
    let (mut ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(runner)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .process_group(0)
        .env_clear()
        .spawn()?;
    let confinement = Confinement {
        read: vec![PathBuf::from("/tmp")],
        write: vec![std::env::temp_dir()],
        memory_bytes: 1 << 30,
        ..Confinement::default()
    };
    let load =
        Load { program: Program::Library(library.to_owned()), stage: Some("echo".to_owned()), confinement };
    let mut bytes = Vec::new();
    ToRunner::Load(Box::new(load)).write_to(&mut bytes)?;
    ours.write_all(&bytes)?;
    let mut reader = FrameReader::default();
    let mut buffer = [0; 4096];
    loop {
        match reader.take::<FromRunner>()? {
            Some(FromRunner::Ready { .. }) => break,
            Some(other) => return Err(format!("not ready: {other:?}").into()),
            None => match ours.read(&mut buffer)? {
                0 => return Err("the runner hung up".into()),
                length => reader.feed(&buffer[..length]),
            },
        }
    }
    let time = begun.elapsed();
    drop(ours);
    child.wait()?;
    Ok(time)
}

fn measure(count: usize, mut once: impl FnMut() -> Outcome<Duration>) -> Outcome<Vec<Duration>> {
    once()?;
    (0..count).map(|_| once()).collect()
}

fn row(what: &str, mut times: Vec<Duration>, goal: &str) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    println!("{what:<44} {:>10} {:>10} {:>10}   {goal}", show(at(50)), show(at(90)), show(at(99)));
}

fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1000.0 { format!("{micros:.1} µs") } else { format!("{:.2} ms", micros / 1000.0) }
}
