//! What a running process uses, from `/proc`.

use crate::sys;
use std::path::PathBuf;

/// Memory of a process, in bytes. Zero when it is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// Largest resident so far.
    pub peak: u64,
}

/// The memory of a process.
pub fn memory(pid: u32) -> Memory {
    std::fs::read_to_string(file(pid, "status")).map(|text| read_memory(&text)).unwrap_or_default()
}

fn read_memory(status: &str) -> Memory {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        Some(kib * 1024)
    };
    Memory { resident: field("VmRSS:").unwrap_or(0), peak: field("VmHWM:").unwrap_or(0) }
}

/// How far a peak may lie above what is resident without being worth forgetting: forgetting costs more than a
/// small call does.
const PEAK_SLACK_BYTES: u64 = 1 << 20;

/// Forgets the largest resident so far, so that the next reading is of the next attempt: to a mebibyte.
pub fn forget_peak(pid: u32, last: Memory) {
    if last.peak <= last.resident + PEAK_SLACK_BYTES {
        return;
    }
    // Without permission the peak stays that of the process's whole life, which is an upper bound.
    let _ = std::fs::write(file(pid, "clear_refs"), "5");
}

/// CPU time of a process and of the children it has waited for, in microseconds, to a tick (10 ms).
pub fn cpu_us(pid: u32) -> u64 {
    std::fs::read_to_string(file(pid, "stat")).ok().and_then(|text| read_cpu(&text)).unwrap_or(0)
}

fn read_cpu(stat: &str) -> Option<u64> {
    // The name in parentheses may hold anything; utime, stime, cutime and cstime are fields 14 to 17.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
    let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(ticks * 1_000_000 / sys::ticks_per_second())
}

fn file(pid: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(read_memory(status), Memory { resident: 1 << 20, peak: 2 << 20 });
        assert_eq!(read_memory("Name:\tzombie\n"), Memory::default());
    }

    #[test]
    fn cpu_survives_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 99";
        assert_eq!(read_cpu(stat), Some(100 * 1_000_000 / sys::ticks_per_second()));
    }

    #[test]
    fn this_process_has_memory() {
        let memory = memory(std::process::id());
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
    }
}
