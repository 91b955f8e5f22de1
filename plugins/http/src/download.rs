//! Downloads of what users and services name: resumed where the connection was cut, checked, and only from where the
//! guard lets.

use crate::body::Body;
use crate::builder::guarded;
use crate::exchange::{self, Head, Lost, Meter, Outcome, Parcel};
use crate::guard::Guard;
use crate::part::Part;
use crate::service::{Facts, Settings};
use crate::{url, verdict};
use reelmill_sdk::prelude::*;
use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

/// Redirects that are followed.
const HOPS_MAX: u32 = 10;
/// Connections of one download: each but the first one has to have a part in hand to go on from.
const CONNECTIONS_MAX: u32 = 6;

/// Downloads files.
pub struct Fetcher {
    facts: Facts,
    agent: Agent,
}

/// A file that is wanted.
#[derive(Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Its address.
    pub url: &'a str,
    /// Bytes it may have at the most.
    pub bytes_max: u64,
    /// Headers for the host that is named, and for no other that it redirects to.
    pub headers: &'a [(&'a str, &'a str)],
    /// What its media type has to begin with, one of them (`image/`); empty takes everything.
    pub media_types: &'a [&'a str],
    /// What its content has to be.
    pub digest: Option<Digest<'a>>,
}

/// A digest that is known beforehand, in hexadecimal.
#[derive(Clone, Copy, Debug)]
pub enum Digest<'a> {
    /// SHA-256.
    Sha256(&'a str),
    /// BLAKE3.
    Blake3(&'a str),
}

/// What was downloaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fetched {
    /// Its length.
    pub bytes: u64,
    /// Its digest, BLAKE3 in hexadecimal.
    pub blake3: String,
    /// What the server says that it is, without parameters; empty when it does not say.
    pub media_type: String,
    /// Where it was in the end, without the query.
    pub url: String,
    /// How often the connection was cut and the download went on.
    pub resumed: u32,
}

