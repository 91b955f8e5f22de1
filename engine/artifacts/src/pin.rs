//! Pins: what an attempt reads stays where it reads it.
//!
//! A pin is a second name of the object. Whoever evicts or collects removes the first name only, so the path of a pin
//! is good for as long as the pin lives, in whichever process; and an object with two names is known to be in use
//! without anybody being asked. Names of dead processes go at the next opening, like temporary files.

use crate::error::ArtifactError;
use crate::store::LocalArtifacts;
use crate::temp::Temp;
use reelmill_model::Digest;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// An object that can be read at its path until this is dropped.
#[derive(Debug)]
pub struct Pin {
    path: PathBuf,
    // Removes the second name. None where nothing is ever evicted.
    _name: Option<Temp>,
}

impl Pin {
    /// Where the object can be read.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl LocalArtifacts {
    /// The object where it lies. Nothing keeps it there, so this is for stores that evict nothing.
    pub(crate) fn lie(&self, digest: &Digest) -> Option<Pin> {
        self.path(digest).map(|path| Pin { path, _name: None })
    }

    /// Pins an object and notes its use, if it is there.
    pub(crate) fn pin(&self, digest: &Digest) -> Result<Option<Pin>, ArtifactError> {
        let object = self.place(digest);
        let name = Temp::new(&self.pins());
        match fs::hard_link(&object, &name.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ArtifactError::io("pin", &object)(error)),
        }
        // The order of eviction is no reason to fail.
        let _ = File::open(&name.path)
            .and_then(|file| file.set_times(FileTimes::new().set_accessed(SystemTime::now())));
        Ok(Some(Pin { path: name.path.clone(), _name: Some(name) }))
    }
}
