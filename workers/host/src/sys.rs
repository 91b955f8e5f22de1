//! The few calls of the system that the standard library and tokio lack.
#![expect(unsafe_code, reason = "thin wrappers around libc")]

use std::io::{Error, Result};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// How a process ended and what it cost, with everything it had waited for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Its exit code when it ended by itself.
    pub code: i32,
    /// CPU time, user and system, in microseconds.
    pub cpu_us: u64,
}

/// A descriptor that is readable once a child has ended. The child must not have been waited for.
pub fn pidfd(pid: i32) -> Result<OwnedFd> {
    // SAFETY: no pointers; the descriptor is new and ours, and closes on exec.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid, libc::PIDFD_NONBLOCK);
        match i32::try_from(fd) {
            Ok(fd) if fd >= 0 => Ok(OwnedFd::from_raw_fd(fd)),
            _ => Err(Error::last_os_error()),
        }
    }
}

/// Sends a signal to a child that has not been waited for; false when that is not possible.
pub fn signal(pid: i32, signal: i32) -> bool {
    // SAFETY: no pointers.
    pid > 0 && unsafe { libc::kill(pid, signal) } == 0
}

/// Sends SIGKILL to the process group that a child leads. Before the child is waited for, the number cannot be
/// another's.
pub fn kill_group(leader: i32) {
    if leader > 1 {
        // SAFETY: no pointers.
        unsafe {
            libc::kill(-leader, libc::SIGKILL);
        }
    }
}

/// Waits for a child.
pub fn wait(pid: i32) -> Result<Ended> {
    let mut status = 0;
    // SAFETY: both structures are plain data that the kernel fills.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        while libc::wait4(pid, &raw mut status, 0, &raw mut usage) < 0 {
            let error = Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        usage
    };
    let micros = |time: libc::timeval| u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or(0);
    Ok(Ended {
        signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
        code: libc::WEXITSTATUS(status),
        cpu_us: micros(usage.ru_utime) + micros(usage.ru_stime),
    })
}

/// Waits until a child has ended and leaves it to be waited for.
pub fn wait_until_ended(pid: i32) {
    let Ok(child) = libc::id_t::try_from(pid) else { return };
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::uninit();
    // SAFETY: the kernel fills the structure, which nobody reads.
    while unsafe { libc::waitid(libc::P_PID, child, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) } < 0
        && Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
    {}
}

/// Makes reads of a descriptor return at once.
pub fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no pointers.
    unsafe {
        let flags = libc::fcntl(fd.as_raw_fd(), libc::F_GETFL);
        if flags < 0 || libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) < 0 {
            return Err(Error::last_os_error());
        }
    }
    Ok(())
}

/// Makes a descriptor known to the runtime.
pub fn watch<T: AsRawFd + Into<OwnedFd>>(owner: T, interest: Interest) -> Result<AsyncFd<T>> {
    // SAFETY: the value owns its descriptor, as `Into<OwnedFd>` shows, so the descriptor stays open and the same
    // for as long as the value lives inside; nothing here takes it out or replaces it.
    unsafe { AsyncFd::register_with_interest(owner, interest) }.map_err(Error::from)
}

/// Ticks of a second in `/proc/PID/stat`.
pub fn ticks_per_second() -> u64 {
    // SAFETY: no pointers.
    u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100).max(1)
}
