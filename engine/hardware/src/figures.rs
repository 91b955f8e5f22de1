//! The machine's load, read again and again: what a worker reports of its host.

use crate::machine::disk_of;
use std::path::{Path, PathBuf};
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// The machine at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// CPU time used since the reading before, of all processors together, in thousandths.
    pub cpu_per_mille: u64,
    /// Memory in use, in bytes.
    pub memory_used_bytes: u64,
    /// Memory there is, in bytes.
    pub memory_total_bytes: u64,
    /// Room on the disk of the state, in bytes.
    pub disk_available_bytes: u64,
}

/// Reads the machine's load.
#[derive(Debug)]
pub struct Figures {
    /// None where the system cannot be asked; its figures are then zero.
    system: Option<System>,
    path: PathBuf,
}

impl Figures {
    /// For a machine, and the disk that `path` lies on.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let what = RefreshKind::nothing()
            .with_cpu(CpuRefreshKind::nothing().with_usage())
            .with_memory(MemoryRefreshKind::nothing().with_ram());
        Self { system: System::new_with_specifics(what).ok(), path: path.to_owned() }
    }

    /// The load now. CPU use is that since the reading before; the first reading gives zero.
    pub fn read(&mut self) -> Load {
        let (mut cpu, mut used, mut total) = (0.0, 0, 0);
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
            cpu = system.global_cpu_usage();
            (used, total) = (system.used_memory(), system.total_memory());
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        let cpu_per_mille = (cpu.clamp(0.0, 100.0) * 10.0) as u64;
        Load {
            cpu_per_mille,
            memory_used_bytes: used,
            memory_total_bytes: total,
            disk_available_bytes: disk_of(&self.path).map_or(0, |disk| disk.available_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_memory_and_a_disk() {
        let load = Figures::new(Path::new("/")).read();
        assert!(load.memory_used_bytes > 0 && load.memory_used_bytes <= load.memory_total_bytes);
        assert!(load.cpu_per_mille <= 1_000);
    }
}
