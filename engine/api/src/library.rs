//! Uploaded files: shelves of `library` in the home folder. Each file is an artifact, which is what `file` inputs take, and
//! lies under its own name too, so that stages that take a folder find it. Both are one file on the disk.

use reelmill_artifacts::{ArtifactError, Artifacts, PutMode, media_type};
use reelmill_model::{ArtifactRef, limits};
use serde::Serialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The shelves: music, clips and pictures, and whatever else pipelines take (recordings, fonts, texts).
pub const SHELVES: [&str; 3] = ["music", "material", "files"];
/// Bytes of a file's name.
const NAME_BYTES_MAX: usize = 200;

/// The shelves and where they are.
pub struct Library {
    root: PathBuf,
    uploads: AtomicU64,
}

/// A file that was uploaded.
#[derive(Debug, Serialize)]
pub struct Upload {
    /// Its shelf.
    pub shelf: String,
    /// Its name.
    pub name: String,
    /// What a `file` input takes.
    pub artifact: ArtifactRef,
}

impl Library {
    /// Opens the shelves of a home folder. Uploads that were cut short with their process are removed.
    pub fn open(home: &Path) -> io::Result<Self> {
        let library = Self { root: home.join("library"), uploads: AtomicU64::new(0) };
        for shelf in SHELVES {
            fs::create_dir_all(library.folder(shelf))?;
            fs::create_dir_all(library.notes(shelf))?;
        }
        fs::create_dir_all(library.coming())?;
        for entry in fs::read_dir(library.coming())?.flatten() {
            let name = entry.file_name();
            let owner = name.to_str().and_then(|name| name.split('-').next());
            if !owner.is_some_and(|owner| Path::new("/proc").join(owner).exists()) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(library)
    }

    /// The folder of a shelf: what a stage that takes a folder is given.
    pub fn folder(&self, on: &str) -> PathBuf {
        self.root.join(on)
    }

    /// What is noted of the files of a shelf. Apart from them: stages take files beside a picture for words about it.
    fn notes(&self, on: &str) -> PathBuf {
        self.root.join("notes").join(on)
    }

    /// Where uploads are while they come.
    fn coming(&self) -> PathBuf {
        self.root.join("coming")
    }

    /// A name for an upload while it comes.
    pub fn place(&self) -> PathBuf {
        let number = self.uploads.fetch_add(1, Ordering::Relaxed);
        self.coming().join(format!("{}-{number}", std::process::id()))
    }

    /// Puts a file that has come on a shelf; one of that name is replaced.
    pub async fn put(
        &self,
        artifacts: &Artifacts,
        on: &str,
        name: &str,
        file: &Path,
    ) -> Result<Upload, ArtifactError> {
        let artifact = artifacts.put_file(file, name, media_type(name), PutMode::Move).await?;
        let pin = artifacts.fetch(&artifact.digest).await?;
        let path = self.folder(on).join(name);
        let io = |source| ArtifactError::Io { doing: "put on its shelf", path: path.clone(), source };
        let beside = self.place();
        // Another disk has it twice.
        fs::hard_link(pin.path(), &beside)
            .or_else(|_| fs::copy(pin.path(), &beside).map(drop))
            .map_err(io)?;
        fs::rename(&beside, &path).map_err(io)?;
        let note = serde_json::to_vec(&artifact).unwrap_or_default();
        fs::write(&beside, note).map_err(io)?;
        fs::rename(&beside, self.notes(on).join(name)).map_err(io)?;
        Ok(Upload { shelf: on.to_owned(), name: name.to_owned(), artifact })
    }

    /// The files of a shelf, by name.
    pub fn list(&self, on: &str) -> Vec<Upload> {
        let notes = fs::read_dir(self.notes(on)).into_iter().flatten().flatten();
        let uploads = notes.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // Whoever removed the file by hand has removed it.
            self.folder(on).join(&name).is_file().then_some(())?;
            let artifact = serde_json::from_slice(&fs::read(entry.path()).ok()?).ok()?;
            Some(Upload { shelf: on.to_owned(), name, artifact })
        });
        let mut uploads: Vec<Upload> = uploads.take(limits::API_SHELF_FILES_MAX).collect();
        uploads.sort_by(|one, other| one.name.cmp(&other.name));
        uploads
    }

    /// Whether a shelf has room for a file of this name.
    pub fn has_room(&self, on: &str, name: &str) -> bool {
        self.folder(on).join(name).exists()
            || fs::read_dir(self.notes(on)).is_ok_and(|notes| notes.count() < limits::API_SHELF_FILES_MAX)
    }

    /// Takes a file off its shelf; runs that have it keep it. `false` when it is not there.
    pub fn remove(&self, on: &str, name: &str) -> io::Result<bool> {
        let remove = |path: PathBuf| match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        };
        let noted = remove(self.notes(on).join(name))?;
        Ok(remove(self.folder(on).join(name))? || noted)
    }

    /// Whether an artifact can be had. One that was collected because no run named it is put again from its shelf.
    pub async fn restore(&self, artifacts: &Artifacts, wanted: &ArtifactRef) -> Result<bool, ArtifactError> {
        if artifacts.ensure(&wanted.digest).await? {
            return Ok(true);
        }
        let mut uploads = SHELVES.into_iter().flat_map(|shelf| self.list(shelf));
        let Some(upload) = uploads.find(|upload| upload.artifact.digest == wanted.digest) else {
            return Ok(false);
        };
        let file = self.folder(&upload.shelf).join(&upload.name);
        let put = artifacts.put_file(&file, &upload.name, &upload.artifact.media_type, PutMode::Copy).await?;
        Ok(put.digest == wanted.digest)
    }
}

/// Whether a text can be a file's name on a shelf: it must stay there, and be seen.
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with('.')
        && !name.chars().any(|c| c == '/' || c == '\\' || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_on_their_shelf() {
        assert!(is_name("Song of the sea.mp3") && is_name("日.png"));
        for name in ["", ".", "..", ".hidden", "a/b.mp3", "..\\x", "a\n.mp3", &"x".repeat(201)] {
            assert!(!is_name(name), "{name:?}");
        }
    }

    #[tokio::test]
    async fn what_was_collected_is_put_again_from_its_shelf() {
        let home = tempfile::tempdir().expect("a folder can be made");
        let library = Library::open(home.path()).expect("shelves can be made");
        let artifacts = Artifacts::local(home.path().join("artifacts")).expect("artifacts");
        let file = library.place();
        fs::write(&file, "la la la").expect("a file can be written");
        let upload = library.put(&artifacts, "music", "song.mp3", &file).await.expect("it is put");
        assert!(!file.exists(), "nothing is left of its coming");
        assert_eq!(upload.artifact.media_type, "audio/mpeg");
        assert!(artifacts.discard(&upload.artifact.digest).expect("it can be removed"));
        assert!(library.restore(&artifacts, &upload.artifact).await.expect("it is asked"));
        let pin = artifacts.fetch(&upload.artifact.digest).await.expect("it is here again");
        assert_eq!(fs::read_to_string(pin.path()).expect("it can be read"), "la la la");
        assert!(library.remove("music", "song.mp3").expect("it can be removed"));
        assert!(
            library.list("music").is_empty() && !library.remove("music", "song.mp3").expect("it is asked")
        );
        artifacts.discard(&upload.artifact.digest).expect("it can be removed");
        assert!(!library.restore(&artifacts, &upload.artifact).await.expect("it is asked"), "it is nowhere");
    }
}
