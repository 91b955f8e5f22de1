//! What an attempt says while it runs: log lines and progress, without secrets, in batches, within limits.

use crate::secrets::Redactor;
use reelmill_host::AttemptEvent;
use reelmill_model::{Severity, TaskRef, limits};
use reelmill_ports::{EventLog, LogLine};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Events on their way from the host; a plugin that says more waits.
const EVENTS_BUFFERED: usize = 256;
/// Shortest time between two writes of one attempt's lines and progress.
const WRITE_EVERY: Duration = Duration::from_millis(200);

/// Takes the events of one attempt to the event log.
#[derive(Debug)]
pub struct Reporter {
    events: mpsc::Sender<AttemptEvent>,
    writer: JoinHandle<()>,
}

impl Reporter {
    /// Starts to listen.
    #[must_use]
    pub fn start(log: Arc<dyn EventLog>, task: TaskRef, attempt: u32, redactor: Redactor) -> Self {
        let (events, incoming) = mpsc::channel(EVENTS_BUFFERED);
        let writer =
            Writer { log, task, attempt, redactor, lines: Vec::new(), kept: 0, dropped: 0, progress: None };
        Self { events, writer: tokio::spawn(writer.run(incoming)) }
    }

    /// Where the host sends the events.
    #[must_use]
    pub fn events(&self) -> mpsc::Sender<AttemptEvent> {
        self.events.clone()
    }

    /// Waits until everything said is written.
    pub async fn finish(self) {
        drop(self.events);
        // A writer that panicked has nothing left to write.
        let _ = self.writer.await;
    }
}

struct Writer {
    log: Arc<dyn EventLog>,
    task: TaskRef,
    attempt: u32,
    redactor: Redactor,
    lines: Vec<LogLine>,
    kept: usize,
    dropped: u64,
    progress: Option<Value>,
}

impl Writer {
    async fn run(mut self, mut incoming: mpsc::Receiver<AttemptEvent>) {
        let mut ticks = tokio::time::interval(WRITE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = incoming.recv() => match event {
                    Some(event) => self.take(event),
                    None => break,
                },
                _ = ticks.tick() => self.write().await,
            }
        }
        if self.dropped > 0 {
            let text = format!("{} more lines were not kept", self.dropped);
            self.lines.push(LogLine { at_ms: now_ms(), severity: Severity::Warn, text });
        }
        self.write().await;
    }

    fn take(&mut self, event: AttemptEvent) {
        match event {
            AttemptEvent::Log { severity, text } if self.kept < limits::LOG_LINES_PER_ATTEMPT_MAX => {
                self.kept += 1;
                let text = cut(self.redactor.text(&text), limits::LOG_LINE_BYTES_MAX);
                self.lines.push(LogLine { at_ms: now_ms(), severity, text });
            }
            AttemptEvent::Log { .. } => self.dropped += 1,
            AttemptEvent::Progress(progress) => self.progress = Some(self.redactor.value(progress)),
        }
    }

    /// What cannot be written is lost: a log is no reason to fail an attempt.
    async fn write(&mut self) {
        if !self.lines.is_empty() {
            let lines = std::mem::take(&mut self.lines);
            if let Err(error) = self.log.log(self.task, self.attempt, lines).await {
                tracing::warn!(%error, task = %self.task, "log lines were lost");
            }
        }
        if let Some(progress) = self.progress.take()
            && let Err(error) = self.log.progress(self.task, self.attempt, progress).await
        {
            tracing::debug!(%error, task = %self.task, "progress was lost");
        }
    }
}

/// The text, cut at a character's boundary to at most so many bytes.
fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
    }
    text
}

pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
