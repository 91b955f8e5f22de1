//! Processors, memory and disk, as far as this process may use them: a container's limits count, not its host's.

use serde::Serialize;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use sysinfo::{CpuRefreshKind, Disks, ProcessRefreshKind, ProcessesToUpdate, System, get_current_pid};

/// A machine as this process sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// Name and version of the system, for people.
    pub os: Option<String>,
    /// Version of the kernel.
    pub kernel: Option<String>,
    /// Model of the first processor.
    pub cpu_model: Option<String>,
    /// Processors this process may use; affinity and a CPU quota are taken off.
    pub cpus: usize,
    /// Memory this process may use, in bytes: the machine's or the control group's, whichever is less.
    pub memory_total_bytes: u64,
    /// How much of it is free now, in bytes.
    pub memory_available_bytes: u64,
}

impl Machine {
    /// Looks at the machine.
    #[must_use]
    pub fn look() -> Self {
        let mut system = System::new();
        let cpu_model = system.as_mut().ok().and_then(|system| {
            system.refresh_cpu_list(CpuRefreshKind::nothing());
            system.cpus().first().map(|cpu| cpu.brand().trim().to_owned())
        });
        let (total, available) = system.as_mut().map_or((0, 0), memory_of);
        Self {
            os: System::long_os_version().ok(),
            kernel: System::kernel_version().ok(),
            cpu_model: cpu_model.filter(|model| !model.is_empty()),
            cpus: available_parallelism().map_or(1, usize::from),
            memory_total_bytes: total,
            memory_available_bytes: available,
        }
    }

    /// Free memory, in bytes: of the whole machine, and as far as control groups let this process use it.
    pub(crate) fn look_at_memory() -> (u64, u64) {
        System::new().as_mut().map_or((0, 0), |system| {
            let (_, available) = memory_of(system);
            (system.available_memory(), available)
        })
    }
}

/// Total and free memory in bytes, cut to the control group's limit where there is one.
fn memory_of(system: &mut System) -> (u64, u64) {
    system.refresh_memory();
    let whole = (system.total_memory(), system.available_memory());
    let limits = get_current_pid().ok().and_then(|pid| {
        system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[pid]),
            false,
            ProcessRefreshKind::nothing().without_tasks(),
        );
        system.process(pid).and_then(sysinfo::Process::cgroup_limits)
    });
    match limits {
        Some(limits) => (whole.0.min(limits.total_memory), whole.1.min(limits.free_memory)),
        None => whole,
    }
}

/// The file system a path lies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Its size, in bytes.
    pub total_bytes: u64,
    /// What is free for this user, in bytes.
    pub available_bytes: u64,
}

/// The file system that holds `path`, or will hold it once it is made. None when none is known.
#[must_use]
pub fn disk_of(path: &Path) -> Option<Disk> {
    let existing = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list().ok()?;
    let mounts = disks.iter().map(|disk| (disk.mount_point(), disk));
    innermost(&existing, mounts).map(|(mount_point, disk)| Disk {
        mount_point: mount_point.to_path_buf(),
        total_bytes: disk.total_space(),
        available_bytes: disk.available_space(),
    })
}

/// The mount point that holds a path, with what comes with it: the longest of those the path begins with.
fn innermost<'m, T>(path: &Path, mounts: impl Iterator<Item = (&'m Path, T)>) -> Option<(&'m Path, T)> {
    mounts.filter(|(mount, _)| path.starts_with(mount)).max_by_key(|(mount, _)| mount.components().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_holds_a_path() {
        let mounts = ["/", "/home", "/home/ann/big", "/homestead"].map(|mount| (Path::new(mount), ()));
        let of = |path: &str| innermost(Path::new(path), mounts.into_iter()).map(|(mount, ())| mount);
        assert_eq!(of("/home/ann/video.mp4"), Some(Path::new("/home")));
        assert_eq!(of("/home/ann/big/x"), Some(Path::new("/home/ann/big")));
        assert_eq!(of("/homestead/x"), Some(Path::new("/homestead")), "whole names count, not letters");
        assert_eq!(of("/srv"), Some(Path::new("/")));
    }

    #[test]
    fn this_machine_has_what_a_machine_has() {
        let machine = Machine::look();
        assert!(machine.cpus >= 1);
        assert!(machine.memory_total_bytes > 64 << 20, "{machine:?}");
        assert!(machine.memory_available_bytes <= machine.memory_total_bytes, "{machine:?}");
    }

    #[test]
    fn a_folder_that_is_still_to_be_made_has_the_disk_of_its_parent() {
        let there = disk_of(&std::env::temp_dir());
        let to_be = disk_of(&std::env::temp_dir().join("not/made/yet"));
        assert_eq!(there.map(|disk| disk.mount_point), to_be.map(|disk| disk.mount_point));
    }
}
