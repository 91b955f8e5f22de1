//! The folder that keeps answers for a day and downloads until there is no more room. Several attempts may use it at
//! once: what is in it has its name only when it is whole.

use reelmill_sdk::prelude::*;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How long an answer is used: as long as Pixabay asks for.
const ANSWER_AGE_MAX: Duration = Duration::from_hours(24);
/// Bytes of downloads that are kept; the oldest go first.
const FILES_BYTES_MAX: u64 = 20 << 30;
/// Answers that are kept.
const ANSWERS_MAX: usize = 20_000;

/// The folder, if there is one.
pub struct Shelf(Option<PathBuf>);

impl Shelf {
    /// Opens it, and makes room.
    pub fn open(folder: Option<&WritePath>, cx: &Cx<'_>) -> Result<Self, StageError> {
        let Some(folder) = folder.map(WritePath::as_path) else { return Ok(Self(None)) };
        for part in ["answers", "files"] {
            std::fs::create_dir_all(folder.join(part)).context("make the folders of `cache`")?;
        }
        let shelf = Self(Some(folder.to_owned()));
        if let Err(error) = shelf.make_room(SystemTime::now()) {
            cx.warn(format!("no room was made in `cache`: {error}"));
        }
        Ok(shelf)
    }

    /// Where a download lies or will lie; the same thing has the same name.
    pub fn place(&self, thing: &str) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join("files").join(digest(thing)))
    }

    /// An answer to a request, if it is young enough.
    pub fn answer(&self, request: &str, now: SystemTime) -> Option<String> {
        let path = self.answer_path(request)?;
        is_young(&path, now).then(|| std::fs::read_to_string(path).ok())?
    }

    /// Keeps an answer. One that cannot be kept is asked for again.
    pub fn keep(&self, request: &str, body: &str, cx: &Cx<'_>) {
        let Some(path) = self.answer_path(request) else { return };
        let part = part_of(&path, cx);
        let kept = std::fs::write(&part, body).and_then(|()| std::fs::rename(&part, &path));
        if let Err(error) = kept {
            cx.warn(format!("an answer could not be kept in `cache`: {error}"));
        }
    }

    fn answer_path(&self, request: &str) -> Option<PathBuf> {
        Some(self.0.as_ref()?.join("answers").join(digest(request)))
    }

    /// Deletes answers that are too old, and the downloads that were used longest ago.
    fn make_room(&self, now: SystemTime) -> std::io::Result<()> {
        let Some(folder) = &self.0 else { return Ok(()) };
        for (place, (path, _, _)) in listed(&folder.join("answers"))?.iter().enumerate() {
            if place >= ANSWERS_MAX || !is_young(path, now) {
                let _ = std::fs::remove_file(path);
            }
        }
        let mut kept = 0;
        for (path, _, bytes) in listed(&folder.join("files"))? {
            kept += bytes;
            if kept > FILES_BYTES_MAX {
                let _ = std::fs::remove_file(path);
            }
        }
        Ok(())
    }
}

/// The name under which somebody works on a file that is not whole yet.
pub fn part_of(path: &Path, cx: &Cx<'_>) -> PathBuf {
    path.with_extension(&digest(&cx.scratch().to_string_lossy())[..16])
}

fn digest(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn is_young(path: &Path, now: SystemTime) -> bool {
    let written = path.metadata().and_then(|facts| facts.modified());
    written.is_ok_and(|at| now.duration_since(at).is_ok_and(|age| age < ANSWER_AGE_MAX))
}

/// Files of a folder with their times and sizes, the youngest first.
fn listed(folder: &Path) -> std::io::Result<Vec<(PathBuf, SystemTime, u64)>> {
    let mut files: Vec<_> = std::fs::read_dir(folder)?
        .flatten()
        .filter_map(|entry| {
            let facts = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((entry.path(), facts.modified().ok()?, facts.len()))
        })
        .collect();
    files.sort_by_key(|(_, written, _)| std::cmp::Reverse(*written));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_sdk::testing::Bench;

    #[test]
    fn answers_are_used_for_a_day_and_then_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::new(folder.path());
        let path = WritePath(folder.path().join("cache"));
        let shelf = Shelf::open(Some(&path), &bench.cx()).unwrap();
        shelf.keep("https://x/?q=sea", "{}", &bench.cx());
        let now = SystemTime::now() + Duration::from_secs(1);
        assert_eq!(shelf.answer("https://x/?q=sea", now).as_deref(), Some("{}"));
        assert_eq!(shelf.answer("https://x/?q=boat", now), None);
        let later = now + ANSWER_AGE_MAX;
        assert_eq!(shelf.answer("https://x/?q=sea", later), None);
        shelf.make_room(later).unwrap();
        assert_eq!(std::fs::read_dir(path.as_path().join("answers")).unwrap().count(), 0);
    }
}
