//! The store: where objects are, and looking at them.

use crate::error::ArtifactError;
use crate::{put, temp};
use reelmill_model::{ArtifactRef, Digest};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// Artifacts in a folder. Any number of processes may use the same one.
#[derive(Clone, Debug)]
pub struct LocalArtifacts {
    root: PathBuf,
    /// Where files are written before they get their names; on the same disk.
    temp: PathBuf,
}

impl LocalArtifacts {
    /// Opens the store in a folder, which is made if need be, and removes what dead processes left half done.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let root = root.into();
        let store = Self { temp: root.join("tmp"), root };
        store.make(&[store.objects(), store.temp(), store.pins(), store.transfers()])?;
        temp::sweep(&store.temp())?;
        temp::sweep(&store.pins())?;
        Ok(store)
    }

    /// Opens the store in a folder that other machines use too. The processes of each have a place of their own for
    /// what is half done, because nobody else can tell whether they live.
    pub(crate) fn open_mounted(root: &Path) -> Result<Self, ArtifactError> {
        let temp = root.join("tmp").join(temp::scope());
        let store = Self { temp, root: root.to_owned() };
        store.make(&[store.objects(), store.temp()])?;
        temp::sweep(&store.temp())?;
        Ok(store)
    }

    fn make(&self, folders: &[PathBuf]) -> Result<(), ArtifactError> {
        folders.iter().try_for_each(|folder| {
            fs::create_dir_all(folder).map_err(put::failed(self, "make the folder", folder, 0))
        })
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.root.join("objects")
    }

    pub(crate) fn temp(&self) -> PathBuf {
        self.temp.clone()
    }

    /// Where objects have a second name as long as someone reads them.
    pub(crate) fn pins(&self) -> PathBuf {
        self.root.join("pins")
    }

    /// Where transfers that are under way, or were cut short, keep what they need to go on.
    pub(crate) fn transfers(&self) -> PathBuf {
        self.root.join("transfers")
    }

    /// Where an object has its place, whether it is there or not.
    pub(crate) fn place(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.objects().join(&hex[..2]).join(hex)
    }

    /// Where an object can be read, if it is there.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> Option<PathBuf> {
        Some(self.place(digest)).filter(|path| path.is_file())
    }

    /// Stores bytes.
    pub fn put_bytes(
        &self,
        bytes: &[u8],
        name: &str,
        media_type: &str,
    ) -> Result<ArtifactRef, ArtifactError> {
        put::bytes(self, bytes, name, media_type)
    }

    /// Stores a file.
    pub fn put_file(
        &self,
        file: &Path,
        name: &str,
        media_type: &str,
        mode: put::PutMode,
    ) -> Result<ArtifactRef, ArtifactError> {
        put::file(self, file, name, media_type, mode)
    }

    /// Reads an object and compares its content with its name.
    pub fn verify(&self, digest: &Digest) -> Result<(), ArtifactError> {
        let path = self.path(digest).ok_or(ArtifactError::Missing(*digest))?;
        let found = File::open(&path).and_then(put::hash).map_err(ArtifactError::io("read", &path))?.0;
        if found == *digest { Ok(()) } else { Err(ArtifactError::Damaged { digest: *digest, found }) }
    }

    /// Removes an object. `false` when it was not there.
    pub fn remove(&self, digest: &Digest) -> Result<bool, ArtifactError> {
        let path = self.place(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(ArtifactError::io("remove", &path)(error)),
        }
    }

    /// All objects with their bytes, in the order of their digests.
    pub fn list(&self) -> Result<Vec<(Digest, u64)>, ArtifactError> {
        let mut found = Vec::new();
        self.each(|digest, _, meta| {
            found.push((digest, meta.len()));
            Ok(())
        })?;
        found.sort_unstable_by_key(|(digest, _)| *digest);
        Ok(found)
    }

    /// How much it holds.
    pub fn usage(&self) -> Result<Usage, ArtifactError> {
        let mut usage = Usage::default();
        self.each(|_, _, meta| {
            usage.objects += 1;
            usage.bytes += meta.len();
            Ok(())
        })?;
        Ok(usage)
    }

    /// Visits every object. One that vanishes meanwhile is passed over.
    pub(crate) fn each(
        &self,
        mut visit: impl FnMut(Digest, &Path, &fs::Metadata) -> Result<(), ArtifactError>,
    ) -> Result<(), ArtifactError> {
        let objects = self.objects();
        for folder in fs::read_dir(&objects).map_err(ArtifactError::io("list", &objects))? {
            let folder = folder.map_err(ArtifactError::io("list", &objects))?.path();
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&folder).map_err(ArtifactError::io("list", &folder))? {
                let entry = entry.map_err(ArtifactError::io("list", &folder))?;
                let digest = entry.file_name().to_str().and_then(digest_of);
                if let (Some(digest), Ok(meta)) = (digest, entry.metadata()) {
                    visit(digest, &entry.path(), &meta)?;
                }
            }
        }
        Ok(())
    }
}

/// The digest that an object's name is.
pub fn digest_of(hex: &str) -> Option<Digest> {
    format!("blake3:{hex}").parse().ok()
}
