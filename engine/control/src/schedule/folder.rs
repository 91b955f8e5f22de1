//! The files of a watched folder, as a listing shows them.

use reelmill_triggers::FileStat;
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// Every file directly in a folder. Folders, links and names that are no text are left out.
pub fn list(folder: &Path) -> io::Result<Vec<FileStat>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // A file that was moved away meanwhile is simply not there.
        let Ok(about) = entry.metadata() else { continue };
        let Ok(name) = entry.file_name().into_string() else { continue };
        if about.is_file() {
            let modified = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
            let modified_ms =
                modified.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
            files.push(FileStat { name, size: about.len(), modified_ms });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        std::fs::write(folder.path().join("a.csv"), "1,2").expect("a file can be written");
        std::fs::create_dir(folder.path().join("b")).expect("a folder can be made");
        std::os::unix::fs::symlink("a.csv", folder.path().join("c")).expect("a link can be made");
        let files = list(folder.path()).expect("it can be listed");
        assert_eq!(
            files.iter().map(|file| (file.name.as_str(), file.size)).collect::<Vec<_>>(),
            [("a.csv", 3)]
        );
        assert!(files[0].modified_ms > 1_700_000_000_000, "it was changed just now");
        assert!(list(&folder.path().join("none")).is_err());
    }
}
