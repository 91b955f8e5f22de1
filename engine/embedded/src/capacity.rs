//! What this machine has, as far as it can be told by looking; labels and encoders are told by whoever starts it.

use reelmill_hardware::{Machine, disk_of, gpus};
use reelmill_model::WorkerCapacity;
use std::collections::BTreeMap;
use std::path::Path;

/// What this machine has for attempts whose folders lie below `home`.
#[must_use]
pub fn of_this_machine(
    home: &Path,
    labels: BTreeMap<String, String>,
    encoders: Vec<String>,
    plugins: Vec<String>,
) -> WorkerCapacity {
    let machine = Machine::look();
    let gpus = gpus();
    WorkerCapacity {
        name: "this machine".to_owned(),
        cpus: u32::try_from(machine.cpus).unwrap_or(u32::MAX),
        memory_bytes: machine.memory_total_bytes,
        scratch_bytes: disk_of(home).map_or(0, |disk| disk.available_bytes),
        gpus: u32::try_from(gpus.len()).unwrap_or(u32::MAX),
        vram_bytes: gpus.iter().filter_map(|gpu| gpu.memory_total_bytes).max().unwrap_or(0),
        encoders,
        labels,
        plugins,
    }
}
