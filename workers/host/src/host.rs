//! The host: from an ordered attempt to its end.

use crate::attempt::{Attempt, AttemptEnd};
use crate::config::HostConfig;
use crate::drive::{Drive, End, Order, Stop};
use crate::environment;
use crate::plugin::{Parts, Plugin};
use crate::pool::{Key, Pool};
use crate::process::Process;
use crate::quarantine::Quarantine;
use crate::usage::{self, Memory};
use crate::verdict::{self, Seen};
use reelmill_model::{
    CallInfo, Failure, FailureClass, Needs, PluginKind, Reuse, StageManifest, Usage, limits,
};
use reelmill_protocol::Load;
use serde::Serialize;
use serde_json::Value;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a process may take to exit after its last attempt.
const CLOSE_LIMIT: Duration = Duration::from_millis(500);

type Failed = Box<Failure>;

/// Runs plugins. Cheap to clone; all clones share processes.
#[derive(Clone, Debug)]
pub struct Host {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: HostConfig,
    pool: Pool,
    quarantine: Mutex<Quarantine>,
    /// Processes that are being closed, spares that are being made.
    background: TaskTracker,
}

/// What `run` of a stage is given.
#[derive(Serialize)]
pub(crate) struct Input<'a> {
    pub(crate) with: &'a Value,
    pub(crate) call: &'a CallInfo,
}

/// An attempt whose stage was found and whose input was checked.
struct Prepared<'a> {
    attempt: &'a Attempt,
    stage: &'a StageManifest,
    parts: &'a Parts,
    load: Load,
    key: Key,
    input: Vec<u8>,
}

impl Host {
    /// A host that has started nothing yet.
    #[must_use]
    pub fn new(config: HostConfig) -> Self {
        let quarantine = Quarantine::new(config.quarantine_crashes, config.quarantine_window);
        Self {
            inner: Arc::new(Inner {
                config,
                pool: Pool::default(),
                quarantine: Mutex::new(quarantine),
                background: TaskTracker::new(),
            }),
        }
    }

    /// Its configuration.
    #[must_use]
    pub fn config(&self) -> &HostConfig {
        &self.inner.config
    }

