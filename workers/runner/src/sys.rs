//! The few calls of the system that the standard library lacks.
#![expect(unsafe_code, reason = "thin wrappers around libc")]

use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// Open files a plugin may have.
const FILES_MAX: u64 = 4096;
/// What the kernel kills first when memory runs out: plugins, long before the worker.
const OOM_SCORE: &str = "500";

/// Sets resource limits; no core dumps. Memory counts what is private and writable (`RLIMIT_DATA`), because
/// address space says nothing about GPU libraries and Go programs. 0 means no limit.
pub fn limit_resources(memory_bytes: u64) {
    // The file is missing in some containers; the plugin is then as likely a victim as the worker.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    set_limit(libc::RLIMIT_CORE, 0);
    set_limit(libc::RLIMIT_NOFILE, FILES_MAX);
    if memory_bytes > 0 {
        set_limit(libc::RLIMIT_DATA, memory_bytes);
    }
}

/// Lowers a limit; one that is lower already stays.
fn set_limit(resource: libc::__rlimit_resource_t, value: u64) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls get a valid structure.
    unsafe {
        if libc::getrlimit(resource, &raw mut limit) == 0 {
            limit.rlim_max = limit.rlim_max.min(value);
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(resource, &raw const limit);
        }
    }
}

/// Puts `/dev/null` at file descriptor 0, so that a plugin that reads standard input does not read the socket.
pub fn close_stdin() -> Result<()> {
    let null = File::open("/dev/null")?;
    // SAFETY: replaces descriptor 0, which nothing holds by type any more.
    if unsafe { libc::dup2(null.as_raw_fd(), 0) } < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// Receives what is there, without waiting; none when there is nothing.
pub fn receive_now(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<usize>> {
    // SAFETY: the buffer is valid for its length.
    let length = unsafe {
        libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), libc::MSG_DONTWAIT)
    };
    match usize::try_from(length) {
        Ok(length) => Ok(Some(length)),
        Err(_) => match Error::last_os_error() {
            error if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
            error => Err(error),
        },
    }
}

/// Waits until the other end of a socket is closed.
pub fn wait_for_hang_up(socket: BorrowedFd<'_>) {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one valid structure.
    while unsafe { libc::poll(&raw mut poll, 1, -1) } < 0
        && Error::last_os_error().kind() == ErrorKind::Interrupted
    {}
}

/// Ends this process and everything it started, at once.
pub fn die() -> ! {
    // SAFETY: signal 9 to the own process group; the call does not return to harmed state.
    unsafe {
        libc::kill(0, libc::SIGKILL);
        libc::_exit(137)
    }
}

/// Writes out what the C library has buffered.
pub fn flush_stdio() {
    // SAFETY: null means all streams.
    unsafe {
        libc::fflush(std::ptr::null_mut());
    }
}

/// CPU time of this process and of children it has waited for, in microseconds.
pub fn cpu_us() -> u64 {
    [libc::RUSAGE_SELF, libc::RUSAGE_CHILDREN]
        .into_iter()
        .map(|who| {
            // SAFETY: the structure is plain data that the call fills.
            let usage = unsafe {
                let mut usage: libc::rusage = std::mem::zeroed();
                libc::getrusage(who, &raw mut usage);
                usage
            };
            micros(usage.ru_utime) + micros(usage.ru_stime)
        })
        .sum()
}

fn micros(time: libc::timeval) -> u64 {
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_usec).unwrap_or(0)
}

/// Adopts what the program leaves behind, so that it can be waited for.
pub fn become_subreaper() {
    // SAFETY: no pointers.
    unsafe {
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    }
}

/// The program SIGTERM is for; 0 when there is none.
static PROGRAM: AtomicI32 = AtomicI32::new(0);

/// From now on SIGTERM kills the program instead of this process, which then sees it end.
pub fn forward_terminate_to(program: u32) {
    extern "C" fn kill_program(_: libc::c_int) {
        terminate_forwarded();
    }
    PROGRAM.store(i32::try_from(program).unwrap_or(0), Ordering::SeqCst);
    let handler: extern "C" fn(libc::c_int) = kill_program;
    // SAFETY: the handler makes one system call and touches one atomic number.
    unsafe {
        libc::signal(libc::SIGTERM, handler as libc::sighandler_t);
    }
}

/// The program has ended; its number may soon be another's.
pub fn stop_forwarding() {
    PROGRAM.store(0, Ordering::SeqCst);
}

/// Kills the program, if it still runs.
pub fn terminate_forwarded() {
    let program = PROGRAM.load(Ordering::SeqCst);
    if program > 0 {
        // SAFETY: no pointers; the number is that of a child nobody has waited for.
        unsafe {
            libc::kill(program, libc::SIGKILL);
        }
    }
}

/// Waits until a child has ended and leaves it to be waited for.
pub fn wait_until_ended(child: u32) {
    let mut info = std::mem::MaybeUninit::<libc::siginfo_t>::uninit();
    // SAFETY: the kernel fills the structure, which nobody reads.
    while unsafe { libc::waitid(libc::P_PID, child, info.as_mut_ptr(), libc::WEXITED | libc::WNOWAIT) } < 0
        && Error::last_os_error().kind() == ErrorKind::Interrupted
    {}
}

/// Kills a child and waits for it.
pub fn kill_and_reap(child: u32) {
    let Ok(child) = i32::try_from(child) else { return };
    // SAFETY: no pointers that matter; the number is that of a child nobody has waited for.
    unsafe {
        libc::kill(child, libc::SIGKILL);
        libc::waitpid(child, std::ptr::null_mut(), 0);
    }
}

/// Ends this process by a signal, so that the worker sees how the program ended.
pub fn end_by(signal: i32) -> ! {
    // SAFETY: default action of a signal on the own process; SIGKILL cannot be ignored if the first was.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
        libc::raise(libc::SIGKILL);
        libc::_exit(128 + signal)
    }
}
