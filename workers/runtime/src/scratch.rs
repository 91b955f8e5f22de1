//! Scratch: a folder for every attempt, gone when the attempt has ended.

use reelmill_graph::Node;
use reelmill_ports::Leased;
use std::io;
use std::path::{Path, PathBuf};

/// Where attempts have their folders.
#[derive(Clone, Debug)]
pub struct Scratch {
    root: PathBuf,
    keep: bool,
}

/// One attempt's folder; removed with everything in it when dropped.
#[derive(Debug)]
pub struct AttemptScratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Scratch below a folder, which is made when missing. `keep` leaves the folders of attempts for debugging.
    pub fn open(root: &Path, keep: bool) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        Ok(Self { root: root.canonicalize()?, keep })
    }

    /// The folder all attempts' folders are in.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A new folder for an attempt. The token in its name keeps a zombie's folder apart from its successor's.
    pub fn attempt(&self, leased: &Leased) -> io::Result<AttemptScratch> {
        let name = format!("{}-{}-{}", leased.task.run, leased.task.task, leased.token.0);
        let path = self.root.join(name);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                std::fs::remove_dir_all(&path)?;
                std::fs::create_dir(&path)?;
            }
            other => other?,
        }
        Ok(AttemptScratch { path, keep: self.keep })
    }
}

impl AttemptScratch {
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for AttemptScratch {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "a scratch folder could not be removed");
        }
    }
}

/// A task's name for people, from what a lease says: names outward in, with item keys.
#[must_use]
pub fn task_name(node: &Node, leased: &Leased) -> String {
    let keys: Vec<&str> =
        leased.items.iter().rev().map(|level| level.key.as_str()).filter(|key| !key.is_empty()).collect();
    if keys.is_empty() { node.path.clone() } else { format!("{}[{}]", node.path, keys.join("/")) }
}