    /// Processes that wait for work.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.inner.pool.len()
    }

    /// Runs one attempt. Whatever the plugin does, this returns soon after the attempt was cancelled or its time
    /// was up.
    pub async fn run(&self, attempt: Attempt) -> AttemptEnd {
        let mut usage = Usage::default();
        let result = self.attempt(&attempt, &mut usage).await.map_err(|failure| *failure);
        AttemptEnd { result, usage }
    }

    /// Ends all idle processes and waits until everything this host started is gone. Attempts that still run
    /// end their own processes.
    pub async fn shutdown(&self) {
        self.discard(self.inner.pool.close());
        self.inner.background.close();
        self.inner.background.wait().await;
    }

    async fn attempt(&self, attempt: &Attempt, usage: &mut Usage) -> Result<Value, Failed> {
        let prepared = self.prepare(attempt)?;
        let (taken, unwell) = self.inner.pool.take(&prepared.key);
        self.discard(unwell);
        let mut process = match taken {
            Some(process) => process,
            None => self.open(&prepared, usage).await?,
        };
        if prepared.is_fresh() {
            self.replenish(&prepared);
        }
        let begun = Instant::now();
        let cpu_before = prepared.cpu_before(&process);
        let is_program = prepared.is_program();
        let mut drive = Drive::new(&mut process, Some(&attempt.events));
        let end = drive.run(prepared.order(&self.inner.config)).await;
        usage.execute_ms = millis(begun.elapsed());
        let memory = drive.look();
        let seen = Seen {
            progress: drive.progress.take(),
            memory_limit: prepared.key.memory_bytes,
            memory_peak: drive.memory_peak,
            memory_after: memory,
            ..Seen::default()
        };
        let (stop, mut cpu_us) = (drive.stop, drive.cpu_us);
        usage.rss_peak_bytes = seen.memory_peak;
        if is_program {
            cpu_us = usage::cpu_us(process.worker).saturating_sub(cpu_before);
        }
        usage.cpu_ms = cpu_us.div_ceil(1000);
        self.settle(&prepared, process, end, stop, seen, usage).await
    }

    /// Finds the stage, checks that it may run, checks its input, and says what process it needs.
    fn prepare<'a>(&self, attempt: &'a Attempt) -> Result<Prepared<'a>, Failed> {
        let plugin = &attempt.plugin;
        let (stage, parts) = plugin.require(&attempt.stage)?;
        let refusal = self
            .quarantine(|q| q.refusal(plugin.located.digest, &plugin.located.manifest.name, Instant::now()));
        if let Some(refusal) = refusal {
            return Err(Box::new(refusal));
        }
        parts.check_input(stage, &attempt.with)?;
        let config = &self.inner.config;
        let program = plugin.program()?;
        let memory_bytes = attempt.memory_bytes.unwrap_or_else(|| self.memory_of(&stage.needs));
        let mut write = vec![config.scratch_root.clone()];
        if !attempt.scratch.starts_with(&config.scratch_root) {
            write.push(attempt.scratch.clone());
        }
        write.extend_from_slice(&attempt.write_paths);
        let confinement = environment::confinement(
            config,
            &program,
            &stage.needs,
            &attempt.read_paths,
            write,
            memory_bytes,
        );
        let key = Key::new(plugin.located.digest, &stage.id, &confinement);
        let call = CallInfo { scratch: attempt.scratch.clone(), ..attempt.call.clone() };
        let input = serde_json::to_vec(&Input { with: &attempt.with, call: &call })
            .map_err(|error| Box::new(Failure::new(FailureClass::InvalidInput, error.to_string())))?;
        let load = Load { program, stage: Some(stage.id.clone()), confinement };
        Ok(Prepared { attempt, stage, parts, load, key, input })
    }

    /// Memory an attempt of a stage may use when nothing else is said, in bytes.
    #[must_use]
    pub fn memory_of(&self, needs: &Needs) -> u64 {
        if needs.memory_mib == 0 { self.inner.config.default_memory_bytes } else { needs.memory_mib << 20 }
    }

    /// Starts a process and waits until its stage is open.
    async fn open(&self, prepared: &Prepared<'_>, usage: &mut Usage) -> Result<Process, Failed> {
        let (stage, attempt) = (prepared.stage, prepared.attempt);
        let config = &self.inner.config;
        let mut process = Process::spawn(config, prepared.load.clone(), &stage.needs)
            .map_err(|error| no_process(config, &error))?;
        let mut drive = Drive::new(&mut process, Some(&attempt.events));
        let end = drive.until_ready(config.open_limit, &attempt.cancel).await;
        let stop = drive.stop;
        if matches!(end, End::Ready) {
            process.resident_at_start = usage::memory(process.worker).resident;
            return Ok(process);
        }
        let seen = Seen { memory_limit: prepared.key.memory_bytes, opening: true, ..Seen::default() };
        match self.settle(prepared, process, end, stop, seen, usage).await {
            Err(failure) => Err(failure),
            Ok(_) => Err(Box::new(Failure::new(
                FailureClass::Protocol,
                format!("stage `{}` replied before it was asked anything", stage.id),
            ))),
        }
    }

    /// Judges an end and keeps or ends the process.
    async fn settle(
        &self,
        prepared: &Prepared<'_>,
        process: Process,
        end: End,
        stop: Option<Stop>,
        mut seen: Seen,
        usage: &mut Usage,
    ) -> Result<Value, Failed> {
        let stage = prepared.stage.id.as_str();
        seen.printed = process.output.tail();
        let timed_out = self.stopped(prepared, stop, &seen);
        match end {
            End::Ready => Ok(Value::Null),
            End::Replied(outputs) => {
                let result = prepared.judge(&outputs);
                let healthy = result.is_ok();
                self.part(prepared, process, healthy, seen.memory_after, usage).await;
                // What came in time counts, also when someone had asked it to stop meanwhile.
                match timed_out {
                    Some(failure) if stop != Some(Stop::Cancelled) => Err(failure),
                    _ => result,
                }
            }
            End::Failed(failure) => {
                let failure = verdict::of_plugin(*failure, stage, &seen);
                let healthy =
                    failure.class != FailureClass::Internal && failure.class != FailureClass::Protocol;
                self.part(prepared, process, healthy, seen.memory_after, usage).await;
                match timed_out {
                    Some(timeout) if stop != Some(Stop::Cancelled) => Err(timeout),
                    _ => Err(Box::new(failure)),
                }
            }
            End::Gone => {
                let (ended, killed) = process.end().await;
                usage.cpu_ms = usage.cpu_ms.max(ended.cpu_us.div_ceil(1000));
                let failure = timed_out.unwrap_or_else(|| {
                    Box::new(if killed {
                        verdict::of_broken(stage, &"it closed the socket and went on", &seen)
                    } else {
                        verdict::of_ended(stage, ended, &seen)
                    })
                });
                self.note_crash(prepared.key.plugin, failure.class);
                Err(failure)
            }
            End::Broken(error) => {
                let failure = verdict::of_broken(stage, &error, &seen);
                let ended = process.end_now().await;
                usage.cpu_ms = usage.cpu_ms.max(ended.cpu_us.div_ceil(1000));
                Err(Box::new(failure))
            }
            End::MustDie => {
                let ended = process.end_now().await;
                usage.cpu_ms = usage.cpu_ms.max(ended.cpu_us.div_ceil(1000));
                Err(timed_out.unwrap_or_else(|| Box::new(verdict::of_memory(stage, &seen))))
            }
        }
    }

    /// The failure of an attempt that was stopped from outside; none when it was not.
    fn stopped(&self, prepared: &Prepared<'_>, stop: Option<Stop>, seen: &Seen) -> Option<Failed> {
        let stage = prepared.stage.id.as_str();
        let attempt = prepared.attempt;
        let timeout = |which, limit: Option<Duration>| {
            verdict::of_timeout(stage, which, limit.unwrap_or(self.inner.config.open_limit), seen)
        };
        Some(Box::new(match stop? {
            Stop::RunTimeout => timeout("run", attempt.run_timeout),
            Stop::Opening => timeout("open", None),
            Stop::IdleTimeout => timeout("idle", attempt.idle_timeout),
            Stop::Memory => verdict::of_memory(stage, seen),
            Stop::Cancelled if seen.opening => Failure::new(
                FailureClass::Cancelled,
                format!("stage `{stage}` was cancelled before it began"),
            ),
            Stop::Cancelled => Failure::new(
                FailureClass::Cancelled,
                format!("stage `{stage}` was cancelled, did not stop in time and was killed"),
            )
            .with_code("killed"),
        }))
    }

    /// Keeps a process that answered for later, or waits for its end.
    async fn part(
        &self,
        prepared: &Prepared<'_>,
        process: Process,
        healthy: bool,
        memory: Memory,
        usage: &mut Usage,
    ) {
        let config = &self.inner.config;
        if prepared.is_fresh() || !healthy {
            let ended = process.close(CLOSE_LIMIT).await;
            // The whole life of a process that served one attempt is what the attempt cost.
            if prepared.is_fresh() {
                usage.cpu_ms = ended.cpu_us.div_ceil(1000);
            }
            return;
        }
        let grown = memory.resident.saturating_sub(process.resident_at_start);
        if process.calls >= config.recycle_calls || grown > config.recycle_growth_bytes {
            self.discard(vec![process]);
        } else {
            usage::forget_peak(process.worker, memory);
            self.discard(self.inner.pool.put(prepared.key.clone(), process, config.idle_max));
        }
    }

    /// Makes a spare in the background, when the stage is used often enough to be worth one.
    fn replenish(&self, prepared: &Prepared<'_>) {
        if !self.inner.pool.wants_spare(&prepared.key, self.inner.config.spares) {
            return;
        }
        let (host, key, load) = (self.clone(), prepared.key.clone(), prepared.load.clone());
        let needs = prepared.stage.needs.clone();
        self.inner.background.spawn(async move {
            let config = &host.inner.config;
            if let Ok(mut process) = Process::spawn(config, load, &needs) {
                let mut drive = Drive::new(&mut process, None);
                match drive.until_ready(config.open_limit, &CancellationToken::new()).await {
                    End::Ready => host.discard(host.inner.pool.put(key.clone(), process, config.idle_max)),
                    // The attempt that needs a process will see the same and report it.
                    _ => drop(process.end_now().await),
                }
            }
            host.inner.pool.spare_made(&key);
        });
    }

    /// Closes processes in the background.
    fn discard(&self, processes: Vec<Process>) {
        for process in processes {
            self.inner.background.spawn(process.close(CLOSE_LIMIT));
        }
    }

    fn note_crash(&self, plugin: reelmill_model::Digest, class: FailureClass) {
        if matches!(class, FailureClass::Crashed | FailureClass::SandboxDenied | FailureClass::Protocol) {
            self.quarantine(|quarantine| quarantine.note(plugin, Instant::now()));
        }
    }

    fn quarantine<T>(&self, with: impl FnOnce(&mut Quarantine) -> T) -> T {
        with(&mut self.inner.quarantine.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Prepared<'_> {
    fn plugin(&self) -> &Plugin {
        &self.attempt.plugin
    }

    fn is_fresh(&self) -> bool {
        self.stage.reuse == Reuse::Fresh
    }

    fn is_program(&self) -> bool {
        self.plugin().located.manifest.kind == PluginKind::Exec
    }

    fn cpu_before(&self, process: &Process) -> u64 {
        if self.is_program() && process.calls > 0 { usage::cpu_us(process.worker) } else { 0 }
    }

    fn order(&self, config: &HostConfig) -> Order<'_> {
        let narrowed: Option<PathBuf> =
            (self.is_fresh() && !self.is_program()).then(|| self.attempt.scratch.clone());
        Order {
            input: self.input.clone(),
            only: narrowed,
            run_timeout: self.attempt.run_timeout,
            idle_timeout: self.attempt.idle_timeout,
            grace: config.grace,
            memory_limit: self.key.memory_bytes,
            cancel: &self.attempt.cancel,
        }
    }

    /// Parses and checks outputs.
    fn judge(&self, outputs: &[u8]) -> Result<Value, Failed> {
        judge_outputs(self.stage, self.parts, outputs)
    }
}

