//! Drives one attempt on one process: hears it, watches the clock and its memory, and asks it to stop.
//!
//! Stopping is always the same: a cancel message, then the grace period, then the end. Who kills the process is
//! the caller; here it is only said that it has to be.

use crate::attempt::AttemptEvent;
use crate::process::{Heard, Process};
use crate::usage::{self, Memory};
use reelmill_model::{Failure, Severity};
use reelmill_protocol::{FromRunner, ProtocolError, ToRunner};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the memory of a working process is looked at.
const SAMPLE_PAUSE: Duration = Duration::from_millis(200);

/// What is asked of a process.
pub struct Order<'a> {
    /// `{"with": …, "call": …}`.
    pub input: Vec<u8>,
    /// For a process that serves this attempt only: the folder it is narrowed to.
    pub only: Option<PathBuf>,
    pub run_timeout: Option<Duration>,
    pub idle_timeout: Option<Duration>,
    /// From asking to killing.
    pub grace: Duration,
    /// Resident memory it may have; 0 for no limit.
    pub memory_limit: u64,
    pub cancel: &'a CancellationToken,
}

/// Why an attempt is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    Cancelled,
    /// It took too long to open.
    Opening,
    RunTimeout,
    IdleTimeout,
    Memory,
}

/// How an attempt ended, as far as the process is concerned.
#[derive(Debug)]
pub enum End {
    /// It is ready (only from [`Drive::until_ready`]).
    Ready,
    /// It replied with these outputs, unchecked.
    Replied(Vec<u8>),
    /// It said why it failed.
    Failed(Box<Failure>),
    /// It ended without an answer.
    Gone,
    /// It said something that is no message.
    Broken(ProtocolError),
    /// It did not stop when asked to, or may not be asked.
    MustDie,
}

/// A process at work, and what was seen of it.
pub struct Drive<'a> {
    process: &'a mut Process,
    events: Option<&'a mpsc::Sender<AttemptEvent>>,
    /// The last progress.
    pub progress: Option<Value>,
    /// Largest resident memory seen.
    pub memory_peak: u64,
    /// CPU time the process says it used.
    pub cpu_us: u64,
    /// Why it was asked to stop; none when it was not.
    pub stop: Option<Stop>,
    last_heard: Instant,
}

/// When an attempt began, and what is due when.
struct Clock {
    begun: Instant,
    sample_at: Instant,
    /// When its grace period ends; none while it was not asked to stop.
    kill_at: Option<Instant>,
}

impl Clock {
    fn start() -> Self {
        let begun = Instant::now();
        Self { begun, sample_at: begun + SAMPLE_PAUSE, kill_at: None }
    }

    /// The next moment at which something is due.
    fn next(&self, order: &Order<'_>, last_heard: Instant) -> Instant {
        let limits = [
            order.run_timeout.map(|limit| self.begun + limit),
            order.idle_timeout.map(|limit| last_heard + limit),
        ];
        // Limits that have passed are dealt with; what counts then is the end of the grace period.
        let limits = limits.into_iter().flatten().filter(|_| self.kill_at.is_none());
        limits.chain(self.kill_at).fold(self.sample_at, Instant::min)
    }
}

impl<'a> Drive<'a> {
    /// Drives a process. What it says outside an attempt goes nowhere but into its output.
    pub fn new(process: &'a mut Process, events: Option<&'a mpsc::Sender<AttemptEvent>>) -> Self {
        Self {
            process,
            events,
            progress: None,
            memory_peak: 0,
            cpu_us: 0,
            stop: None,
            last_heard: Instant::now(),
        }
    }

    /// Waits until the process has loaded its plugin and opened its stage.
    pub async fn until_ready(&mut self, limit: Duration, cancel: &CancellationToken) -> End {
        let deadline = Instant::now() + limit;
        loop {
            let heard = tokio::select! {
                biased;
                heard = self.process.hear() => heard,
                () = cancel.cancelled() => {
                    self.stop = Some(Stop::Cancelled);
                    return End::MustDie;
                }
                () = tokio::time::sleep_until(deadline) => {
                    self.stop = Some(Stop::Opening);
                    return End::MustDie;
                }
            };
            if let Some(end) = self.take(heard, 0).await {
                return end;
            }
        }
    }

