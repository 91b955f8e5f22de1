//! One request and its answer, on a thread of their own, so that whoever waits can leave.

use crate::body::Body;
use crate::sink::Sink;
use reelmill_sdk::prelude::*;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;
use ureq::Agent;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use ureq::http::{HeaderMap, HeaderValue, Method, Uri};

/// How often whoever waits looks whether the attempt was cancelled.
const CANCEL_LOOK: Duration = Duration::from_millis(50);
/// Bytes kept of an answer that is no good one: enough for the reasons it gives.
const REASON_BYTES_MAX: u64 = 256 << 10;
/// Bytes read at once.
const CHUNK: usize = 64 << 10;

/// What is sent.
pub struct Parcel {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: Body,
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub headers: HeaderMap,
}

impl Head {
    /// A header as text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
    }

    /// How long its body is, when it says so.
    pub fn content_length(&self) -> Option<u64> {
        self.text("content-length").and_then(|length| length.parse().ok())
    }

    pub fn is_good(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Why there is no whole answer.
#[derive(Debug)]
pub enum Lost {
    /// The line, the server or a time limit.
    Line(ureq::Error),
    /// It is larger than this many bytes.
    TooLarge(u64),
    /// This machine could not keep it.
    Local(io::Error),
    /// It does not go on where the one before ended.
    Misplaced,
}

/// What came of it. A head may be there without a whole body.
pub struct Outcome<S> {
    pub head: Option<Head>,
    pub sink: S,
    /// The body of an answer that is no good one, as far as it is kept.
    pub reason: Vec<u8>,
    pub end: Result<(), Lost>,
}

/// How far it is, for whoever waits.
#[derive(Default)]
pub struct Meter {
    pub sent: AtomicU64,
    pub received: AtomicU64,
    /// 0 when the answer does not say.
    pub expected: AtomicU64,
}

/// Sends and waits; leaves at once, and breaks the connection, when the attempt is cancelled.
pub fn run<S: Sink>(
    agent: &Agent,
    parcel: Parcel,
    sink: S,
    cx: &Cx<'_>,
    mut tick: impl FnMut(&Meter),
) -> Result<Outcome<S>, StageError> {
    cx.check()?;
    let meter = Arc::new(Meter::default());
    let (sender, answered) = mpsc::channel();
    std::thread::spawn({
        let (agent, meter) = (agent.clone(), Arc::clone(&meter));
        move || {
            let _ = sender.send(exchange(&agent, parcel, sink, &meter));
        }
    });
    loop {
        match answered.recv_timeout(CANCEL_LOOK) {
            Ok(outcome) => return Ok(outcome),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                tick(&meter);
                cx.check().inspect_err(|_| agent.clone().shutdown())?;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(StageError::internal("a request ended without an answer"));
            }
        }
    }
}

fn exchange<S: Sink>(agent: &Agent, parcel: Parcel, mut sink: S, meter: &Arc<Meter>) -> Outcome<S> {
    let mut head = None;
    let mut reason = Vec::new();
    let end = (|| {
        let response = send(agent, parcel, meter)?;
        let (parts, body) = response.into_parts();
        let head = &*head.insert(Head { status: parts.status.as_u16(), headers: parts.headers });
        let mut reader = body.into_reader();
        if head.is_good() {
            sink.begin(head)?;
            meter.expected.store(head.content_length().unwrap_or(0), Ordering::Relaxed);
            pour(&mut reader, &mut sink, meter)
        } else {
            // What is missing of a reason is no reason to fail differently.
            let _ = reader.take(REASON_BYTES_MAX).read_to_end(&mut reason);
            Ok(())
        }
    })();
    Outcome { head, sink, reason, end }
}

fn send(agent: &Agent, parcel: Parcel, meter: &Arc<Meter>) -> Result<ureq::http::Response<ureq::Body>, Lost> {
    let has_body = !matches!(parcel.body, Body::Empty);
    // A server needs the length of what is put or posted, nothing included.
    let wants_length = has_body || matches!(parcel.method, Method::POST | Method::PUT | Method::PATCH);
    let opened = parcel.body.open().map_err(Lost::Local)?;
    let mut request = ureq::http::Request::new(());
    *request.method_mut() = parcel.method;
    *request.uri_mut() = parcel.uri;
    *request.headers_mut() = parcel.headers;
    if let Some(kind) = opened.media_type.and_then(|kind| HeaderValue::try_from(kind).ok()) {
        request.headers_mut().entry(CONTENT_TYPE).or_insert(kind);
    }
    if !wants_length {
        return agent.run(request).map_err(Lost::Line);
    }
    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(opened.length));
    let reader = Counted { inner: opened.reader, meter: Arc::clone(meter) };
    let request = request.map(|()| ureq::SendBody::from_owned_reader(reader));
    agent.run(request).map_err(Lost::Line)
}

fn pour(reader: &mut impl Read, sink: &mut impl Sink, meter: &Meter) -> Result<(), Lost> {
    let mut chunk = vec![0; CHUNK];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                sink.write(&chunk[..count])?;
                meter.received.fetch_add(count as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Lost::Line(error.into())),
        }
    }
}

/// Counts what is sent.
struct Counted {
    inner: Box<dyn Read + Send>,
    meter: Arc<Meter>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.meter.sent.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
