//! Connections that only read. In WAL mode they never wait for the writer, nor it for them.

use crate::error::Trouble;
use crate::schema;
use reelmill_ports::StoreError;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections kept open for the next reader.
const KEPT: usize = 8;

/// A pool of reading connections.
#[derive(Debug)]
pub struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// A pool for a file that exists.
    pub fn new(file: PathBuf) -> Self {
        Self { file, idle: Mutex::new(Vec::new()) }
    }

    /// Reads a few rows on the caller's thread: microseconds, less than going to another thread would take.
    pub fn brief<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Trouble>) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = idle.map_or_else(|| schema::open_reader(&self.file), Ok);
        let conn = conn.map_err(|trouble| trouble.into_store_error(&self.file))?;
        let result = snapshot(&conn, read);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(conn);
        }
        result.map_err(|trouble| trouble.into_store_error(&self.file))
    }

    /// Reads as much as it takes, on a thread that may block.
    pub async fn long<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || readers.brief(read));
        task.await.map_err(|error| StoreError::Unavailable {
            message: "a reader of the store stopped before its answer".into(),
            source: Some(Box::new(error)),
        })?
    }
}

/// Lets all statements of a reader see the same moment.
fn snapshot<T>(
    conn: &Connection,
    read: impl FnOnce(&Connection) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    conn.prepare_cached("BEGIN")?.execute([])?;
    let result = read(conn);
    conn.prepare_cached("COMMIT")?.execute([])?;
    result
}
