//! What an upload has to remember: where it goes on after its process was killed, and that it is done. One file for
//! each task, in a folder that outlives attempts; only one attempt at a time has it.
//!
//! It is written before what it remembers is used, so that a repetition goes on instead of beginning anew. Addresses of
//! upload sessions and tokens stand in it, so nobody else may read it.

use reelmill_sdk::prelude::*;
use reelmill_sdk::serde::de::DeserializeOwned;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long something is remembered after it was written.
const AGE_MAX: Duration = Duration::from_hours(24 * 30);
/// When to ask again for what another attempt has.
const BUSY_PAUSE: Duration = Duration::from_secs(15);
/// Bytes of a file at the most.
const BYTES_MAX: u64 = 1 << 20;

/// A remembered value with a lock on it.
pub struct Ledger<T> {
    path: PathBuf,
    value: T,
    /// Held as long as this lives; gone with the process.
    _lock: File,
}

impl<T: Serialize + DeserializeOwned + Default> Ledger<T> {
    /// Opens what `key` names in a folder.
    ///
    /// # Errors
    /// `transient` with code `busy` while another attempt has it.
    pub fn open(folder: &Path, kind: &str, key: &str) -> Result<Self, StageError> {
        let ledger = Self::locked(folder, kind, key, |lock| match lock.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(StageError::transient(
                "another attempt at the same upload is still running; it is waited for",
            )
            .code("busy")
            .retry_after(BUSY_PAUSE)),
            Err(TryLockError::Error(error)) => Err(error.into()),
        })?;
        // Whoever begins an upload clears up after those that ended long ago.
        forget_old(folder, SystemTime::now());
        Ok(ledger)
    }

    /// The same, but waits for whoever has it: for what is held for the length of one request.
    pub fn wait(folder: &Path, kind: &str, key: &str, cx: &Cx<'_>) -> Result<Self, StageError> {
        Self::locked(folder, kind, key, |lock| {
            loop {
                match lock.try_lock() {
                    Ok(()) => return Ok(()),
                    Err(TryLockError::WouldBlock) => cx.pause(Duration::from_millis(50))?,
                    Err(TryLockError::Error(error)) => return Err(error.into()),
                }
            }
        })
    }

    fn locked(
        folder: &Path,
        kind: &str,
        key: &str,
        take: impl FnOnce(&File) -> Result<(), StageError>,
    ) -> Result<Self, StageError> {
        let name = format!("{kind}-{}", &blake3::hash(key.as_bytes()).to_hex()[..32]);
        let path = folder.join(format!("{name}.json"));
        let doing = || format!("open `state` {}", folder.display());
        let lock = own_file(&folder.join(format!("{name}.lock")), false).context(doing())?;
        take(&lock)?;
        let value = match path.metadata() {
            Ok(facts) if facts.len() <= BYTES_MAX => {
                let text = std::fs::read(&path).context(doing())?;
                // A file that somebody broke is worth nothing; the rename below never leaves half of one.
                serde_json::from_slice(&text).unwrap_or_default()
            }
            _ => T::default(),
        };
        Ok(Self { path, value, _lock: lock })
    }

    /// What is remembered.
    pub const fn get(&self) -> &T {
        &self.value
    }

    /// Remembers something else. It is on the disk when this returns.
    pub fn set(&mut self, value: T) -> Result<(), StageError> {
        let doing = "remember the upload in `state`";
        let text = serde_json::to_vec(&value).map_err(|error| StageError::internal(error.to_string()))?;
        let part = self.path.with_extension("part");
        let mut file = own_file(&part, true).context(doing)?;
        file.write_all(&text).and_then(|()| file.sync_all()).context(doing)?;
        std::fs::rename(&part, &self.path).context(doing)?;
        if let Some(folder) = self.path.parent() {
            File::open(folder).and_then(|folder| folder.sync_all()).context(doing)?;
        }
        self.value = value;
        Ok(())
    }
}

/// Opens a file that nobody else may read.
fn own_file(path: &Path, truncate: bool) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(truncate).mode(0o600).open(path)
}

fn forget_old(folder: &Path, now: SystemTime) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_old = entry
            .metadata()
            .and_then(|facts| facts.modified())
            .is_ok_and(|written| now.duration_since(written).is_ok_and(|age| age > AGE_MAX));
        let is_upload = entry.file_name().to_str().is_some_and(|name| name.starts_with("upload-"));
        if is_old && is_upload {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_sdk::FailureClass;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_remembered_outlives_its_owner_and_is_nobody_else_s() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Ledger::<Vec<u32>>::open(folder.path(), "upload-x", "run-1").unwrap();
        first.set(vec![7]).unwrap();
        let busy = Ledger::<Vec<u32>>::open(folder.path(), "upload-x", "run-1").map(|_| ()).unwrap_err();
        assert_eq!((busy.class(), busy.failure().code.as_str()), (FailureClass::Transient, "busy"));
        drop(first);
        assert_eq!(Ledger::<Vec<u32>>::open(folder.path(), "upload-x", "run-1").unwrap().get(), &[7]);
        assert!(Ledger::<Vec<u32>>::open(folder.path(), "upload-x", "run-2").unwrap().get().is_empty());
        for entry in std::fs::read_dir(folder.path()).unwrap().flatten() {
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", entry.path());
        }
    }

    #[test]
    fn a_broken_file_is_forgotten_and_old_ones_are_deleted() {
        let folder = tempfile::tempdir().unwrap();
        Ledger::<Vec<u32>>::open(folder.path(), "upload-x", "k").unwrap().set(vec![1]).unwrap();
        let path = std::fs::read_dir(folder.path()).unwrap().flatten().map(|entry| entry.path());
        let path = path.into_iter().find(|path| path.extension().is_some_and(|e| e == "json")).unwrap();
        std::fs::write(&path, "{half").unwrap();
        assert!(Ledger::<Vec<u32>>::open(folder.path(), "upload-x", "k").unwrap().get().is_empty());
        std::fs::write(folder.path().join("account-1.json"), "[]").unwrap();
        forget_old(folder.path(), SystemTime::now() + AGE_MAX + Duration::from_secs(5));
        let left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(left, ["account-1.json"], "tokens are kept");
    }
}
