//! What a stage can ask of, and say to, the world around it while it runs.

use crate::{CallInfo, EncoderSeen, Progress, Severity, StageError};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Progress is sent at most this often; a change of phase and the last step always are.
const PROGRESS_PAUSE: Duration = Duration::from_millis(100);

/// How often a stage that waits looks whether it should stop.
const CANCEL_LOOK: Duration = Duration::from_millis(50);

/// Where a stage's words go: across the C ABI, or into a test's lists.
pub(crate) trait Sink: Sync {
    fn cancelled(&self) -> bool;
    fn progress(&self, progress: &Progress);
    fn log(&self, severity: Severity, text: &str);
}

/// One attempt, seen from the stage. May be shared with the threads the stage starts and joins.
pub struct Cx<'a> {
    call: &'a CallInfo,
    sink: &'a dyn Sink,
    last_progress: Mutex<Option<(Instant, String)>>,
}

impl<'a> Cx<'a> {
    pub(crate) fn new(call: &'a CallInfo, sink: &'a dyn Sink) -> Self {
        Self { call, sink, last_progress: Mutex::new(None) }
    }

    /// The folder of this attempt: empty at the start, writable, removed after it.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.call.scratch
    }

    /// Where an output file of this name goes.
    #[must_use]
    pub fn output(&self, name: &str) -> PathBuf {
        self.call.scratch.join(name)
    }

    /// Whether the attempt should stop. Costs nanoseconds: ask once a frame.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.sink.cancelled()
    }

    /// `cx.check()?` leaves the stage once the attempt should stop.
    pub fn check(&self) -> Result<(), StageError> {
        if self.cancelled() { Err(StageError::cancelled()) } else { Ok(()) }
    }

    /// Waits, for a service that asked for a pause; leaves the stage once the attempt should stop.
    pub fn pause(&self, length: Duration) -> Result<(), StageError> {
        let begun = Instant::now();
        loop {
            self.check()?;
            let left = length.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(CANCEL_LOOK));
        }
    }

    /// Says how far the attempt is. May be called as often as is handy: it sends ten a second at most.
    pub fn progress(&self, progress: &Progress) {
        let finished = progress.total.is_some_and(|total| progress.done >= total);
        {
            let Ok(mut last) = self.last_progress.lock() else { return };
            let due = last.as_ref().is_none_or(|(at, phase)| {
                finished || *phase != progress.phase || at.elapsed() >= PROGRESS_PAUSE
            });
            if !due {
                return;
            }
            *last = Some((Instant::now(), progress.phase.clone()));
        }
        self.sink.progress(progress);
    }

    /// Writes a line to the attempt's log.
    pub fn log(&self, severity: Severity, text: impl AsRef<str>) {
        self.sink.log(severity, text.as_ref());
    }

    /// Writes a line for the plugin's author.
    pub fn debug(&self, text: impl AsRef<str>) {
        self.log(Severity::Debug, text);
    }

    /// Writes a line worth knowing.
    pub fn info(&self, text: impl AsRef<str>) {
        self.log(Severity::Info, text);
    }

    /// Writes a line about something that is not as wanted.
    pub fn warn(&self, text: impl AsRef<str>) {
        self.log(Severity::Warn, text);
    }

    /// Writes a line about something that did not work.
    pub fn error(&self, text: impl AsRef<str>) {
        self.log(Severity::Error, text);
    }

    /// The same for every attempt of the task: hand it to services that can recognise a repetition.
    #[must_use]
    pub fn idempotency_token(&self) -> &str {
        &self.call.idempotency_token
    }

    /// The only source of chance a stage may use; the same for every attempt of the task.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.call.seed
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.call.run
    }

    /// The task's path: `scene[s1].clip`.
    #[must_use]
    pub fn task(&self) -> &str {
        &self.call.task
    }

    /// The GPUs that this attempt may use, by the number their driver gives them.
    #[must_use]
    pub fn gpus(&self) -> &[u32] {
        &self.call.gpus
    }

    /// The hardware encoders that were tried on this machine, those that failed too.
    #[must_use]
    pub fn encoders(&self) -> &[EncoderSeen] {
        &self.call.encoders
    }

    /// Which attempt this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.call.attempt
    }
}
