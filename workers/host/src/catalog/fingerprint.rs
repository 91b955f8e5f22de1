//! What tells one build of a plugin from another: the digest of its content, and a cheap stamp of its files that
//! changes whenever the content may have.

use reelmill_model::Digest;
use std::fs::Metadata;
use std::io::{Error, Result};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Files of an exec plugin's folder.
const FILES_MAX: usize = 2_000;
/// Bytes of an exec plugin's folder.
const BYTES_MAX: u64 = 256 << 20;
/// Folders that are no part of a plugin.
const SKIPPED: &[&str] = &["__pycache__", "node_modules", "target"];

/// The stamp of one file.
pub fn of_file(path: &Path) -> Result<String> {
    Ok(stamp(&path.metadata()?))
}

/// The stamp of a folder with everything in it.
pub fn of_folder(dir: &Path) -> Result<String> {
    let mut hasher = blake3::Hasher::new();
    for (path, metadata) in files(dir)? {
        hasher.update(path.as_os_str().as_bytes());
        hasher.update(stamp(&metadata).as_bytes());
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// The digest of one file.
pub fn digest_file(path: &Path) -> Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(std::fs::File::open(path)?)?;
    Ok(Digest(*hasher.finalize().as_bytes()))
}

/// The digest of a folder: of the names, lengths and contents of its files, in order of name.
pub fn digest_folder(dir: &Path) -> Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    for (path, metadata) in files(dir)? {
        let name = path.strip_prefix(dir).unwrap_or(&path).as_os_str().as_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name);
        hasher.update(&metadata.len().to_le_bytes());
        hasher.update_reader(std::fs::File::open(&path)?)?;
    }
    Ok(Digest(*hasher.finalize().as_bytes()))
}

fn stamp(metadata: &Metadata) -> String {
    format!(
        "{}:{}:{}:{}.{}:{}.{}",
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec()
    )
}

/// The regular files of a folder, in order of name; hidden ones and what tools leave behind are not looked at.
fn files(dir: &Path) -> Result<Vec<(PathBuf, Metadata)>> {
    let mut files = Vec::new();
    let mut bytes = 0;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with('.') || SKIPPED.contains(&name.as_ref()) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let metadata = entry.metadata()?;
                bytes += metadata.len();
                files.push((entry.path(), metadata));
            }
            if files.len() > FILES_MAX || bytes > BYTES_MAX {
                return Err(Error::other(format!(
                    "the plugin's folder has more than {FILES_MAX} files or {} MiB; keep data elsewhere and name it \
                     in `needs.read`",
                    BYTES_MAX >> 20
                )));
            }
        }
    }
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_changes_its_digest_with_any_content_or_name_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("main.py", "1");
        let first = digest_folder(dir.path()).unwrap();
        std::fs::create_dir(dir.path().join("__pycache__")).unwrap();
        write("__pycache__/main.pyc", "x");
        write(".hidden", "x");
        assert_eq!(digest_folder(dir.path()).unwrap(), first);
        write("main.py", "2");
        let second = digest_folder(dir.path()).unwrap();
        assert_ne!(second, first);
        std::fs::rename(dir.path().join("main.py"), dir.path().join("other.py")).unwrap();
        assert_ne!(digest_folder(dir.path()).unwrap(), second);
    }

    #[test]
    fn a_file_written_anew_has_another_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::write(&a, "x").unwrap();
        let before = of_file(&a).unwrap();
        std::fs::write(&b, "x").unwrap();
        std::fs::rename(&b, &a).unwrap();
        assert_ne!(of_file(&a).unwrap(), before);
    }
}
