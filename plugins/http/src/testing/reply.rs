//! What the server does with one request.

use super::Seen;
use std::fmt::Write as _;
use std::io::{self, Write};

/// An answer, or what stands in for one.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Bytes of the body that are sent before `end`.
    sent: Option<usize>,
    end: End,
    has_ranges: bool,
}

/// What happens after that part of an answer that is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    /// All is sent.
    Whole,
    /// The connection is closed.
    Cut,
    /// Nothing more comes, until the client goes.
    Silent,
    /// Not even the head comes.
    Mute,
}

impl Reply {
    /// A status and nothing else.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), sent: None, end: End::Whole, has_ranges: false }
    }

    /// A body of some media type.
    #[must_use]
    pub fn body(status: u16, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::status(status).header("content-type", media_type) }
    }

    /// A JSON body.
    #[must_use]
    pub fn json(status: u16, body: impl std::fmt::Display) -> Self {
        Self::body(status, "application/json", body.to_string())
    }

    /// A file that is served in ranges, with an `ETag`.
    #[must_use]
    pub fn file(media_type: &str, etag: &str, body: impl Into<Vec<u8>>) -> Self {
        let whole = Self::body(200, media_type, body).header("etag", etag).header("accept-ranges", "bytes");
        Self { has_ranges: true, ..whole }
    }

    /// With another header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The connection is closed after so many bytes of the body, although more were promised.
    #[must_use]
    pub fn cut_after(self, bytes: usize) -> Self {
        Self { sent: Some(bytes), end: End::Cut, ..self }
    }

    /// Nothing comes after so many bytes of the body, although more were promised.
    #[must_use]
    pub fn silent_after(self, bytes: usize) -> Self {
        Self { sent: Some(bytes), end: End::Silent, ..self }
    }

    /// Nothing comes at all.
    #[must_use]
    pub fn mute() -> Self {
        Self { end: End::Mute, ..Self::status(0) }
    }

    /// Sends it. Whether the connection has to be kept open until the client goes.
    pub(super) fn send(&self, request: &Seen, line: &mut impl Write) -> io::Result<bool> {
        if self.end == End::Mute {
            return Ok(true);
        }
        let (status, range, body) = self.ranged(request);
        let mut head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n");
        for (name, value) in self.headers.iter().chain(&range) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let has_no_body = status == 204 || status == 304;
        if !has_no_body {
            let _ = write!(head, "content-length: {}\r\n", body.len());
        }
        line.write_all(format!("{head}\r\n").as_bytes())?;
        let sent = self.sent.unwrap_or(body.len()).min(body.len());
        if request.method != "HEAD" {
            line.write_all(&body[..sent])?;
        }
        line.flush()?;
        Ok(self.end == End::Silent)
    }

    /// The part that is asked for, when the file is still the one it is asked of.
    fn ranged(&self, request: &Seen) -> (u16, Option<(String, String)>, &[u8]) {
        let whole = (self.status, None, self.body.as_slice());
        let from = request
            .header("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let own = self.headers.iter().find(|(name, _)| name == "etag").map(|(_, tag)| tag.as_str());
        match from {
            Some(from)
                if self.has_ranges && request.header("if-range").is_none_or(|tag| Some(tag) == own) =>
            {
                let length = self.body.len();
                if from >= length {
                    return (416, Some(("content-range".into(), format!("bytes */{length}"))), &[]);
                }
                let range = format!("bytes {from}-{}/{length}", length - 1);
                (206, Some(("content-range".into(), range)), &self.body[from..])
            }
            _ => whole,
        }
    }
}
