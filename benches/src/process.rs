//! What a child process cost, as the kernel counted it.
#![expect(unsafe_code, reason = "wait4 is the only door to the figures of one child")]

use std::io;
use std::mem::MaybeUninit;
use std::process::Command;
use std::time::Instant;

/// What a process cost, its threads and the children it waited for included.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cost {
    /// CPU time, user and system, in seconds.
    pub cpu_s: f64,
    /// Time on the clock, in seconds.
    pub wall_s: f64,
    /// Largest resident set, in MiB.
    pub rss_mib: f64,
}

/// Runs a program to its end.
///
/// # Errors
/// When it does not start, or ends with anything but 0.
pub fn measure(command: &mut Command) -> io::Result<Cost> {
    let started = Instant::now();
    let child = command.spawn()?;
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `pid` is a child of this process that nothing else waits for, and both out-pointers are valid. The
    // kernel fills `usage` when the call succeeds; all zeros are a valid value of it otherwise.
    let (waited, usage) = unsafe {
        let waited = libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
        (waited, usage.assume_init())
    };
    if waited != pid {
        return Err(io::Error::last_os_error());
    }
    if !libc::WIFEXITED(status) || libc::WEXITSTATUS(status) != 0 {
        return Err(io::Error::other(format!(
            "{} failed (status {status})",
            command.get_program().display()
        )));
    }
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    Ok(Cost {
        cpu_s: seconds(usage.ru_utime) + seconds(usage.ru_stime),
        wall_s: started.elapsed().as_secs_f64(),
        rss_mib: usage.ru_maxrss as f64 / 1_024.0,
    })
}
