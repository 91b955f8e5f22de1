//! The machine as a worker that follows it sees it, again and again: what its own attempts use, what others use, what is
//! free. Reads `/proc` only; where there is none, others use nothing.

use crate::cgroup;
use crate::machine::Machine;
use std::collections::HashMap;
use std::fs;
use std::thread::available_parallelism;

/// Bytes of a page that `/proc` counts in.
const PAGE_BYTES: u64 = 4096;

/// One look. CPU is that since the look before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// CPU that this process may use, in thousandths of a core.
    pub cpu_milli: u32,
    /// CPU that the whole machine has, in thousandths of a core.
    pub host_cpu_milli: u32,
    /// CPU that everybody used.
    pub busy_milli: u32,
    /// CPU that this process and those below it used.
    pub own_milli: u32,
    /// Threads of the whole machine that ran or wanted to at the moment of the look, this one left out.
    pub runnable: u32,
    /// Memory that is free for this process, in bytes.
    pub memory_available_bytes: u64,
    /// Memory that processes below this one have for themselves, in bytes.
    pub memory_own_bytes: u64,
}

impl Look {
    /// What others leave no room for, of the CPU that this process may use, in thousandths of a core.
    #[must_use]
    pub fn others_milli(&self) -> u32 {
        let others = self.busy_milli.saturating_sub(self.own_milli);
        let left = self.host_cpu_milli.saturating_sub(others);
        self.cpu_milli.saturating_sub(left)
    }

    /// How much of the CPU that they want programs get, in thousandths: all of it while there is enough. Where there is
    /// not, threads share the processors, or this process's `running` attempts what it may use of them.
    #[must_use]
    pub fn share_milli(&self, running: u32) -> u32 {
        let full = |used: u32, of: u32| u64::from(used) * 20 >= u64::from(of) * 19;
        let share = |of: u32, among: u32| of / among.max(1);
        let host =
            full(self.busy_milli, self.host_cpu_milli).then(|| share(self.host_cpu_milli, self.runnable));
        // A process that may use the whole machine is one of all.
        let own = (self.cpu_milli < self.host_cpu_milli && full(self.own_milli, self.cpu_milli))
            .then(|| share(self.cpu_milli, running));
        host.into_iter().chain(own).fold(1_000, u32::min)
    }
}

/// Looks at the machine.
#[derive(Debug, Default)]
pub struct Sampler {
    before: Ticks,
}

/// CPU time since the machine started, in ticks, of all processors together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    all: u64,
    idle: u64,
    own: u64,
}

impl Sampler {
    /// The machine now. The first look sees no CPU used.
    pub fn look(&mut self) -> Look {
        let cpus = available_parallelism().map_or(1, usize::from);
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let host_cpus = stat.lines().filter(|line| is_processor(line)).count().max(cpus);
        let (own, memory_own_bytes) = own(std::process::id(), processes());
        let (all, idle) = whole(&stat).unwrap_or_default();
        let now = Ticks { all, idle, own };
        let before = std::mem::replace(&mut self.before, now);
        let host_cpu_milli = milli(host_cpus);
        let part = |of: u64| part_milli(of, now.all.saturating_sub(before.all), host_cpu_milli);
        let first = before == Ticks::default();
        let idle = part(now.idle.saturating_sub(before.idle));
        let loads = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Look {
            cpu_milli: milli(cpus),
            host_cpu_milli,
            busy_milli: if first || now.all <= before.all { 0 } else { host_cpu_milli.saturating_sub(idle) },
            own_milli: if first { 0 } else { part(now.own.saturating_sub(before.own)) },
            runnable: runnable(&loads).unwrap_or(0).saturating_sub(1),
            memory_available_bytes: available_bytes(),
            memory_own_bytes,
        }
    }
}

fn milli(cpus: usize) -> u32 {
    u32::try_from(cpus).unwrap_or(u32::MAX).saturating_mul(1_000)
}

/// What part of a whole some ticks are.
fn part_milli(ticks: u64, of: u64, whole_milli: u32) -> u32 {
    let part = ticks.saturating_mul(u64::from(whole_milli)) / of.max(1);
    u32::try_from(part).unwrap_or(u32::MAX).min(whole_milli)
}

/// Memory that is free for this process. A group's own words count before those of the system: they know the page cache.
fn available_bytes() -> u64 {
    let machine = Machine::look_at_memory();
    match cgroup::memory() {
        Some(group) => group.available_bytes.min(machine.0),
        None => machine.1,
    }
}

