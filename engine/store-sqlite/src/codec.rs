//! How words and numbers stand in columns. A state is its place in `ALL`; a test pins the order, because files
//! live longer than this code.

use crate::error::Trouble;
use reelmill_lifecycle::Damage;
use reelmill_model::{Digest, EventKind, InstanceState, Phase, RunId, RunState, Severity, TaskState};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A word that is stored as its place among all of its kind.
pub trait Code: Copy + PartialEq + 'static {
    /// All words, in order.
    const WORDS: &'static [Self];

    /// The place of the word.
    fn code(self) -> i64 {
        Self::WORDS.iter().position(|word| *word == self).and_then(|at| i64::try_from(at).ok()).unwrap_or(-1)
    }

    /// The word at a place.
    fn from_code(code: i64) -> Result<Self, Trouble> {
        let word = usize::try_from(code).ok().and_then(|at| Self::WORDS.get(at));
        word.copied().ok_or_else(|| Damage(format!("{code} is no known code")).into())
    }
}

macro_rules! codes {
    ($($kind:ty),+) => { $(impl Code for $kind { const WORDS: &'static [Self] = <$kind>::ALL; })+ };
}
codes!(TaskState, InstanceState, RunState, Phase, EventKind, Severity);

/// The id of a task or an instance.
pub fn pack(seq: u64, no: u32) -> i64 {
    // Invariant: `seq` counts submissions and stays far below 2^31.
    i64::try_from(seq << 32 | u64::from(no)).unwrap_or(i64::MAX)
}

/// The run and the number in an id.
pub fn unpack(id: i64) -> (u64, u32) {
    let id = id.cast_unsigned();
    (id >> 32, u32::try_from(id & u64::from(u32::MAX)).unwrap_or(u32::MAX))
}

/// A counter or a time as a column; values beyond `i64` do not occur and are capped.
pub fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column as a counter or a time.
pub fn uint(column: i64) -> u64 {
    u64::try_from(column).unwrap_or(0)
}

/// A column as a number of a task, a node or an instance.
pub fn small(column: i64) -> u32 {
    u32::try_from(column).unwrap_or(0)
}

/// JSON text; none for null.
pub fn json(value: &Value) -> Result<Option<String>, Trouble> {
    if value.is_null() { Ok(None) } else { Ok(Some(serde_json::to_string(value)?)) }
}

/// JSON text of something that may be missing.
pub fn json_of<T: Serialize>(value: Option<&T>) -> Result<Option<String>, Trouble> {
    Ok(value.map(serde_json::to_string).transpose()?)
}

/// What JSON text says; none stays none.
pub fn parse<T: DeserializeOwned>(text: Option<&str>) -> Result<Option<T>, Trouble> {
    Ok(text.map(serde_json::from_str).transpose()?)
}

/// The bytes of a run id: they sort as the ids do.
pub fn run_bytes(id: RunId) -> [u8; 16] {
    id.0.0.to_be_bytes()
}

/// The run id of bytes.
pub fn run_id(bytes: &[u8]) -> Result<RunId, Trouble> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| Damage("a run id has not 16 bytes".into()))?;
    Ok(RunId(u128::from_be_bytes(bytes).into()))
}

/// The digest of bytes.
pub fn digest(bytes: &[u8]) -> Result<Digest, Trouble> {
    bytes.try_into().map(Digest).map_err(|_| Damage("a digest has not 32 bytes".into()).into())
}

/// Counts of tasks by state as one column.
pub fn counts_bytes(counts: &[u64; 8]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (place, count) in bytes.chunks_exact_mut(8).zip(counts) {
        place.copy_from_slice(&count.to_le_bytes());
    }
    bytes
}

/// Counts of tasks by state from their column.
pub fn counts(bytes: &[u8]) -> Result<[u64; 8], Trouble> {
    if bytes.len() != 64 {
        return Err(Damage("the counts of a run have not 64 bytes".into()).into());
    }
    let mut counts = [0; 8];
    for (count, place) in counts.iter_mut().zip(bytes.chunks_exact(8)) {
        *count = place.try_into().map_or(0, u64::from_le_bytes);
    }
    Ok(counts)
}
