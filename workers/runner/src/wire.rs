//! The socket to the worker. Any thread may speak; only the main thread, and a stage that asks whether it should
//! stop, listen.

use crate::sys;
use reelmill_model::Failure;
use reelmill_protocol::frame::Message;
use reelmill_protocol::{FrameReader, FromRunner, SandboxReport, ToRunner, line};
use std::io::{Error, Read, Result, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;

/// The socket and what was received of the next message.
pub struct Wire {
    stream: UnixStream,
    received: Mutex<FrameReader>,
    /// Serialises writers, so that frames do not mix.
    speaking: Mutex<()>,
}

impl Wire {
    /// The socket at file descriptor 0.
    pub fn from_stdin() -> Result<Self> {
        let stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { stream, received: Mutex::default(), speaking: Mutex::default() })
    }

    /// The socket, to watch or to hand on.
    pub fn socket(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Waits for the first message, and takes not a byte more: what follows is for the program, which reads the
    /// same socket. None at the end of the stream.
    pub fn wait_for_orders(&self) -> Result<Option<ToRunner>> {
        let mut received = FrameReader::default();
        let mut wanted = received.missing();
        loop {
            let mut bytes = vec![0; wanted];
            match (&self.stream).read(&mut bytes)? {
                0 => return Ok(None),
                length => received.feed(&bytes[..length]),
            }
            if let Some(message) = received.take().map_err(Error::other)? {
                return Ok(Some(message));
            }
            wanted = received.missing();
        }
    }

    /// Waits for the next message; none at the end of the stream.
    pub fn wait(&self) -> Result<Option<ToRunner>> {
        let mut received = self.received.lock().map_err(|_| poisoned())?;
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(message) = received.take().map_err(Error::other)? {
                return Ok(Some(message));
            }
            match (&self.stream).read(&mut buffer)? {
                0 => return Ok(None),
                length => received.feed(&buffer[..length]),
            }
        }
    }

    /// The next message if it is there already.
    pub fn look(&self) -> Result<Option<ToRunner>> {
        let Ok(mut received) = self.received.try_lock() else { return Ok(None) };
        let mut buffer = [0; 1024];
        while let Some(length) = sys::receive_now(self.stream.as_fd(), &mut buffer)? {
            if length == 0 {
                break;
            }
            received.feed(&buffer[..length]);
        }
        received.take().map_err(Error::other)
    }

    /// Says something.
    pub fn say(&self, message: &FromRunner) -> Result<()> {
        let mut bytes = Vec::with_capacity(256);
        message.write_to(&mut bytes).map_err(Error::other)?;
        self.write(&bytes)
    }

    /// Says in the line protocol that the program was started.
    pub fn say_line_ready(&self, pid: u32, report: SandboxReport) -> Result<()> {
        self.write(&line::ready_line(pid, report).map_err(Error::other)?)
    }

    /// Says in the line protocol that it was not.
    pub fn say_line_fail(&self, failure: &Failure) -> Result<()> {
        self.write(&line::fail_line(failure).map_err(Error::other)?)
    }

    fn write(&self, bytes: &[u8]) -> Result<()> {
        let _speaking = self.speaking.lock().map_err(|_| poisoned())?;
        (&self.stream).write_all(bytes)
    }
}

fn poisoned() -> Error {
    Error::other("a thread died while it used the socket")
}
