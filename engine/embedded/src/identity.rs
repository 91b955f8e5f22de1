//! Who a worker is: a name that is new at every start, from which another process on the same machine can tell
//! whether it still lives.

use reelmill_model::WorkerId;
use std::path::Path;

/// The name of this process as a worker: machine, process and the process's start, so that a reused process
/// number is not taken for it.
#[must_use]
pub fn worker_id() -> WorkerId {
    let process = std::process::id();
    WorkerId(format!("{}:{process}:{}", machine(), started(process).unwrap_or(0)))
}

/// Whether a worker is a process of this machine that has ended. A worker of another machine is never known to be
/// dead here: its leases run out.
#[must_use]
pub fn is_dead(worker: &WorkerId) -> bool {
    let mut parts = worker.0.rsplitn(3, ':');
    let (Some(start), Some(process), Some(host)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let (Ok(start), Ok(process)) = (start.parse::<u64>(), process.parse::<u32>()) else { return false };
    host == machine() && started(process) != Some(start)
}

/// The name of this machine; it outlives a reboot.
pub fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}

/// Machine and boot: process numbers and starts mean nothing after a reboot.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let boot = read("/proc/sys/kernel/random/boot_id");
    let boot = boot.split('-').next().unwrap_or_default();
    format!("{}-{boot}", read("/proc/sys/kernel/hostname"))
}

/// When a process started, in clock ticks after boot: field 22 of `/proc/PID/stat`, proc(5).
fn started(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat")).ok()?;
    // The second field is the name in brackets and may contain anything; fields after the last bracket count.
    let after_name = stat.rsplit_once(')')?.1;
    let state = after_name.split_whitespace().next()?;
    if state == "Z" {
        return None;
    }
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_an_ended_one_does_not() {
        assert!(!is_dead(&worker_id()));
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let name = format!("{}:{}:{}", machine(), child.id(), started(child.id()).unwrap_or(1));
        child.wait().expect("its end");
        assert!(is_dead(&WorkerId(name)));
    }

    #[test]
    fn other_machines_and_odd_names_are_not_dead() {
        assert!(!is_dead(&WorkerId("elsewhere-1234:1:1".to_owned())));
        assert!(!is_dead(&WorkerId("odd".to_owned())));
    }
}
