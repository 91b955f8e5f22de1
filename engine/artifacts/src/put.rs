//! Storing: hash, write beside, sync, make read-only, rename, sync the folder. In that order, so that an object
//! that has its name is whole even after a power cut.

use crate::error::ArtifactError;
use crate::store::LocalArtifacts;
use crate::temp::Temp;
use reelmill_model::{ArtifactRef, Digest};
use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

/// Bytes read at a time.
const CHUNK: usize = 1 << 20;
/// Objects are for reading only.
const READ_ONLY: u32 = 0o444;

/// What becomes of the file that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// It stays as it is.
    Copy,
    /// It is gone afterwards: moved where it is on the same disk, copied and removed otherwise. Nobody may
    /// write to it any more.
    Move,
}

/// Reads to the end; says the hash and the length.
pub fn hash(from: impl Read) -> io::Result<(Digest, u64)> {
    pour(from, &mut io::sink())
}

/// Copies to the end; says the hash and the length of what went by.
fn pour(mut from: impl Read, to: &mut impl Write) -> io::Result<(Digest, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK];
    let mut length = 0;
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&chunk[..read]);
        to.write_all(&chunk[..read])?;
        length += read as u64;
    }
    Ok((Digest(*hasher.finalize().as_bytes()), length))
}

pub fn bytes(
    store: &LocalArtifacts,
    bytes: &[u8],
    name: &str,
    media_type: &str,
) -> Result<ArtifactRef, ArtifactError> {
    let digest = Digest(*blake3::hash(bytes).as_bytes());
    let size = bytes.len() as u64;
    if !already(store, &digest, size)? {
        let (temp, ..) = write(store, bytes, size)?;
        publish(store, &temp.path, &digest)?;
        temp.keep();
    }
    Ok(ArtifactRef { digest, name: name.into(), size, media_type: media_type.into() })
}

pub fn file(
    store: &LocalArtifacts,
    path: &Path,
    name: &str,
    media_type: &str,
    mode: PutMode,
) -> Result<ArtifactRef, ArtifactError> {
    let meta = fs::symlink_metadata(path).map_err(ArtifactError::io("look at", path))?;
    if !meta.is_file() {
        return Err(ArtifactError::NotAFile(path.to_path_buf()));
    }
    let from = File::open(path).map_err(ArtifactError::io("open", path))?;
    let (digest, size) = match mode {
        PutMode::Copy => copy(store, from, meta.len())?,
        PutMode::Move => take(store, from, path, meta.len())?,
    };
    Ok(ArtifactRef { digest, name: name.into(), size, media_type: media_type.into() })
}

/// Copies and hashes in one pass.
fn copy(store: &LocalArtifacts, from: File, expected: u64) -> Result<(Digest, u64), ArtifactError> {
    let (temp, digest, size) = write(store, from, expected)?;
    if !already(store, &digest, size)? {
        publish(store, &temp.path, &digest)?;
        temp.keep();
    }
    Ok((digest, size))
}

/// Hashes where it lies, then gives it its place.
fn take(
    store: &LocalArtifacts,
    mut from: File,
    path: &Path,
    expected: u64,
) -> Result<(Digest, u64), ArtifactError> {
    let (digest, size) = hash(&mut from).map_err(ArtifactError::io("read", path))?;
    if !already(store, &digest, size)? {
        let temp = Temp::new(&store.temp());
        match fs::rename(path, &temp.path) {
            Ok(()) => {
                finish(&from, &temp.path).map_err(failed(store, "sync", &temp.path, size))?;
                publish(store, &temp.path, &digest)?;
                temp.keep();
                return Ok((digest, size));
            }
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let again = File::open(path).map_err(ArtifactError::io("open", path))?;
                copy(store, again, expected)?;
            }
            Err(error) => return Err(ArtifactError::io("move", path)(error)),
        }
    }
    fs::remove_file(path).map_err(ArtifactError::io("remove", path))?;
    Ok((digest, size))
}

/// Writes a temporary file, durable and read-only.
fn write(
    store: &LocalArtifacts,
    from: impl Read,
    expected: u64,
) -> Result<(Temp, Digest, u64), ArtifactError> {
    let temp = Temp::new(&store.temp());
    let mut file = File::create_new(&temp.path).map_err(failed(store, "make", &temp.path, expected))?;
    let (digest, size) = pour(from, &mut file).map_err(failed(store, "write", &temp.path, expected))?;
    finish(&file, &temp.path).map_err(failed(store, "sync", &temp.path, expected))?;
    Ok((temp, digest, size))
}

fn finish(file: &File, path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(READ_ONLY))?;
    // The time of storing is what the grace of a clean-up counts from.
    file.set_modified(SystemTime::now())?;
    file.sync_all()
}

/// Whether the object is there already, whole. Its time is renewed, so that a clean-up leaves it alone until
/// the run that is about to name it has done so.
fn already(store: &LocalArtifacts, digest: &Digest, size: u64) -> Result<bool, ArtifactError> {
    let path = store.place(digest);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(ArtifactError::io("open", &path)(error)),
    };
    let length = file.metadata().map_err(ArtifactError::io("look at", &path))?.len();
    if length != size {
        return Ok(false);
    }
    file.set_modified(SystemTime::now()).map_err(ArtifactError::io("renew the time of", &path))?;
    // A clean-up may have removed it between the two; the name decides.
    Ok(path.is_file())
}

/// Gives a file that was written beside the objects, and whose content has this hash, its name.
pub fn adopt(store: &LocalArtifacts, file: &File, path: &Path, digest: &Digest) -> Result<(), ArtifactError> {
    finish(file, path).map_err(failed(store, "sync", path, 0))?;
    publish(store, path, digest)
}

fn publish(store: &LocalArtifacts, from: &Path, digest: &Digest) -> Result<(), ArtifactError> {
    let place = store.place(digest);
    let objects = store.objects();
    let folder = place.parent().unwrap_or(&objects);
    match fs::create_dir(folder) {
        Ok(()) => sync_folder(&objects)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(store, "make the folder", folder, 0)(error)),
    }
    fs::rename(from, &place).map_err(failed(store, "rename to", &place, 0))?;
    sync_folder(folder)
}

fn sync_folder(folder: &Path) -> Result<(), ArtifactError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(ArtifactError::io("sync", folder))
}

pub fn failed(
    store: &LocalArtifacts,
    doing: &'static str,
    path: &Path,
    needed: u64,
) -> impl FnOnce(io::Error) -> ArtifactError {
    let (disk, other) = (store.root().to_path_buf(), ArtifactError::io(doing, path));
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ArtifactError::DiskFull { needed, disk, source }
        }
        _ => other(source),
    }
}