    /// Runs one attempt to its end.
    pub async fn run(&mut self, order: Order<'_>) -> End {
        self.process.calls += 1;
        let id = self.process.calls;
        if let Err(error) =
            self.process.say(&ToRunner::Run { id, only: order.only.clone(), input: order.input.clone() })
        {
            return End::Broken(error);
        }
        let mut clock = Clock::start();
        self.last_heard = clock.begun;
        loop {
            let wake_at = clock.next(&order, self.last_heard);
            let asked = clock.kill_at.is_some();
            // In no fixed order: a stage that never stops talking must not keep the clock from being looked at.
            tokio::select! {
                heard = self.process.hear() => {
                    self.last_heard = Instant::now();
                    if let Some(end) = self.take(heard, id).await {
                        return end;
                    }
                }
                () = order.cancel.cancelled(), if !asked => self.ask_to_stop(Stop::Cancelled, id),
                () = tokio::time::sleep_until(wake_at) => {}
            }
            if self.must_die(&mut clock, &order, id) {
                return End::MustDie;
            }
        }
    }

    /// Does what is due by the clock; true when the process has to be killed.
    fn must_die(&mut self, clock: &mut Clock, order: &Order<'_>, id: u32) -> bool {
        let now = Instant::now();
        if clock.kill_at.is_some_and(|at| now >= at) {
            return true;
        }
        if self.stop.is_none() {
            if order.run_timeout.is_some_and(|limit| now >= clock.begun + limit) {
                self.ask_to_stop(Stop::RunTimeout, id);
            } else if order.idle_timeout.is_some_and(|limit| now >= self.last_heard + limit) {
                self.ask_to_stop(Stop::IdleTimeout, id);
            }
        }
        if self.stop.is_some() && clock.kill_at.is_none() {
            clock.kill_at = Some(now + order.grace);
        }
        if now < clock.sample_at {
            return false;
        }
        clock.sample_at = now + SAMPLE_PAUSE;
        let over = order.memory_limit > 0 && self.look().resident > order.memory_limit;
        if over {
            self.stop = Some(Stop::Memory);
        }
        over
    }

    fn ask_to_stop(&mut self, why: Stop, id: u32) {
        self.stop = Some(why);
        // A message of nine bytes is never too long.
        let _ = self.process.say(&ToRunner::Cancel { id });
    }

    /// Looks at the process's memory, and keeps the peak.
    pub fn look(&mut self) -> Memory {
        let memory = usage::memory(self.process.worker);
        self.memory_peak = self.memory_peak.max(memory.peak);
        memory
    }

    /// Takes in what was heard; an end when it was the last of this attempt.
    async fn take(&mut self, heard: Heard, id: u32) -> Option<End> {
        match heard {
            Heard::Printed(text) => self.tell(AttemptEvent::Log { severity: Severity::Info, text }).await,
            Heard::Said(FromRunner::Log { severity, text }) => {
                self.tell(AttemptEvent::Log { severity, text }).await;
            }
            Heard::Said(FromRunner::Progress(json)) => {
                // Progress that is no object is the plugin's own loss.
                if let Ok(progress @ Value::Object(_)) = serde_json::from_slice(&json) {
                    self.progress = Some(progress.clone());
                    self.tell(AttemptEvent::Progress(progress)).await;
                }
            }
            Heard::Said(FromRunner::Ready { pid, sandbox, .. }) => {
                self.process.worker = pid;
                self.process.sandbox = Some(sandbox);
                if id == 0 {
                    return Some(End::Ready);
                }
            }
            // A program has one attempt at a time and does not count them.
            Heard::Said(FromRunner::Reply { id: of, cpu_us, outputs }) if of == id || of == 0 => {
                self.cpu_us = cpu_us;
                self.tell_printed().await;
                return Some(End::Replied(outputs));
            }
            Heard::Said(FromRunner::Fail { id: of, cpu_us, failure }) if of == id || of == 0 => {
                self.cpu_us = cpu_us;
                self.tell_printed().await;
                return Some(End::Failed(failure));
            }
            // The answer to an attempt that is over.
            Heard::Said(FromRunner::Reply { .. } | FromRunner::Fail { .. }) => {}
            Heard::Broken(error) => return Some(End::Broken(error)),
            Heard::Gone => return Some(End::Gone),
        }
        None
    }

    /// Passes on what was printed before an answer: pipe and socket are two ways, and the answer may be quicker.
    async fn tell_printed(&mut self) {
        while let Some(text) = self.process.printed_line() {
            self.tell(AttemptEvent::Log { severity: Severity::Info, text }).await;
        }
    }

    async fn tell(&self, event: AttemptEvent) {
        if let Some(events) = self.events {
            // Nobody listens any more: the attempt goes on all the same.
            let _ = events.send(event).await;
        }
    }
}
