//! Claims: of all processes that use a folder, one transfers an object at a time.
//!
//! A claim is a lock on a file that outlives its holder: what is in it is how far the transfer has come. A killed
//! process loses the lock and leaves the file, and the next one goes on from there.

use crate::error::ArtifactError;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The right to write a file, until this is dropped.
#[derive(Debug)]
pub struct Claim {
    /// The file, locked; opened for reading and appending.
    pub file: File,
    /// Where it is.
    pub path: PathBuf,
}

impl Claim {
    /// Waits for the right to write a file, which is made if need be. Blocks.
    pub fn wait(path: &Path) -> Result<Self, ArtifactError> {
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).open(path);
            let file = file.map_err(ArtifactError::io("open", path))?;
            file.lock().map_err(ArtifactError::io("lock", path))?;
            if let Some(claim) = Self::of(file, path)? {
                return Ok(claim);
            }
        }
    }

    /// The right to write a file that exists, unless someone has it.
    pub fn try_now(path: &Path) -> Result<Option<Self>, ArtifactError> {
        let Ok(file) = OpenOptions::new().read(true).append(true).open(path) else { return Ok(None) };
        match file.try_lock() {
            Ok(()) => Self::of(file, path),
            Err(_) => Ok(None),
        }
    }

    /// None when whoever had the right before has removed the file or given it another name.
    fn of(file: File, path: &Path) -> Result<Option<Self>, ArtifactError> {
        let own = file.metadata().map_err(ArtifactError::io("look at", path))?;
        let same = fs::metadata(path).is_ok_and(|now| (now.dev(), now.ino()) == (own.dev(), own.ino()));
        Ok(same.then(|| Self { file, path: path.to_owned() }))
    }

    /// Removes the file: there is nothing to go on with.
    pub fn remove(self) -> Result<(), ArtifactError> {
        fs::remove_file(&self.path).map_err(ArtifactError::io("remove", &self.path))
    }

    /// Empties the file: the transfer begins anew.
    pub fn clear(&self) -> Result<(), ArtifactError> {
        self.file.set_len(0).map_err(ArtifactError::io("empty", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_had_once_and_what_was_in_it_is_found_again() {
        use std::io::{Read as _, Write as _};
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("claim");
        assert!(Claim::try_now(&path).expect("looked at").is_none(), "there is no file");
        let mut first = Claim::wait(&path).expect("claimed");
        first.file.write_all(b"half").expect("written");
        assert!(Claim::try_now(&path).expect("looked at").is_none(), "it is had");
        drop(first);
        let mut second = Claim::try_now(&path).expect("looked at").expect("it is free");
        let mut text = String::new();
        second.file.read_to_string(&mut text).expect("read");
        assert_eq!(text, "half");
    }

    #[test]
    fn a_file_that_was_removed_while_one_waited_is_made_anew() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("claim");
        let first = Claim::wait(&path).expect("claimed");
        let waiting = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| Claim::wait(&path).expect("claimed after all"));
            first.remove().expect("removed");
            waiting.join().expect("it ends")
        });
        assert!(path.exists());
        waiting.remove().expect("it is its own");
    }
}
