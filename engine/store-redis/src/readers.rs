//! Connections that only read, each used by one reader at a time.

use crate::connect::Address;
use crate::error::Trouble;
use crate::wire::Wire;
use reelmill_ports::StoreError;
use std::sync::{Arc, Mutex, PoisonError};

/// Connections kept open for the next reader.
const KEPT: usize = 8;

/// A pool of reading connections. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct Readers {
    address: Address,
    idle: Arc<Mutex<Vec<Wire>>>,
}

impl Readers {
    /// A pool for a server; nothing is connected yet.
    pub fn new(address: Address) -> Self {
        Self { address, idle: Arc::default() }
    }

    /// Lets a closure read, on a thread that may block. It is called a second time when the connection broke.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&mut Wire) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = self.clone();
        let task = tokio::task::spawn_blocking(move || readers.now(read));
        task.await.map_err(|error| StoreError::Unavailable {
            message: "a reader of the store stopped before its answer".into(),
            source: Some(Box::new(error)),
        })?
    }

    fn now<T>(&self, read: impl Fn(&mut Wire) -> Result<T, Trouble>) -> Result<T, StoreError> {
        let idle = self.lock().pop();
        let mut wire = idle.unwrap_or_else(|| Wire::to(self.address.clone()));
        let result = match read(&mut wire) {
            Err(trouble) if trouble.ends_connection() => read(&mut wire),
            result => result,
        };
        let mut idle = self.lock();
        if idle.len() < KEPT {
            idle.push(wire);
        }
        drop(idle);
        result.map_err(|trouble| trouble.into_store_error(self.address.shown()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Wire>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
