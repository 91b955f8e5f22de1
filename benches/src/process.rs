//! What a child process cost: CPU time as the kernel counted it, memory as its whole tree was seen to hold it.
#![expect(unsafe_code, reason = "wait4 is the only door to the figures of one child")]

use std::collections::HashSet;
use std::io;
use std::mem::MaybeUninit;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Time between two looks at the memory of a process tree.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a process cost, its threads and the children it waited for included.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cost {
    /// CPU time, user and system, in seconds.
    pub cpu_s: f64,
    /// Time on the clock, in seconds.
    pub wall_s: f64,
    /// Largest resident set of the process and everything below it together, in MiB. Pages that several of them
    /// share count for each.
    pub rss_mib: f64,
    /// The part of all processors' time that other processes took meanwhile.
    pub others: f64,
}

/// Runs a program to its end.
///
/// # Errors
/// When it does not start, or ends with anything but 0.
pub fn measure(command: &mut Command) -> io::Result<Cost> {
    let (started, busy_before) = (Instant::now(), Processors::look());
    let child = command.spawn()?;
    let pid = libc::pid_t::try_from(child.id()).map_err(io::Error::other)?;
    let (over, ended) = channel::<()>();
    let root = child.id();
    let watcher = std::thread::spawn(move || {
        let mut peak = 0;
        while ended.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            peak = peak.max(tree_rss_kib(root));
        }
        peak
    });
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: `pid` is a child of this process that nothing else waits for, and both out-pointers are valid. The
    // kernel fills `usage` when the call succeeds; all zeros are a valid value of it otherwise.
    let (waited, usage) = unsafe {
        let waited = libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr());
        (waited, usage.assume_init())
    };
    drop(over);
    let peak_kib = watcher.join().map_err(|_| io::Error::other("nobody looked at the memory"))?;
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
    let cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    Ok(Cost {
        cpu_s,
        others: Processors::look().others_since(busy_before, cpu_s),
        wall_s: started.elapsed().as_secs_f64(),
        // A process too short to be looked at has the kernel's own figure, which is of one process.
        rss_mib: peak_kib.max(u64::try_from(usage.ru_maxrss).unwrap_or(0)) as f64 / 1_024.0,
    })
}

/// The time of all processors since the machine was started, in ticks.
#[derive(Clone, Copy, Default)]
struct Processors {
    busy: f64,
    all: f64,
}

impl Processors {
    /// As `/proc/stat` has it; nothing where there is none.
    fn look() -> Self {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let words = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
        // user, nice, system, idle, iowait, irq, softirq, steal
        let ticks: Vec<f64> = words.take(8).filter_map(|word| word.parse().ok()).collect();
        let idle: f64 = ticks.iter().skip(3).take(2).sum();
        let all: f64 = ticks.iter().sum();
        Self { busy: all - idle, all }
    }

    /// The part of the time since then that was neither idle nor this much of one's own.
    fn others_since(self, before: Self, own_s: f64) -> f64 {
        // A tick is a hundredth of a second wherever Linux shows it.
        let (busy, all) = ((self.busy - before.busy) / 100.0, (self.all - before.all) / 100.0);
        if all > 0.0 { ((busy - own_s) / all).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Resident memory of a process and its descendants, in KiB.
fn tree_rss_kib(root: u32) -> u64 {
    let mut processes: Vec<(u32, u32, u64)> = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that has ended meanwhile has no memory.
        let Ok(status) = std::fs::read_to_string(entry.path().join("status")) else { continue };
        let field = |name: &str| -> Option<u64> {
            let rest = status.lines().find_map(|line| line.strip_prefix(name))?;
            rest.split_whitespace().next()?.parse().ok()
        };
        let parent = field("PPid:").and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0);
        processes.push((pid, parent, field("VmRSS:").unwrap_or(0)));
    }
    let mut tree = HashSet::from([root]);
    // Parents may stand after their children; as many rounds as the tree is deep find all.
    while processes.iter().any(|(pid, parent, _)| tree.contains(parent) && tree.insert(*pid)) {}
    processes.iter().filter(|(pid, _, _)| tree.contains(pid)).map(|(_, _, kib)| kib).sum()
}
