//! Checks of the machine itself: processors, memory, disk, GPUs, Python.

use super::{Check, Status};
use crate::words;
use reelmill_hardware::{Gpu, GpuDriver, Machine, disk_of, gpus, slots};
use std::path::Path;

/// Memory below which a 1080p render is likely to be killed, in bytes.
const MEMORY_WANTED_BYTES: u64 = 2 << 30;
/// Disk below which a few runs fill it, in bytes.
const DISK_WANTED_BYTES: u64 = 10 << 30;
/// Disk below which not even one render fits, in bytes.
const DISK_NEEDED_BYTES: u64 = 1 << 30;

pub(super) fn checks(home: &Path) -> Vec<Check> {
    let machine = Machine::look();
    let mut checks = vec![system(&machine), processors(&machine), memory(&machine), disk(home), state(home)];
    checks.extend(gpu());
    checks
}

fn system(machine: &Machine) -> Check {
    let os = machine.os.as_deref().unwrap_or("unknown system");
    let kernel = machine.kernel.as_deref().unwrap_or("unknown");
    Check::ok("system", format!("{os}, kernel {kernel}"))
}

fn processors(machine: &Machine) -> Check {
    let slots = slots(machine.cpus, machine.memory_total_bytes);
    let model = machine.cpu_model.as_deref().unwrap_or("unknown model");
    Check::ok(
        "processors",
        format!(
            "{} × {model}, {} by default; `--slots auto` follows what stages use",
            machine.cpus,
            words::count(u64::try_from(slots).unwrap_or(0), "slot")
        ),
    )
}

fn memory(machine: &Machine) -> Check {
    let found = format!(
        "{} of {} free",
        words::bytes(machine.memory_available_bytes),
        words::bytes(machine.memory_total_bytes)
    );
    if machine.memory_available_bytes < MEMORY_WANTED_BYTES {
        let wanted = words::bytes(MEMORY_WANTED_BYTES);
        let remedy = format!("free some, or render smaller pictures: a 1080p render wants {wanted}");
        return Check::bad("memory", Status::Warn, found, remedy);
    }
    Check::ok("memory", found)
}

fn disk(home: &Path) -> Check {
    let Some(disk) = disk_of(home) else {
        return Check::none("disk", format!("the file system of {} is not known", home.display()));
    };
    let found = format!(
        "{} of {} free on {}",
        words::bytes(disk.available_bytes),
        words::bytes(disk.total_bytes),
        disk.mount_point.display()
    );
    let remedy = "free some with `reelmill cache gc`, or name another disk with --home DIR";
    match disk.available_bytes {
        0..DISK_NEEDED_BYTES => Check::bad("disk", Status::Missing, found, remedy),
        DISK_NEEDED_BYTES..DISK_WANTED_BYTES => Check::bad("disk", Status::Warn, found, remedy),
        _ => Check::ok("disk", found),
    }
}

/// Whether runs can be kept: the home folder, or the nearest folder above it that exists, can be written.
fn state(home: &Path) -> Check {
    let existing = home.ancestors().find(|ancestor| ancestor.is_dir()).unwrap_or(Path::new("/"));
    match tempfile_in(existing) {
        Ok(()) => Check::ok("state", home.display().to_string()),
        Err(error) => Check::bad(
            "state",
            Status::Missing,
            format!("{} cannot be written: {error}", existing.display()),
            "name a folder that can with --home DIR or $REELMILL_HOME",
        ),
    }
}

fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let probe = folder.join(format!(".reelmill-doctor-{}", std::process::id()));
    std::fs::File::create_new(&probe)?;
    std::fs::remove_file(probe)
}

fn gpu() -> Vec<Check> {
    let found = gpus();
    if found.is_empty() {
        return vec![Check::none("gpu", "none found; the first-party stages do not need one")];
    }
    found.iter().map(|gpu| Check::ok("gpu", describe(gpu))).collect()
}

/// A GPU in a line: what it is, its driver, and how busy it is.
fn describe(gpu: &Gpu) -> String {
    let mut parts = match gpu.driver {
        GpuDriver::Nvml => vec![gpu.name.clone()],
        GpuDriver::Dri => vec![format!("driver {}", gpu.name)],
    };
    parts.extend(gpu.node.as_ref().map(|node| format!("at {}", node.display())));
    if !gpu.generation.is_empty() {
        parts.push(gpu.generation.clone());
    }
    parts.extend(gpu.compute.as_ref().map(|compute| format!("compute {compute}")));
    if gpu.driver == GpuDriver::Nvml {
        parts.extend(gpu.driver_version.as_ref().map(|version| format!("driver {version}")));
    }
    let memory = gpu.memory_total_bytes.zip(gpu.memory_free_bytes);
    parts.extend(
        memory.map(|(total, free)| format!("{} of {} free", words::bytes(free), words::bytes(total))),
    );
    let reading = &gpu.reading;
    parts.extend(reading.busy_percent.map(|busy| format!("{busy} % busy")));
    parts.extend(reading.encoder_sessions.map(|count| words::count(count.into(), "encode session")));
    parts.extend(reading.temperature_celsius.map(|degrees| format!("{degrees} °C")));
    parts.join(", ")
}

/// Whether plugins written in Python can run.
pub(super) fn python() -> Check {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).map(|folder| folder.join("python3")).find(|file| file.is_file()) {
        Some(file) => Check::ok("python", file.display().to_string()),
        None => Check::bad(
            "python",
            Status::Warn,
            "python3 is not in $PATH: plugins written in Python cannot run",
            "apt-get install python3",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_cannot_be_written_is_missing_state() {
        // Not even root creates files in the process file system.
        let check = state(Path::new("/proc/reelmill"));
        assert_eq!(check.status, Status::Missing, "{check:?}");
        assert!(check.remedy.is_some());
    }

    #[test]
    fn the_probe_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let check = state(&folder.path().join("still/to/be/made"));
        assert_eq!(check.status, Status::Ok, "{check:?}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("it can be read").count(), 0);
    }
}
