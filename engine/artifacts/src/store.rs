//! Putting files in and finding them.

use crate::error::ArtifactError;
use reelmill_model::{ArtifactRef, Digest};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes copied and hashed at a time.
const CHUNK_BYTES: usize = 256 * 1024;
/// Nobody writes to an artifact.
const READ_ONLY: u32 = 0o444;

/// Files on the local disk, by content.
#[derive(Debug)]
pub struct LocalArtifacts {
    root: PathBuf,
    next: AtomicU64,
}

/// Whether the file that is put in stays where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PutMode {
    /// It stays.
    Copy,
    /// It is the store's from now on and is gone from its place.
    Move,
}

impl LocalArtifacts {
    /// The store in a folder, which is made when missing. Files that dead processes left half written are removed.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let root = root.into();
        for folder in ["objects", "incoming"] {
            let folder = root.join(folder);
            fs::create_dir_all(&folder).map_err(ArtifactError::io("make", &folder))?;
        }
        let root = root.canonicalize().map_err(ArtifactError::io("find", &root))?;
        let store = Self { root, next: AtomicU64::new(0) };
        store.sweep_incoming()?;
        Ok(store)
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Stores a file under its content. It is durable when this returns.
    pub fn put_file(
        &self,
        file: &Path,
        name: &str,
        media_type: &str,
        mode: PutMode,
    ) -> Result<ArtifactRef, ArtifactError> {
        let source = File::open(file).map_err(ArtifactError::io("open", file))?;
        let length = source.metadata().map_err(ArtifactError::io("read", file))?.len();
        let incoming = self.incoming();
        let moved = mode == PutMode::Move && fs::rename(file, &incoming).is_ok();
        let written = if moved { hash(source, None) } else { hash(source, Some(&incoming)) };
        let stored = written
            .map_err(|error| self.failed("store", file, length, error))
            .and_then(|(digest, size)| self.settle(&incoming, digest, size).map(|()| (digest, size)));
        if stored.is_err() {
            // A moved file goes back, so that nothing is lost; a half-made copy goes away.
            let _ = if moved { fs::rename(&incoming, file) } else { fs::remove_file(&incoming) };
        } else if mode == PutMode::Move && !moved {
            fs::remove_file(file).map_err(ArtifactError::io("remove", file))?;
        }
        let (digest, size) = stored?;
        Ok(ArtifactRef { digest, name: name.to_owned(), size, media_type: media_type.to_owned() })
    }

    /// Stores bytes under their content. They are durable when this returns.
    pub fn put_bytes(
        &self,
        bytes: &[u8],
        name: &str,
        media_type: &str,
    ) -> Result<ArtifactRef, ArtifactError> {
        let incoming = self.incoming();
        let stored = hash(bytes, Some(&incoming))
            .map_err(|error| self.failed("store", Path::new(name), bytes.len() as u64, error))
            .and_then(|(digest, size)| self.settle(&incoming, digest, size).map(|()| (digest, size)));
        if stored.is_err() {
            let _ = fs::remove_file(&incoming);
        }
        let (digest, size) = stored?;
        Ok(ArtifactRef { digest, name: name.to_owned(), size, media_type: media_type.to_owned() })
    }

    /// Where an artifact can be read; none when it is not here.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> Option<PathBuf> {
        let path = self.place(digest);
        path.is_file().then_some(path)
    }

    /// Reads an artifact whole and compares it with its address. A damaged one is removed, so that it is made
    /// again. `false` when it is not here.
    pub fn verify(&self, digest: &Digest) -> Result<bool, ArtifactError> {
        let path = self.place(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(ArtifactError::io("open", &path)(error)),
        };
        let (found, _) = hash(file, None).map_err(ArtifactError::io("read", &path))?;
        if found == *digest {
            return Ok(true);
        }
        self.remove(digest)?;
        Err(ArtifactError::Damaged { digest: *digest, found })
    }

    /// Removes an artifact; `false` when it was not here.
    pub fn remove(&self, digest: &Digest) -> Result<bool, ArtifactError> {
        let path = self.place(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ArtifactError::io("remove", &path)(error)),
        }
    }

    pub(crate) fn place(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join("objects").join(&hex[..2]).join(&hex)
    }

    /// A new name for a file on its way in: of this process, so that another one can tell whether it still lives.
    fn incoming(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.root.join("incoming").join(format!("{}-{number}", std::process::id()))
    }

    /// Puts a whole file that lies in `incoming` into its place: read-only, synced, then renamed.
    fn settle(&self, incoming: &Path, digest: Digest, size: u64) -> Result<(), ArtifactError> {
        let place = self.place(&digest);
        if place.metadata().is_ok_and(|there| there.len() == size) {
            return fs::remove_file(incoming).map_err(ArtifactError::io("remove", incoming));
        }
        let folder = place.parent().unwrap_or(&self.root).to_owned();
        let settle = || {
            fs::set_permissions(incoming, fs::Permissions::from_mode(READ_ONLY))?;
            File::open(incoming)?.sync_all()?;
            fs::create_dir_all(&folder)?;
            fs::rename(incoming, &place)?;
            File::open(&folder)?.sync_all()
        };
        settle().map_err(|error| self.failed("store", &place, size, error))
    }

    fn failed(
        &self,
        action: &'static str,
        file: &Path,
        needed_bytes: u64,
        error: io::Error,
    ) -> ArtifactError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ArtifactError::DiskFull { file: file.to_owned(), needed_bytes, root: self.root.clone() }
            }
            _ => ArtifactError::io(action, file)(error),
        }
    }

    /// Removes what processes that are gone left in `incoming`.
    fn sweep_incoming(&self) -> Result<(), ArtifactError> {
        let folder = self.root.join("incoming");
        let entries = fs::read_dir(&folder).map_err(ArtifactError::io("read", &folder))?;
        for entry in entries.flatten() {
            let name = entry.file_name();
            let process = name.to_string_lossy().split('-').next().map(str::to_owned).unwrap_or_default();
            if !Path::new("/proc").join(&process).exists() {
                let path = entry.path();
                fs::remove_file(&path).map_err(ArtifactError::io("remove", &path))?;
            }
        }
        Ok(())
    }
}

