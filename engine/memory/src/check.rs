//! What may be remembered: names and sizes.

use crate::error::MemoryError;
use reelmill_model::limits::{
    MEMORY_AHEAD_MS_MAX, MEMORY_BATCH_MAX, MEMORY_NAME_BYTES_MAX, MEMORY_TAGS_MAX, MEMORY_VALUE_BYTES_MAX,
};
use serde::Serialize;

/// A name that is not empty, on one line, and not too long.
pub fn name(what: &str, text: &str) -> Result<(), MemoryError> {
    if text.is_empty() {
        return Err(MemoryError::Refused(format!("{what} is empty; give it a name")));
    }
    short(what, text)
}

/// The same, but it may be empty.
pub fn short(what: &str, text: &str) -> Result<(), MemoryError> {
    if text.len() > MEMORY_NAME_BYTES_MAX {
        let bytes = text.len();
        return Err(MemoryError::Refused(format!(
            "{what} has {bytes} bytes, over the limit of {MEMORY_NAME_BYTES_MAX}; write a shorter one"
        )));
    }
    if text.chars().any(char::is_control) {
        return Err(MemoryError::Refused(format!("{what} {text:?} has control characters; leave them out")));
    }
    Ok(())
}

/// Tags: words.
pub fn tags(tags: &[String]) -> Result<(), MemoryError> {
    if tags.len() > MEMORY_TAGS_MAX {
        let message = format!("{} tags are over the limit of {MEMORY_TAGS_MAX} for one entry", tags.len());
        return Err(MemoryError::Refused(message));
    }
    tags.iter().try_for_each(|tag| name("a tag", tag))
}

/// A value as JSON.
pub fn json(what: &str, value: &impl Serialize) -> Result<String, MemoryError> {
    let text = serde_json::to_string(value).map_err(|error| MemoryError::Refused(error.to_string()))?;
    if text.len() > MEMORY_VALUE_BYTES_MAX {
        let bytes = text.len();
        return Err(MemoryError::Refused(format!(
            "{what} has {bytes} bytes of JSON, over the limit of {MEMORY_VALUE_BYTES_MAX}; keep large data in a file and \
             remember where it is"
        )));
    }
    Ok(text)
}

/// How many are handed over at once.
pub fn batch(what: &str, count: usize) -> Result<(), MemoryError> {
    if count > MEMORY_BATCH_MAX {
        let message =
            format!("{count} {what} at once are over the limit of {MEMORY_BATCH_MAX}; hand over fewer");
        return Err(MemoryError::Refused(message));
    }
    Ok(())
}

/// How far ahead something is forgotten.
pub fn until(what: &str, from_ms: u64, until_ms: u64) -> Result<(), MemoryError> {
    if until_ms.saturating_sub(from_ms) > MEMORY_AHEAD_MS_MAX {
        let days = MEMORY_AHEAD_MS_MAX / 86_400_000;
        return Err(MemoryError::Refused(format!(
            "{what} is to be kept for more than {days} days; keep it for less"
        )));
    }
    Ok(())
}
