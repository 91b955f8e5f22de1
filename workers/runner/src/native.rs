//! Serves attempts with a native plugin, one at a time, on the main thread.

use crate::wire::Wire;
use crate::{sandbox, sys};
use reelmill_loader::{Instance, Library, Talk};
use reelmill_model::{Failure, Severity};
use reelmill_protocol::{FromRunner, Load, SandboxReport, ToRunner};
use std::io::Result;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often a stage's question whether it should stop becomes a look at the socket.
const LOOK_PAUSE_US: u64 = 2_000;
/// How long an idle plugin may take to close once its worker is gone.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Loads the plugin, opens the stage and runs attempts until the worker hangs up.
pub fn serve(wire: Wire, load: &Load, library: &Path, sandbox: SandboxReport) -> Result<ExitCode> {
    let session = Arc::new(Session { wire, busy: AtomicBool::new(true) });
    watch(Arc::clone(&session))?;
    let opened = open(&session, load, library);
    let (mut instance, manifest) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            session.wire.say(&FromRunner::Fail { id: 0, cpu_us: 0, failure })?;
            return Ok(ExitCode::FAILURE);
        }
    };
    session.wire.say(&FromRunner::Ready { pid: std::process::id(), sandbox, manifest })?;
    loop {
        session.busy.store(false, Ordering::Release);
        let Some(message) = session.wire.wait()? else { return Ok(ExitCode::SUCCESS) };
        session.busy.store(true, Ordering::Release);
        // A cancel that arrives here is for an attempt that has ended.
        if let (ToRunner::Run { id, only, input }, Some(instance)) = (message, instance.as_mut()) {
            if let Some(only) = only {
                sandbox::write_only_to(&only, &load.confinement.write);
            }
            session.wire.say(&run(&session.wire, instance, id, &input))?;
        }
    }
}

/// What the main thread shares with the one that watches the worker.
struct Session {
    wire: Wire,
    /// Whether plugin code runs, which may never return.
    busy: AtomicBool,
}

/// Ends the process when the worker hangs up: at once while the plugin works, after its close otherwise.
fn watch(session: Arc<Session>) -> Result<()> {
    std::thread::Builder::new().name("watch".into()).stack_size(64 * 1024).spawn(move || {
        sys::wait_for_hang_up(session.wire.socket());
        if !session.busy.load(Ordering::Acquire) {
            std::thread::sleep(CLOSE_LIMIT);
        }
        sys::die()
    })?;
    Ok(())
}

type Opened = (Option<Instance>, Option<Vec<u8>>);

fn open(session: &Session, load: &Load, library: &Path) -> std::result::Result<Opened, Box<Failure>> {
    let library = Library::load(library).map_err(|error| Box::new(Failure::from(error)))?;
    match &load.stage {
        Some(stage) => Ok((Some(library.open(stage, &Attempt::new(&session.wire, 0))?), None)),
        None => Ok((None, Some(library.manifest()))),
    }
}

fn run(wire: &Wire, instance: &mut Instance, id: u32, input: &[u8]) -> FromRunner {
    let before = sys::cpu_us();
    let result = instance.run(input, &Attempt::new(wire, id));
    let cpu_us = sys::cpu_us().saturating_sub(before);
    // What a C library still holds back belongs to the log of this attempt.
    sys::flush_stdio();
    match result {
        Ok(outputs) => FromRunner::Reply { id, cpu_us, outputs },
        Err(failure) => FromRunner::Fail { id, cpu_us, failure },
    }
}

/// One attempt, as the plugin talks to it. A worker that is gone ends the process by the watcher, so failures
/// to write are left alone here.
struct Attempt<'a> {
    wire: &'a Wire,
    id: u32,
    begun: Instant,
    looked_us: AtomicU64,
    cancelled: AtomicBool,
}

impl<'a> Attempt<'a> {
    fn new(wire: &'a Wire, id: u32) -> Self {
        Self {
            wire,
            id,
            begun: Instant::now(),
            looked_us: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        }
    }
}

impl Talk for Attempt<'_> {
    fn cancelled(&self) -> bool {
        if self.cancelled.load(Ordering::Relaxed) {
            return true;
        }
        let now = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let looked = self.looked_us.load(Ordering::Relaxed);
        if now.saturating_sub(looked) < LOOK_PAUSE_US {
            return false;
        }
        self.looked_us.store(now, Ordering::Relaxed);
        if matches!(self.wire.look(), Ok(Some(ToRunner::Cancel { id })) if id == self.id) {
            self.cancelled.store(true, Ordering::Relaxed);
        }
        self.cancelled.load(Ordering::Relaxed)
    }

    fn log(&self, severity: Severity, text: &str) {
        let _ = self.wire.say(&FromRunner::Log { severity, text: text.to_owned() });
    }

    fn progress(&self, json: &[u8]) {
        let _ = self.wire.say(&FromRunner::Progress(json.to_vec()));
    }
}
