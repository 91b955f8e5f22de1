//! The scratch of this worker, and what workers that were killed have left of theirs.

use crate::identity;
use reelmill_model::WorkerId;
use reelmill_runtime::Scratch;
use std::io;
use std::path::Path;

/// Where the folders of attempts are kept that someone wants to look into. No worker has this name, so that it is
/// never taken for the scratch of a dead one.
const KEPT: &str = "kept";

/// A folder of its own for this worker. Those of workers of this machine that have died are removed first: nobody
/// else would.
pub fn open(root: &Path, keep: bool) -> io::Result<Scratch> {
    std::fs::create_dir_all(root)?;
    sweep(root);
    let own = if keep { KEPT.to_owned() } else { identity::worker_id().0 };
    Scratch::open(&root.join(own), keep)
}

/// Removes the folder of a worker that ends; one that still has something in it stays.
pub fn close(own: &Path) {
    let _ = std::fs::remove_dir(own);
}

/// Whatever cannot be removed is left to the next start: it is only disk.
fn sweep(root: &Path) {
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let name = WorkerId(entry.file_name().to_string_lossy().into_owned());
        if identity::is_dead(&name)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::warn!(%error, path = %entry.path().display(), "scratch of a dead worker is left");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scratch_of_the_dead_is_removed() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        let own = identity::worker_id().0;
        let machine = own.split(':').next().expect("it begins with the machine");
        let dead = format!("{machine}:{}:1", child.id());
        child.wait().expect("its end");
        for name in [dead.as_str(), "elsewhere:1:1", KEPT, "mine"] {
            std::fs::create_dir_all(root.path().join(name).join("run-1")).expect("a folder");
        }
        let scratch = open(root.path(), false).expect("opened");
        assert!(!root.path().join(&dead).exists());
        assert!(["elsewhere:1:1", KEPT, "mine", &own].iter().all(|name| root.path().join(name).is_dir()));
        close(scratch.root());
        assert!(!root.path().join(own).exists());
    }
}
