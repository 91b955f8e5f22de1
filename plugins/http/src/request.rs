//! One request of a service.

use crate::answer::Answer;
use crate::body::{Body, Form};
use crate::exchange::{self, Meter, Outcome, Parcel};
use crate::service::Service;
use crate::sink::{Filed, Memory, Saved, Sink};
use crate::{url, verdict};
use reelmill_sdk::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use ureq::Agent;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method};

/// A request that is being put together; see [`Service::request`].
#[must_use]
pub struct Request<'a> {
    service: &'a Service,
    method: Method,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Body,
    phase: Option<&'static str>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(service: &'a Service, method: Method, path: &str) -> Self {
        let path = path.to_owned();
        Self { service, method, path, query: Vec::new(), headers: Vec::new(), body: Body::Empty, phase: None }
    }

    /// A query parameter.
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// A header; it takes the place of the service's header of that name.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// A JSON body.
    pub fn json(mut self, value: &Value) -> Self {
        self.body =
            Body::Bytes { media_type: "application/json".into(), bytes: value.to_string().into_bytes() };
        self
    }

    /// Bytes as the body.
    pub fn bytes(mut self, media_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Bytes { media_type: media_type.to_owned(), bytes: bytes.into() };
        self
    }

    /// A form of names and values, as the body of `application/x-www-form-urlencoded`.
    pub fn fields(self, fields: &[(&str, &str)]) -> Self {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", url::encode(name), url::encode(value)))
            .collect();
        self.bytes("application/x-www-form-urlencoded", pairs.join("&"))
    }

    /// A form with files.
    pub fn form(mut self, form: Form) -> Self {
        self.body = Body::Form(form);
        self
    }

    /// A body of any kind.
    pub fn body(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Shows how much of the body is sent, as progress of this phase.
    pub fn progress(mut self, phase: &'static str) -> Self {
        self.phase = Some(phase);
        self
    }

    /// Sends it; the answer is a good one (2xx).
    ///
    /// # Errors
    /// By class and code, as `verdict.rs` has them; `cancelled` when the attempt was.
    pub fn send(self, cx: &Cx<'_>) -> Result<Answer, StageError> {
        self.exchange(cx)?.good()
    }

    /// Sends it; the answer has any status. Only a line that failed is an error.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn exchange(self, cx: &Cx<'_>) -> Result<Answer, StageError> {
        let service = self.service;
        let outcome = self.run(Memory::new(service.answer_bytes_max), cx)?;
        let (head, sink) = whole(service, outcome)?;
        Ok(Answer::new(
            Arc::clone(&service.facts),
            head.0,
            if head.1.is_empty() { sink.into_bytes() } else { head.1 },
        ))
    }

    /// Sends it and writes the body of a good answer to a file, at most so many bytes.
    ///
    /// # Errors
    /// As [`Self::send`]; nothing is left of a file that is not whole.
    pub fn save(self, path: &Path, bytes_max: u64, cx: &Cx<'_>) -> Result<(Answer, Saved), StageError> {
        let service = self.service;
        let sink = Filed::create(path, bytes_max).context(format!("create {}", path.display()))?;
        let saved =
            self.run(sink, cx).and_then(|outcome| whole(service, outcome)).and_then(|(head, sink)| {
                let answer = Answer::new(Arc::clone(&service.facts), head.0, head.1).good()?;
                Ok((answer, sink.saved()))
            });
        if saved.is_err() {
            let _ = std::fs::remove_file(path);
        }
        saved
    }

    fn run<S: Sink>(self, sink: S, cx: &Cx<'_>) -> Result<Outcome<S>, StageError> {
        let phase = self.phase;
        let (agent, parcel, length) = self.parcel()?;
        exchange::run(agent, parcel, sink, cx, |meter: &Meter| {
            if let Some(phase) = phase {
                cx.progress(&Progress {
                    done: meter.sent.load(Ordering::Relaxed) as f64,
                    total: Some(length as f64),
                    unit: "bytes".into(),
                    phase: phase.into(),
                    ..Progress::default()
                });
            }
        })
    }

    fn parcel(self) -> Result<(&'a Agent, Parcel, u64), StageError> {
        let service = self.service;
        let facts = &service.facts;
        let is_whole = self.path.starts_with("http://") || self.path.starts_with("https://");
        let mut address = if is_whole { self.path } else { joined(&service.base.to_string(), &self.path) };
        let named = url::parse(&address).map_err(|why| verdict::bad_address(facts, &why))?;
        let is_own = url::is_same_origin(&named, &service.base);
        if let Some(query) = service.base_query.as_ref().filter(|_| is_own) {
            address.push(if address.contains('?') { '&' } else { '?' });
            address.push_str(query);
        }
        let own_query = service.query.iter().filter(|_| is_own);
        for (name, value) in own_query.chain(&self.query) {
            url::push_query(&mut address, name, value);
        }
        let uri = url::parse(&address).map_err(|why| verdict::bad_address(facts, &why))?;
        let mut headers = if is_own { service.headers.clone() } else { HeaderMap::new() };
        for (name, value) in self.headers {
            let (Ok(header), Ok(value)) = (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value))
            else {
                return Err(StageError::internal(format!("the header `{name}` cannot be sent")));
            };
            headers.insert(header, value);
        }
        let length = match &self.body {
            Body::Bytes { bytes, .. } => bytes.len() as u64,
            Body::File { length, .. } => *length,
            Body::Empty | Body::Form(_) => 0,
        };
        let agent = if is_own { &service.own } else { &service.foreign };
        Ok((agent, Parcel { method: self.method, uri, headers, body: self.body }, length))
    }
}

/// An address and what follows it; a path that the address ends in already is not added again.
fn joined(base: &str, path: &str) -> String {
    let base = base.trim_end_matches('/');
    let path = path.trim_start_matches('/');
    if path.is_empty() || path.starts_with('?') { format!("{base}{path}") } else { format!("{base}/{path}") }
}

type HeadAndReason = (exchange::Head, Vec<u8>);

fn whole<S>(service: &Service, outcome: Outcome<S>) -> Result<(HeadAndReason, S), StageError> {
    outcome.end.map_err(|lost| verdict::lost(&service.facts, &lost))?;
    let head = outcome.head.ok_or_else(|| StageError::internal("an answer without a head"))?;
    Ok(((head, outcome.reason), outcome.sink))
}
