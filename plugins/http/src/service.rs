//! A provider: where it is, what every request to it carries, and how its failures are worded.

use crate::builder::Builder;
use crate::request::Request;
use crate::secrets::Secrets;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, Method, Uri};

/// The options of a stage that messages name. An empty name is left out.
#[derive(Clone, Copy, Default, Debug)]
pub struct Settings {
    /// The one with the address: `llm.base_url`.
    pub address: &'static str,
    /// The one with the key: `llm.api_key`.
    pub key: &'static str,
    /// The one with the time limit: `llm.timeout_seconds`.
    pub timeout: &'static str,
    /// What else may be wrong when the service knows nothing of the kind: `llm.model`.
    pub subject: &'static str,
    /// The one that allows hosts by name.
    pub allow: &'static str,
}

/// What is the same for all requests, for messages.
#[derive(Default)]
pub struct Facts {
    pub name: String,
    pub settings: Settings,
    pub secrets: Secrets,
    pub timeout: Duration,
}

/// The name of an option in brackets, or nothing.
pub fn in_brackets(setting: &str) -> String {
    if setting.is_empty() { String::new() } else { format!(" (`{setting}`)") }
}

/// Asks to check options, or nothing.
pub fn check(settings: &[&str]) -> String {
    let named: Vec<String> =
        settings.iter().filter(|name| !name.is_empty()).map(|name| format!("`{name}`")).collect();
    if named.is_empty() { String::new() } else { format!("; check {}", named.join(" and ")) }
}

/// An opened service. Cheap to clone; may be used by several threads.
#[derive(Clone)]
pub struct Service {
    pub(crate) facts: Arc<Facts>,
    pub(crate) base: Uri,
    /// The query of the address, which stands behind every path.
    pub(crate) base_query: Option<String>,
    pub(crate) headers: HeaderMap,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) answer_bytes_max: u64,
    /// For the service itself.
    pub(crate) own: Agent,
    /// For addresses on other hosts, that the service names.
    pub(crate) foreign: Agent,
}

impl Service {
    /// Begins a service. The name stands in messages (`the model endpoint`); paths of requests follow the address.
    #[expect(clippy::new_ret_no_self, reason = "it is opened when all is said")]
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Builder {
        Builder::new(name.into(), address.into())
    }

    /// A request for a path below the address, or for a whole URL that the service itself has named (a place to
    /// upload to). To another host than the service's own it carries none of the service's headers and keys, and
    /// connects only where the guard lets it.
    pub fn request(&self, method: Method, path: &str) -> Request<'_> {
        Request::new(self, method, path)
    }

    /// A `GET`.
    pub fn get(&self, path: &str) -> Request<'_> {
        self.request(Method::GET, path)
    }

    /// A `POST`.
    pub fn post(&self, path: &str) -> Request<'_> {
        self.request(Method::POST, path)
    }

    /// A `PUT`.
    pub fn put(&self, path: &str) -> Request<'_> {
        self.request(Method::PUT, path)
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.facts.name
    }

    /// A text without the service's keys: for everything that comes from it and goes into a log or an output.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.facts.secrets.redact(text)
    }
}
