//! Gives up what the plugin does not need: files by Landlock, system calls by seccomp. Where the kernel lacks
//! something, the plugin runs with what there is and the report says what is missing.
//!
//! This contains faults. It is no wall against code that means harm: plugins share a user with the worker.

use crate::syscalls;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use reelmill_protocol::{Confinement, Protection, SandboxReport};
use std::path::{Path, PathBuf};

/// The newest Landlock this code asks for; older kernels give what they have.
const ABI_WANTED: ABI = ABI::V6;

/// What every plugin may read: libraries and their data, what a process asks of itself, the shape of the CPU.
const READ: &[&str] = &[
    "/usr",
    "/lib",
    "/lib64",
    "/lib32",
    "/bin",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/alternatives",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/mime.types",
    "/var/cache/fontconfig",
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/dev/urandom",
    "/dev/random",
];
/// What a plugin that uses the network may read besides.
const READ_FOR_NET: &[&str] = &[
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/resolv.conf",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
];
/// What a plugin that uses a GPU may read besides.
const READ_FOR_GPU: &[&str] =
    &["/sys", "/etc/OpenCL", "/etc/vulkan", "/etc/nvidia", "/etc/glvnd", "/opt/cuda"];
/// What every plugin may write to.
const WRITE: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/shm", "/dev/tty"];
/// Devices of GPUs.
const GPU_DEVICES: &[&str] = &["/dev/dri", "/dev/kfd"];
/// Where CUDA writes the names of its threads: `cuInit` fails with error 304 (an operating system call) when it may not.
const OWN_THREADS: &str = "/proc/self/task";

/// Confines this process for good. `also` is readable besides what the confinement names; with `executables`,
/// only these files can be executed (unless it may start other programs anyway).
pub fn enter(confinement: &Confinement, also: &[PathBuf], executables: Option<&[PathBuf]>) -> SandboxReport {
    let mut missing = Vec::new();
    match restrict_files(confinement, also, executables) {
        Ok(RulesetStatus::FullyEnforced) => {}
        Ok(RulesetStatus::PartiallyEnforced) => {
            missing.push("this kernel's Landlock lacks newer rules".to_owned());
        }
        Ok(RulesetStatus::NotEnforced) => missing.push("Landlock is not enabled in this kernel".to_owned()),
        Err(error) => missing.push(format!("Landlock refused the rules: {error}")),
    }
    let no_landlock = missing.iter().any(|m| !m.contains("newer"));
    let filtered = syscalls::restrict(confinement, executables.is_some());
    if let Err(reason) = &filtered {
        missing.push(reason.clone());
    }
    let protection = match (missing.is_empty(), no_landlock && filtered.is_err()) {
        (true, _) => Protection::Full,
        (false, true) => Protection::None,
        (false, false) => Protection::Partial,
    };
    SandboxReport { protection, missing }
}

fn restrict_files(
    confinement: &Confinement,
    also: &[PathBuf],
    executables: Option<&[PathBuf]>,
) -> Result<RulesetStatus, RulesetError> {
    let may_execute = executables.is_none() || confinement.exec;
    let read: BitFlags<AccessFs> =
        if may_execute { AccessFs::from_read(ABI_WANTED) } else { AccessFs::ReadFile | AccessFs::ReadDir };
    let write = read | AccessFs::from_write(ABI_WANTED);

    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_WANTED))?;
    if !confinement.net {
        ruleset = ruleset.handle_access(AccessNet::from_all(ABI_WANTED))?;
    }
    let mut rules = ruleset
        .scope(Scope::from_all(ABI_WANTED))?
        .create()?
        .add_rules(path_beneath_rules(READ, read))?
        .add_rules(path_beneath_rules(also, read))?
        .add_rules(path_beneath_rules(&confinement.read, read))?
        .add_rules(path_beneath_rules(WRITE, write))?
        .add_rules(path_beneath_rules(&confinement.write, write))?;
    if let Some(executables) = executables {
        rules = rules.add_rules(path_beneath_rules(executables, read | AccessFs::Execute))?;
    }
    if confinement.net {
        rules = rules.add_rules(path_beneath_rules(READ_FOR_NET, read))?;
    }
    if confinement.gpu {
        rules = rules
            .add_rules(path_beneath_rules(READ_FOR_GPU, read))?
            .add_rules(path_beneath_rules(gpu_devices(), write))?
            .add_rules(path_beneath_rules([OWN_THREADS], write))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// The devices of GPUs that this machine has.
fn gpu_devices() -> Vec<PathBuf> {
    let nvidia = std::fs::read_dir("/dev").into_iter().flatten().flatten().map(|entry| entry.path());
    let nvidia = nvidia.filter(|path| path.to_string_lossy().starts_with("/dev/nvidia"));
    nvidia.chain(GPU_DEVICES.iter().map(PathBuf::from)).collect()
}

/// From now on the main thread, and what it starts, writes to one folder of those allowed so far. Only narrows,
/// so a failure leaves the process as confined as it was.
pub fn write_only_to(scratch: &Path, allowed: &[PathBuf]) {
    let kept = allowed.iter().filter(|path| !scratch.starts_with(path)).map(PathBuf::as_path);
    let folders: Vec<&Path> = kept.chain([scratch, Path::new("/dev"), Path::new(OWN_THREADS)]).collect();
    let write = AccessFs::from_write(ABI_WANTED) & !AccessFs::IoctlDev;
    let narrowed = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(write)
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules(folders, write)))
        .and_then(landlock::RulesetCreated::restrict_self);
    if let Err(error) = narrowed {
        eprintln!("the attempt's folder could not be fenced off: {error}");
    }
}
