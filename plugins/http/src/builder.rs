//! How a service is put together.

use crate::guard::{Guard, Guarded};
use crate::secrets::Secrets;
use crate::service::{Facts, Service, Settings};
use crate::{url, verdict};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reelmill_sdk::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderName, HeaderValue};
use ureq::unversioned::transport::DefaultConnector;

/// How long one exchange may take unless it is said.
const TIMEOUT: Duration = Duration::from_mins(2);
/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of an answer that are read unless it is said.
const ANSWER_BYTES_MAX: u64 = 4 << 20;

/// A service that is being put together; see [`Service::new`].
pub struct Builder {
    name: String,
    address: String,
    settings: Settings,
    timeout: Duration,
    answer_bytes_max: u64,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    keys: Vec<String>,
    guard: Guard,
    is_guarded: bool,
}

impl Builder {
    pub(crate) fn new(name: String, address: String) -> Self {
        Self {
            name,
            address,
            settings: Settings::default(),
            timeout: TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
            headers: Vec::new(),
            query: Vec::new(),
            keys: Vec::new(),
            guard: Guard::public(),
            is_guarded: false,
        }
    }

    /// Which options messages name.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// How long one exchange may take, its body included; 2 minutes unless it is said.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Bytes of an answer that is read into memory; 4 MiB unless it is said.
    #[must_use]
    pub fn answer_bytes_max(mut self, bytes: u64) -> Self {
        self.answer_bytes_max = bytes;
        self
    }

    /// A header of every request.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// A header of every request whose value is a key; nothing for an empty key.
    #[must_use]
    pub fn secret_header(mut self, name: &str, key: &str) -> Self {
        let key = key.trim();
        if !key.is_empty() {
            self.keys.push(key.to_owned());
            self.headers.push((name.to_owned(), key.to_owned()));
        }
        self
    }

    /// `Authorization: Bearer KEY`; nothing for an empty key.
    #[must_use]
    pub fn bearer(mut self, key: &str) -> Self {
        let key = key.trim();
        if !key.is_empty() {
            self.keys.push(key.to_owned());
            self.headers.push(("authorization".into(), format!("Bearer {key}")));
        }
        self
    }

    /// `Authorization: Basic …`.
    #[must_use]
    pub fn basic(mut self, user: &str, password: &str) -> Self {
        let pair = BASE64_STANDARD.encode(format!("{user}:{password}"));
        self.headers.push(("authorization".into(), format!("Basic {pair}")));
        self.keys.extend([password.to_owned(), pair]);
        self
    }

    /// A query parameter of every request.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// A query parameter of every request whose value is a key; nothing for an empty key.
    #[must_use]
    pub fn secret_query(mut self, name: &str, key: &str) -> Self {
        let key = key.trim();
        if key.is_empty() {
            return self;
        }
        self.keys.push(key.to_owned());
        self.query(name, key)
    }

    /// Something else that must never be seen in a message: a key that stands in a body.
    #[must_use]
    pub fn secret(mut self, key: &str) -> Self {
        self.keys.push(key.to_owned());
        self
    }

    /// Guards the service's own address too, not only those of other hosts that it names: for an address that comes
    /// from somebody else than who set the machine up.
    #[must_use]
    pub fn guarded(mut self) -> Self {
        self.is_guarded = true;
        self
    }

    /// Where other hosts may be; public addresses only unless it is said.
    #[must_use]
    pub fn guard(mut self, guard: Guard) -> Self {
        self.guard = guard;
        self
    }

    /// Opens it. Nothing is sent.
    ///
    /// # Errors
    /// `invalid_config`, naming the option, for an address or a key that cannot be one.
    pub fn open(self) -> Result<Service, StageError> {
        let mut facts = Facts {
            name: self.name,
            settings: self.settings,
            secrets: Secrets::default(),
            timeout: self.timeout,
        };
        for key in &self.keys {
            if !key.chars().all(|mark| !mark.is_control()) {
                return Err(bad_key(&facts));
            }
            facts.secrets.add(key);
        }
        let (path, base_query) = match self.address.trim().split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (self.address.trim(), None),
        };
        let base =
            url::parse(path.trim_end_matches('/')).map_err(|why| verdict::bad_address(&facts, &why))?;
        let mut headers = HeaderMap::new();
        for (name, value) in self.headers {
            let (Ok(name), Ok(mut header)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
            else {
                return Err(bad_key(&facts));
            };
            header.set_sensitive(true);
            headers.insert(name, header);
        }
        let config = || {
            Agent::config_builder()
                .timeout_global(Some(self.timeout))
                .timeout_connect(Some(CONNECT_TIMEOUT.min(self.timeout)))
        };
        Ok(Service {
            own: if self.is_guarded { guarded(config(), self.guard.clone()) } else { plain(config()) },
            foreign: guarded(config(), self.guard),
            facts: Arc::new(facts),
            base,
            base_query,
            headers,
            query: self.query,
            answer_bytes_max: self.answer_bytes_max,
        })
    }
}

fn bad_key(facts: &Facts) -> StageError {
    let setting = facts.settings.key;
    let what =
        if setting.is_empty() { format!("the key for {}", facts.name) } else { format!("`{setting}`") };
    StageError::invalid_config(format!("{what} holds characters that no key has (a line break?)"))
        .code("bad_key")
}

type Config = ureq::config::ConfigBuilder<ureq::typestate::AgentScope>;

/// An agent without surprises: a status is no error, and no redirect is followed, because it would carry what is sent
/// to a host that nobody named.
fn plain(config: Config) -> Agent {
    common(config).build().into()
}

/// The same, for addresses that somebody else has named. A proxy would connect in its stead, unguarded.
pub fn guarded(config: Config, guard: Guard) -> Agent {
    Agent::with_parts(common(config).proxy(None).build(), DefaultConnector::default(), Guarded::new(guard))
}

fn common(config: Config) -> Config {
    config
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("reelmill/", env!("CARGO_PKG_VERSION")))
}
