//! What came back.

use crate::exchange::Head;
use crate::service::Facts;
use crate::verdict;
use reelmill_sdk::prelude::*;
use reelmill_sdk::serde::de::DeserializeOwned;
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// An answer with its body in memory.
pub struct Answer {
    facts: Arc<Facts>,
    head: Head,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(facts: Arc<Facts>, head: Head, body: Vec<u8>) -> Self {
        Self { facts, head, body }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// A header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.text(name)
    }

    /// The media type of the body, in small letters and without parameters; empty when it is not said.
    #[must_use]
    pub fn media_type(&self) -> String {
        let kind = self.header("content-type").unwrap_or_default();
        kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body, given away.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.body
    }

    /// The body as text; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }

    /// The body as JSON of the wanted form.
    ///
    /// # Errors
    /// `dependency` with code `malformed_answer`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, StageError> {
        serde_json::from_slice(&self.body).map_err(|error| self.malformed(&error.to_string()))
    }

    /// The answer when its status is a success.
    ///
    /// # Errors
    /// What [`Self::refused`] says otherwise.
    pub fn good(self) -> Result<Self, StageError> {
        if self.head.is_good() { Ok(self) } else { Err(self.refused()) }
    }

    /// The failure that its status means.
    #[must_use]
    pub fn refused(&self) -> StageError {
        verdict::refused(&self.facts, &self.head, &self.body)
    }

    /// The failure that a service tells in other ways than by the status of its answer: its own code and words, and
    /// the status of HTTP that means the same.
    #[must_use]
    pub fn told(&self, status: u16, code: &str, said: &str, pause: Option<Duration>) -> StageError {
        let shown = format!("code {code}");
        let said = verdict::brief(&self.facts, said);
        let refusal = verdict::Refusal { status, shown: &shown, said: &said, pause };
        verdict::meant(&self.facts, &refusal).detail(json!({ "code": code }))
    }

    /// The failure of an answer that is not what was promised; `what` completes "is not as documented: …".
    #[must_use]
    pub fn malformed(&self, what: &str) -> StageError {
        verdict::malformed(&self.facts, what)
    }

    /// The service's own words, briefly and without its keys.
    #[must_use]
    pub fn quote(&self) -> String {
        verdict::quote(&self.facts, &self.body)
    }
}
