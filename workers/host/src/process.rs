//! One process of a plugin: its socket, what it prints, and its end.
//!
//! Invariant: a process that was spawned is waited for, also when this value is dropped early.

use crate::config::HostConfig;
use crate::environment;
use crate::output::Output;
use crate::sys::{self, Ended};
use reelmill_model::Needs;
use reelmill_protocol::frame::Message;
use reelmill_protocol::{
    FrameReader, FromRunner, LineReader, Load, Program, ProtocolError, SandboxReport, ToRunner, line,
};
use std::fs::File;
use std::io::{ErrorKind, Result, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};

/// How long the runner of a program may take to end it and itself.
const TERMINATE_LIMIT: Duration = Duration::from_secs(2);

/// What was heard of a process.
#[derive(Debug)]
pub enum Heard {
    /// A message.
    Said(FromRunner),
    /// A line it printed.
    Printed(String),
    /// Something that is no message.
    Broken(ProtocolError),
    /// It has ended, and everything it said before was heard.
    Gone,
}

/// How messages travel.
#[derive(Debug)]
enum Codec {
    Frames(FrameReader),
    Lines(LineReader),
}

impl Codec {
    fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::Frames(reader) => reader.feed(bytes),
            Self::Lines(reader) => reader.feed(bytes),
        }
    }
}

/// A running process of a plugin.
#[derive(Debug)]
pub struct Process {
    /// The runner, leader of a process group.
    pid: i32,
    exit: AsyncFd<OwnedFd>,
    socket: AsyncFd<UnixStream>,
    printed: AsyncFd<File>,
    printed_ended: bool,
    /// Nothing more will be said.
    silent: bool,
    codec: Codec,
    /// What could not be written yet.
    outgoing: Vec<u8>,
    buffer: Vec<u8>,
    home: PathBuf,
    stage: String,
    reaped: bool,
    /// What it printed.
    pub output: Output,
    /// The process that does the plugin's work.
    pub worker: u32,
    /// How far its sandbox is closed; none until it is ready.
    pub sandbox: Option<SandboxReport>,
    /// Attempts it has begun.
    pub calls: u32,
    /// Resident memory when it was ready, in bytes.
    pub resident_at_start: u64,
}