impl Fetcher {
    /// A client for downloads. The name stands in messages; `idle` is how long nothing may come.
    #[must_use]
    pub fn new(name: impl Into<String>, settings: Settings, guard: Guard, idle: Duration) -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(idle))
            .timeout_recv_response(Some(idle))
            .timeout_per_read(Some(idle));
        let facts = Facts { name: name.into(), settings, timeout: idle, ..Facts::default() };
        Self { facts, agent: guarded(config, guard) }
    }

    /// Keeps a key out of all messages: one that stands in addresses or headers.
    #[must_use]
    pub fn secret(mut self, key: &str) -> Self {
        self.facts.secrets.add(key);
        self
    }

    /// Downloads into a new file. Nothing is left of it unless it is whole and as wanted.
    ///
    /// # Errors
    /// `invalid_input` for an address that may not be reached (`refused_address`) or a file that is too large or not
    /// as wanted; else as `verdict.rs` has them.
    pub fn fetch(&self, wanted: &Wanted<'_>, path: &Path, cx: &Cx<'_>) -> Result<Fetched, StageError> {
        let fetched = self.fetch_to(wanted, path, cx);
        if fetched.is_err() {
            let _ = std::fs::remove_file(path);
        }
        fetched
    }

    fn fetch_to(&self, wanted: &Wanted<'_>, path: &Path, cx: &Cx<'_>) -> Result<Fetched, StageError> {
        let mut uri = self.address(wanted.url)?;
        let file = File::create(path).context(format!("create {}", path.display()))?;
        let mut part = Part::new(file, wanted);
        let (mut hops, mut cuts) = (0, 0);
        loop {
            let before = part.length;
            let outcome = self.exchange(wanted, &uri, part, cx)?;
            part = outcome.sink;
            match (outcome.end, outcome.head) {
                (Ok(()), Some(head)) if head.is_good() => {
                    if let Some(lost) = part.shortfall() {
                        cuts = self.another(cuts, &part, before, &lost)?;
                        continue;
                    }
                    return part.finish(&self.facts, wanted, &head, &uri, cuts);
                }
                (Ok(()), Some(head)) if is_redirect(&head) => {
                    hops += 1;
                    uri = self.next_hop(&uri, &head, hops)?;
                }
                // The part in hand is of a file that is no more.
                (Ok(()), Some(head)) if head.status == 416 && before > 0 => {
                    part.start_over().context("begin the download again")?;
                    cuts = self.counted(cuts, &Lost::Misplaced)?;
                }
                (Ok(()), Some(head)) => return Err(verdict::refused(&self.facts, &head, &outcome.reason)),
                (Ok(()), None) => return Err(StageError::internal("an answer without a head")),
                (Err(lost @ Lost::Line(_)), _) if part.length > before => {
                    cx.info(format!("the connection was cut after {} bytes; going on", part.length));
                    cuts = self.another(cuts, &part, before, &lost)?;
                }
                (Err(lost), _) => return Err(verdict::lost(&self.facts, &lost)),
            }
        }
    }

    fn address(&self, text: &str) -> Result<Uri, StageError> {
        url::parse(text).map_err(|why| {
            StageError::invalid_input(format!("the address of {} {why}", self.facts.name)).code("bad_url")
        })
    }

    /// Whether there is another connection after one that was lost.
    fn another(&self, cuts: u32, part: &Part, before: u64, lost: &Lost) -> Result<u32, StageError> {
        if part.length <= before {
            return Err(verdict::lost(&self.facts, lost));
        }
        self.counted(cuts, lost)
    }

    fn counted(&self, cuts: u32, lost: &Lost) -> Result<u32, StageError> {
        if cuts + 1 >= CONNECTIONS_MAX {
            return Err(verdict::lost(&self.facts, lost));
        }
        Ok(cuts + 1)
    }

    fn next_hop(&self, uri: &Uri, head: &Head, hops: u32) -> Result<Uri, StageError> {
        if hops > HOPS_MAX {
            return Err(StageError::permanent(format!(
                "{} redirects more than {HOPS_MAX} times",
                self.facts.name
            ))
            .code("redirected"));
        }
        let location = head.text("location").unwrap_or_default();
        let next = self.address(&url::resolve(uri, location))?;
        if uri.scheme_str() == Some("https") && next.scheme_str() != Some("https") {
            return Err(StageError::permanent(format!("{} redirects from https to http", self.facts.name))
                .code("redirected"));
        }
        Ok(next)
    }

    fn exchange(
        &self,
        wanted: &Wanted<'_>,
        uri: &Uri,
        part: Part,
        cx: &Cx<'_>,
    ) -> Result<Outcome<Part>, StageError> {
        let mut headers = HeaderMap::new();
        if url::is_same_origin(uri, &self.address(wanted.url)?) {
            for (name, value) in wanted.headers {
                let (Ok(header), Ok(mut value)) =
                    (HeaderName::try_from(*name), HeaderValue::try_from(*value))
                else {
                    return Err(StageError::internal(format!("the header `{name}` cannot be sent")));
                };
                value.set_sensitive(true);
                headers.insert(header, value);
            }
        }
        part.ask_for_the_rest(&mut headers);
        let from = part.length;
        let parcel = Parcel { method: Method::GET, uri: uri.clone(), headers, body: Body::Empty };
        exchange::run(&self.agent, parcel, part, cx, |meter: &Meter| {
            let expected = meter.expected.load(Ordering::Relaxed);
            cx.progress(&Progress {
                done: (from + meter.received.load(Ordering::Relaxed)) as f64,
                total: (expected > 0).then_some((from + expected) as f64),
                unit: "bytes".into(),
                phase: "downloading".into(),
                ..Progress::default()
            });
        })
    }
}

fn is_redirect(head: &Head) -> bool {
    matches!(head.status, 301 | 302 | 303 | 307 | 308) && head.text("location").is_some()
}