/// Hashes what a reader gives, and copies it into a new file where one is named. Gives hash and length.
fn hash(mut from: impl Read, into: Option<&Path>) -> io::Result<(Digest, u64)> {
    let mut copy = match into {
        Some(path) => Some(OpenOptions::new().write(true).create_new(true).open(path)?),
        None => None,
    };
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut size = 0;
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
        if let Some(copy) = &mut copy {
            copy.write_all(&chunk[..read])?;
        }
        size += read as u64;
    }
    Ok((Digest(*hasher.finalize().as_bytes()), size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, LocalArtifacts) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = LocalArtifacts::open(dir.path().join("artifacts")).expect("a store");
        (dir, store)
    }

    fn incoming(store: &LocalArtifacts) -> usize {
        fs::read_dir(store.root().join("incoming")).expect("the folder").count()
    }

    #[test]
    fn the_address_is_the_blake3_of_the_content() {
        let (_dir, store) = store();
        let artifact = store.put_bytes(b"hello", "a.txt", "text/plain").expect("stored");
        assert_eq!(artifact.digest.0, *blake3::hash(b"hello").as_bytes());
        let path = store.path(&artifact.digest).expect("it is here");
        assert_eq!(fs::read(&path).expect("readable"), b"hello");
        assert_eq!(path.metadata().expect("there").permissions().mode() & 0o222, 0, "nobody may write to it");
    }

    #[test]
    fn a_copied_file_stays_and_a_moved_one_goes() {
        let (dir, store) = store();
        let file = dir.path().join("clip.mp4");
        for (mode, stays) in [(PutMode::Copy, true), (PutMode::Move, false), (PutMode::Move, false)] {
            fs::write(&file, "frames").expect("written");
            let artifact = store.put_file(&file, "clip.mp4", "video/mp4", mode).expect("stored");
            assert_eq!((file.exists(), artifact.size), (stays, 6));
            assert!(store.verify(&artifact.digest).expect("readable"));
        }
        assert_eq!(incoming(&store), 0);
    }

    #[test]
    fn damage_is_found_and_removed() {
        let (_dir, store) = store();
        let artifact = store.put_bytes(b"good", "a", "text/plain").expect("stored");
        let path = store.path(&artifact.digest).expect("it is here");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("writable");
        fs::write(&path, b"evil").expect("written");
        assert!(matches!(store.verify(&artifact.digest), Err(ArtifactError::Damaged { .. })));
        assert!(!store.verify(&artifact.digest).expect("it is gone"));
    }

    #[test]
    fn a_missing_file_is_named_and_leaves_nothing() {
        let (dir, store) = store();
        let missing = dir.path().join("missing.mp4");
        let error = store.put_file(&missing, "m", "video/mp4", PutMode::Copy).expect_err("it is not there");
        assert!(error.to_string().contains("missing.mp4"), "{error}");
        assert_eq!(incoming(&store), 0);
    }

    #[test]
    fn what_dead_processes_left_is_swept_and_what_the_living_write_is_not() {
        let (dir, store) = store();
        let folder = store.root().join("incoming");
        // Process numbers stay below 2^22 (proc(5), `pid_max`).
        fs::write(folder.join("4194305-0"), "half").expect("written");
        fs::write(folder.join(format!("{}-9", std::process::id())), "half").expect("written");
        let again = LocalArtifacts::open(dir.path().join("artifacts")).expect("opened again");
        assert_eq!(incoming(&again), 1);
    }
}