impl Process {
    /// Starts a runner and tells it what to load. Must be called within a tokio runtime.
    pub fn spawn(config: &HostConfig, mut load: Load, needs: &Needs) -> Result<Self> {
        static SEQUENCE: AtomicU64 = AtomicU64::new(0);
        let number = SEQUENCE.fetch_add(1, Ordering::Relaxed);
        let home = config.scratch_root.join(format!("runner-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&home)?;
        load.confinement.write.push(home.clone());
        let started = start(config, &home, needs).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&home);
        })?;
        let codec = match load.program {
            Program::Library(_) => Codec::Frames(FrameReader::default()),
            Program::Command { .. } => Codec::Lines(LineReader::default()),
        };
        let mut process = Self {
            pid: started.pid,
            exit: started.exit,
            socket: started.socket,
            printed: started.printed,
            printed_ended: false,
            silent: false,
            codec,
            outgoing: Vec::new(),
            buffer: vec![0; 16 * 1024],
            home,
            stage: load.stage.clone().unwrap_or_default(),
            reaped: false,
            output: Output::default(),
            worker: started.pid.unsigned_abs(),
            sandbox: None,
            calls: 0,
            resident_at_start: 0,
        };
        // The runner reads its orders as a frame, whatever the plugin speaks.
        ToRunner::Load(Box::new(load)).write_to(&mut process.outgoing).map_err(std::io::Error::other)?;
        write_some(process.socket.get_ref(), &mut process.outgoing);
        Ok(process)
    }

    /// Says something. What the socket does not take at once is written while the process is heard.
    pub fn say(&mut self, message: &ToRunner) -> std::result::Result<(), ProtocolError> {
        match self.codec {
            Codec::Frames(_) => message.write_to(&mut self.outgoing)?,
            Codec::Lines(_) => line::write_line(&self.stage, message, &mut self.outgoing)?,
        }
        write_some(self.socket.get_ref(), &mut self.outgoing);
        Ok(())
    }

    /// Waits for the next thing to hear. May be dropped while it waits.
    pub async fn hear(&mut self) -> Heard {
        loop {
            if let Some(line) = self.output.line() {
                return Heard::Printed(line);
            }
            match self.next_message() {
                Ok(Some(message)) => return Heard::Said(message),
                Ok(None) => {}
                Err(error) => return Heard::Broken(error),
            }
            if self.silent {
                self.output.finish();
                return self.output.line().map_or(Heard::Gone, Heard::Printed);
            }
            self.listen().await;
        }
    }

    /// Waits until something can be read or written, and does it.
    async fn listen(&mut self) {
        let interest = if self.outgoing.is_empty() {
            Interest::READABLE
        } else {
            Interest::READABLE | Interest::WRITABLE
        };
        let exited = tokio::select! {
            biased;
            guard = self.socket.ready(interest) => {
                if let Ok(mut guard) = guard {
                    if guard.ready().is_writable() && !write_some(guard.get_inner(), &mut self.outgoing) {
                        guard.clear_ready_matching(Ready::WRITABLE);
                    }
                    match read_once(guard.get_inner(), &mut self.buffer) {
                        Read::Bytes(length) => self.codec.feed(&self.buffer[..length]),
                        Read::Nothing => guard.clear_ready_matching(Ready::READABLE),
                        Read::End => self.silent = true,
                    }
                }
                false
            }
            guard = self.printed.readable(), if !self.printed_ended => {
                if let Ok(mut guard) = guard {
                    match read_once(guard.get_inner(), &mut self.buffer) {
                        Read::Bytes(length) => self.output.feed(&self.buffer[..length]),
                        Read::Nothing => guard.clear_ready(),
                        Read::End => self.printed_ended = true,
                    }
                }
                false
            }
            _ = self.exit.readable() => true,
        };
        if exited || self.silent {
            self.take_last_words();
        }
    }

    /// Takes in what an ended process has left in socket and pipe. Something it started may hold them open.
    fn take_last_words(&mut self) {
        while let Read::Bytes(length) = read_once(self.socket.get_ref(), &mut self.buffer) {
            self.codec.feed(&self.buffer[..length]);
        }
        self.read_printed();
        self.silent = true;
    }

    /// The next line it has printed already, without waiting.
    pub fn printed_line(&mut self) -> Option<String> {
        self.read_printed();
        self.output.line()
    }

    /// Whether an idle process is still there and silent, as an idle process should be.
    pub fn is_well(&mut self) -> bool {
        self.read_printed();
        matches!(read_once(self.socket.get_ref(), &mut self.buffer), Read::Nothing)
    }

    /// Asks it to close and exit, by hanging up, and waits; kills it when it does not in time.
    pub async fn close(mut self, limit: Duration) -> Ended {
        // One that has ended already has nobody to hang up on.
        let _ = self.socket.get_ref().shutdown(Shutdown::Both);
        if !self.exits_within(limit).await {
            self.kill().await;
        }
        self.reap()
    }

    /// Ends it now.
    pub async fn end_now(mut self) -> Ended {
        self.kill().await;
        self.reap()
    }

    /// Waits for one that went silent. One that goes on without its socket is killed: then the flag is true.
    pub async fn end(mut self) -> (Ended, bool) {
        let killed = !self.exits_within(TERMINATE_LIMIT).await;
        if killed {
            self.kill().await;
        }
        (self.reap(), killed)
    }

    /// Kills it. The runner of a program is asked to, so that it can wait for what the program started; a
    /// program's own processes are out of this one's reach.
    async fn kill(&mut self) {
        if matches!(self.codec, Codec::Lines(_)) {
            sys::signal(self.pid, libc::SIGTERM);
            if self.exits_within(TERMINATE_LIMIT).await {
                return;
            }
        }
        sys::kill_group(self.pid);
        // Nothing outlives this signal but a call stuck in the kernel, and for that there is no remedy.
        let _ = self.exit.readable().await;
    }

    async fn exits_within(&mut self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.exit.readable()).await.is_ok()
    }

    /// Waits for the ended process and removes its folder.
    fn reap(&mut self) -> Ended {
        let ended = reap(self.pid, &self.home);
        self.reaped = true;
        ended
    }

    fn next_message(&mut self) -> std::result::Result<Option<FromRunner>, ProtocolError> {
        match &mut self.codec {
            Codec::Frames(reader) => reader.take(),
            Codec::Lines(reader) => reader.take(),
        }
    }

    fn read_printed(&mut self) {
        while let Read::Bytes(length) = read_once(self.printed.get_ref(), &mut self.buffer) {
            self.output.feed(&self.buffer[..length]);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        // Whoever drops it early may not wait: another thread does, which ends soon after the signal.
        sys::kill_group(self.pid);
        let (pid, home) = (self.pid, std::mem::take(&mut self.home));
        std::thread::spawn(move || reap(pid, &home));
    }
}