fn is_processor(line: &str) -> bool {
    line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// All ticks of `/proc/stat`, and the idle ones. The two fields of guests are counted in others.
fn whole(stat: &str) -> Option<(u64, u64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let fields: Vec<u64> = line.split_whitespace().take(8).filter_map(|field| field.parse().ok()).collect();
    let idle = fields.get(3)? + fields.get(4)?;
    Some((fields.iter().sum(), idle))
}

/// The fourth field of `/proc/loadavg`: `2/345`.
fn runnable(loads: &str) -> Option<u32> {
    loads.split_whitespace().nth(3)?.split('/').next()?.parse().ok()
}

/// One process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// Its CPU time and that of children it has waited for, in ticks.
    ticks: u64,
}

fn processes() -> HashMap<u32, Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let one = |name: &str| {
        let pid: u32 = name.parse().ok()?;
        Some((pid, process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?))
    };
    entries.filter_map(|entry| one(entry.file_name().to_str()?)).collect()
}

fn process(stat: &str) -> Option<Process> {
    // The name in parentheses may hold anything; the parent is field 4, the times are fields 14 to 17.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Process { parent: fields.get(1)?.parse().ok()?, ticks })
}

/// CPU time of a process and of all below it, in ticks, and the memory of those below it, in bytes.
fn own(root: u32, mut processes: HashMap<u32, Process>) -> (u64, u64) {
    let mut below: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, process) in &processes {
        below.entry(process.parent).or_default().push(*pid);
    }
    let (mut ticks, mut bytes, mut open) = (0, 0, vec![root]);
    // Each is taken once: this ends, whatever was read while it changed.
    while let Some(pid) = open.pop() {
        let Some(process) = processes.remove(&pid) else { continue };
        ticks += process.ticks;
        bytes += if pid == root { 0 } else { private_bytes(pid) };
        open.extend(below.remove(&pid).into_iter().flatten());
    }
    (ticks, bytes)
}

/// What a process has for itself: resident and not shared with files, which the page cache holds anyway.
fn private_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let mut pages = text.split_whitespace().skip(1).filter_map(|field| field.parse::<u64>().ok());
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared).saturating_mul(PAGE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_and_those_below_it_are_its_own() {
        let process = |parent, ticks| Process { parent, ticks };
        let all = [
            (1, process(0, 1)),
            (5, process(1, 10)),
            (6, process(5, 100)),
            (7, process(6, 1000)),
            (8, process(1, 9)),
        ];
        assert_eq!(own(5, all.into_iter().collect()).0, 1110);
        let circle = [(5, process(6, 1)), (6, process(5, 1))];
        assert_eq!(own(5, circle.into_iter().collect()).0, 2, "what was read while it changed ends too");
    }

    #[test]
    fn lines_of_proc_are_read() {
        let stat = "cpu  10 20 30 40 50 0 0 0 7 7\ncpu0 1 2\ncpu11 3 4\nctxt 5\n";
        assert_eq!(whole(stat), Some((150, 90)));
        assert_eq!(stat.lines().filter(|line| is_processor(line)).count(), 2);
        assert_eq!(runnable("4.10 2.73 2.12 4/118 32528\n"), Some(4));
        let line = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 99";
        assert_eq!(process(line), Some(Process { parent: 1, ticks: 100 }));
    }

    #[test]
    fn others_take_what_they_leave_no_room_for() {
        let look = |cpu, host, busy, own| Look {
            cpu_milli: cpu,
            host_cpu_milli: host,
            busy_milli: busy,
            own_milli: own,
            runnable: 8,
            ..Look::default()
        };
        assert_eq!(look(2_000, 2_000, 1_500, 1_000).others_milli(), 500);
        assert_eq!(look(2_000, 64_000, 60_000, 2_000).others_milli(), 0, "there is room beside them");
        assert_eq!(look(2_000, 64_000, 64_000, 1_000).others_milli(), 1_000);
        assert_eq!(look(2_000, 2_000, 1_000, 1_000).share_milli(4), 1_000);
        assert_eq!(look(4_000, 4_000, 4_000, 1_000).share_milli(4), 500, "eight threads on four cores");
        assert_eq!(look(2_000, 64_000, 9_000, 1_990).share_milli(16), 125, "what it may use is full");
        assert_eq!(look(2_000, 64_000, 9_000, 1_990).share_milli(1), 1_000);
    }

    #[test]
    fn this_machine_is_seen() {
        let mut sampler = Sampler::default();
        let first = sampler.look();
        assert_eq!((first.busy_milli, first.own_milli), (0, 0), "there was no look before");
        let second = sampler.look();
        assert!(second.cpu_milli >= 1_000 && second.host_cpu_milli >= second.cpu_milli, "{second:?}");
        assert!(
            second.busy_milli <= second.host_cpu_milli && second.memory_available_bytes > 0,
            "{second:?}"
        );
    }
}
