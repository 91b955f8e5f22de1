//! Marks: what services of the fleet remember of what they did last, small texts by key.

use crate::error::StoreError;
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Marks, shared by the fleet.
#[async_trait]
pub trait Marks: Send + Sync {
    /// What is remembered.
    async fn mark(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Replaces what is remembered, if it is still `before`; says whether it was.
    async fn set_mark(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool, StoreError>;

    /// Forgets what is remembered.
    async fn drop_mark(&self, key: &str) -> Result<(), StoreError>;
}

/// Marks that are gone with the process.
#[derive(Debug, Default)]
pub struct MemoryMarks(Mutex<HashMap<String, String>>);

#[async_trait]
impl Marks for MemoryMarks {
    async fn mark(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    async fn set_mark(&self, key: &str, before: Option<&str>, after: &str) -> Result<bool, StoreError> {
        let mut marks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = marks.get(key).map(String::as_str) == before;
        if same {
            marks.insert(key.to_owned(), after.to_owned());
        }
        Ok(same)
    }
    async fn drop_mark(&self, key: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        Ok(())
    }
}
