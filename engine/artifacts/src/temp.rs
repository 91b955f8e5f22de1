//! Temporary files: one folder, names that say which process writes them, and removal of what dead ones left.

use crate::error::ArtifactError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Files of this process so far.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A path that no other file of a living process has.
pub fn path(folder: &Path) -> PathBuf {
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let pid = std::process::id();
    folder.join(format!("{pid}-{}-{count}", started(pid).unwrap_or(0)))
}

/// Where a process number means one process: this boot of this machine, and in it this namespace of numbers.
pub fn scope() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let numbers = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    format!("{}-{}", digits(&boot), digits(&numbers.to_string_lossy()))
}

/// A temporary file that is removed unless it was given its final name.
#[derive(Debug)]
pub struct Temp {
    /// Where it is.
    pub path: PathBuf,
    kept: bool,
}

impl Temp {
    /// A file that is about to be written.
    pub fn new(folder: &Path) -> Self {
        Self { path: path(folder), kept: false }
    }

    /// It has its final name now.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if !self.kept {
            // It may never have been made; what cannot be removed now is removed at the next opening.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes files whose writers are dead.
pub fn sweep(folder: &Path) -> Result<(), ArtifactError> {
    for entry in fs::read_dir(folder).map_err(ArtifactError::io("list", folder))? {
        let entry = entry.map_err(ArtifactError::io("list", folder))?;
        let name = entry.file_name();
        let writer = name.to_str().and_then(|name| {
            let mut parts = name.split('-').map(str::parse::<u64>);
            Some((u32::try_from(parts.next()?.ok()?).ok()?, parts.next()?.ok()?))
        });
        // A number of a process is used again; only together with its start does it name one.
        let alive = writer.is_some_and(|(pid, start)| started(pid).is_some_and(|now| now == start));
        if !alive {
            // Another process may sweep at the same time.
            let _ = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// When a process started, in clock ticks since boot: field 22 of proc(5) `stat`. None when it is not alive.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in brackets that may hold anything, so counting starts after the last bracket.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}
