//! The store: its parts, put together.

use crate::clock::SystemClock;
use crate::readers::Readers;
use crate::schema;
use crate::source::Graphs;
use crate::writer::Writer;
use reelmill_ports::{Clock, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The embedded store. Dropping it finishes what was asked and closes the file.
#[derive(Debug)]
pub struct SqliteStore {
    pub(crate) writer: Writer,
    pub(crate) readers: Arc<Readers>,
    pub(crate) graphs: Arc<Graphs>,
    file: PathBuf,
}

impl SqliteStore {
    /// Opens the store in a file, which is made if need be; its folder must exist.
    pub fn open(file: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(file, Arc::new(SystemClock))
    }

    /// Opens the store with a clock of the caller's.
    pub fn open_with(file: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let file = file.as_ref().to_path_buf();
        let conn = schema::open(&file)?;
        let graphs = Arc::new(Graphs::default());
        let writer = Writer::start(conn, file.clone(), Arc::clone(&graphs), clock)?;
        let readers = Arc::new(Readers::new(file.clone()));
        Ok(Self { writer, readers, graphs, file })
    }

    /// The file it keeps everything in.
    pub fn file(&self) -> &Path {
        &self.file
    }
}
