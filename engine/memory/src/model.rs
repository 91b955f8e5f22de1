//! What is remembered.

use reelmill_learn::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A value under a name, for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose it is: keys of one namespace are no business of another.
    pub namespace: String,
    /// Its name.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Words it is found by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// When it was put.
    pub put_ms: u64,
    /// When it is forgotten.
    pub expires_ms: u64,
}

/// Which entries are meant, one page at a time.
#[derive(Clone, Debug, Default)]
pub struct EntryQuery {
    /// Of this namespace; of all when none.
    pub namespace: Option<String>,
    /// Keys of this form: `*` is any text, `?` any character. All when none.
    pub pattern: Option<String>,
    /// With this tag.
    pub tag: Option<String>,
    /// After this namespace and key.
    pub after: Option<(String, String)>,
    /// At most so many; a page when 0.
    pub limit: usize,
}

/// A stretch of work, of a worker or of whoever uses the memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its name; names sort as sessions begin.
    pub id: String,
    /// What kind of work.
    pub kind: String,
    /// What is known of it.
    #[serde(default)]
    pub data: Value,
    /// When it began.
    pub began_ms: u64,
    /// When it ended.
    #[serde(default)]
    pub ended_ms: Option<u64>,
}

/// Something that happened in a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The session.
    pub session: String,
    /// When.
    pub at_ms: u64,
    /// What kind of thing.
    pub kind: String,
    /// What.
    #[serde(default)]
    pub data: Value,
}

/// Somebody who is there as long as they say so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agent {
    /// Who.
    pub id: String,
    /// What they do.
    pub role: String,
    /// What is known of them.
    #[serde(default)]
    pub data: Value,
    /// When they said so last.
    pub beat_ms: u64,
    /// Until when they are taken to be there without another word.
    pub until_ms: u64,
}

/// An outcome, and where and when it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// What was done: `encode`, `attempt`.
    pub kind: String,
    /// On which machine.
    pub host: String,
    /// When.
    pub at_ms: u64,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Which outcomes are meant, newest first, one page at a time.
#[derive(Clone, Debug, Default)]
pub struct OutcomeQuery {
    /// Of this kind.
    pub kind: Option<String>,
    /// In contexts of this form.
    pub context: Option<String>,
    /// Of this arm.
    pub arm: Option<String>,
    /// Older than the one of this number.
    pub before: Option<u64>,
    /// At most so many; a page when 0.
    pub limit: usize,
}

/// What a history is made of.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// Outcomes of this kind.
    pub kind: String,
    /// The machine that asks: its own outcomes are told from those of others.
    pub host: String,
    /// Since then.
    pub since_ms: u64,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Entries that are not forgotten.
    pub entries: u64,
    /// Sessions.
    pub sessions: u64,
    /// Events.
    pub events: u64,
    /// Agents that are there.
    pub agents: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// When the oldest of the outcomes came.
    pub oldest_ms: Option<u64>,
}

/// What was forgotten for good.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cleaned {
    /// Entries whose time had come.
    pub entries: u64,
    /// Old sessions.
    pub sessions: u64,
    /// Old events.
    pub events: u64,
    /// Agents that are gone.
    pub agents: u64,
    /// Old outcomes.
    pub outcomes: u64,
    /// Whether there is more to clean.
    pub more: bool,
}