/// Waits for a process that has ended or was killed. What it started is killed first, while its number still
/// names its group.
fn reap(pid: i32, home: &Path) -> Ended {
    sys::wait_until_ended(pid);
    sys::kill_group(pid);
    let ended = sys::wait(pid).unwrap_or(Ended { signal: None, code: -1, cpu_us: 0 });
    let _ = std::fs::remove_dir_all(home);
    ended
}

/// The parts of a process that was just started.
struct Started {
    pid: i32,
    exit: AsyncFd<OwnedFd>,
    socket: AsyncFd<UnixStream>,
    printed: AsyncFd<File>,
}

/// Starts a runner as the leader of a process group. Nothing here may make the standard library fork: no
/// closure before exec, no user, no descriptor of the process; a worker of 2 GiB then takes 80 ms instead of one.
fn start(config: &HostConfig, home: &Path, needs: &Needs) -> Result<Started> {
    let (ours, theirs) = UnixStream::pair()?;
    let (printed, prints) = std::io::pipe()?;
    ours.set_nonblocking(true)?;
    sys::set_nonblocking(printed.as_fd())?;
    let child = Command::new(&config.runner)
        .env_clear()
        .envs(environment::variables(home, needs))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(prints.try_clone()?))
        .stderr(Stdio::from(prints))
        .process_group(0)
        .spawn()?;
    let pid = i32::try_from(child.id()).map_err(std::io::Error::other)?;
    let watched = || {
        Ok(Started {
            pid,
            exit: sys::watch(sys::pidfd(pid)?, Interest::READABLE)?,
            socket: sys::watch(ours, Interest::READABLE | Interest::WRITABLE)?,
            printed: sys::watch(File::from(OwnedFd::from(printed)), Interest::READABLE)?,
        })
    };
    watched().inspect_err(|_| {
        sys::kill_group(pid);
        let _ = sys::wait(pid);
    })
}

/// What one read gave.
enum Read {
    Bytes(usize),
    Nothing,
    End,
}

fn read_once(mut from: impl std::io::Read, buffer: &mut [u8]) -> Read {
    match from.read(buffer) {
        Ok(0) => Read::End,
        Ok(length) => Read::Bytes(length),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Read::Nothing,
        // A connection reset: the process died with messages of ours unread.
        Err(_) => Read::End,
    }
}

/// Writes what the socket takes; false when it takes no more.
fn write_some(mut to: &UnixStream, bytes: &mut Vec<u8>) -> bool {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(length) => drop(bytes.drain(..length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            // The process is gone; that is heard when it is listened to.
            Err(_) => bytes.clear(),
        }
    }
    true
}