/// Parses and checks the outputs of a stage.
pub(crate) fn judge_outputs(stage: &StageManifest, parts: &Parts, outputs: &[u8]) -> Result<Value, Failed> {
    if outputs.len() > limits::PAYLOAD_BYTES_MAX {
        let message = format!(
            "stage `{}` put out {} bytes of JSON; {} are allowed, and what is larger belongs in a file \
             ({{\"$file\": …}})",
            stage.id,
            outputs.len(),
            limits::PAYLOAD_BYTES_MAX
        );
        return Err(Box::new(Failure::new(FailureClass::Protocol, message).with_code("outputs_too_large")));
    }
    let value: Value = serde_json::from_slice(outputs).map_err(|error| {
        let message = format!("stage `{}` replied with something that is no JSON: {error}", stage.id);
        Box::new(Failure::new(FailureClass::Protocol, message).with_code("bad_outputs"))
    })?;
    parts.check_output(stage, &value)?;
    Ok(value)
}

fn no_process(config: &HostConfig, error: &std::io::Error) -> Failed {
    let (class, remedy) = match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            (FailureClass::InvalidConfig, "it belongs beside `reelmill`; install both together")
        }
        _ => (FailureClass::Resource, "the machine is out of processes, descriptors or memory"),
    };
    let message = format!("{} cannot be started: {error}; {remedy}", config.runner.display());
    Box::new(Failure::new(class, message).with_code("no_runner"))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
