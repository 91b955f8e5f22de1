//! Files, by what is in them: whole, or the part that a player asks for.

use crate::answer::{Answer, Body, whole};
use crate::asked::{Answered, Asked};
use crate::problem::{self, Problem};
use crate::range::{Wanted, wanted};
use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::StatusCode;
use hyper::body::{Bytes, Frame};
use hyper::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reelmill_artifacts::{Pin, media_type};
use reelmill_model::Digest;
use std::io;
use std::ops::Range;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, SeekFrom};

/// Bytes read at a time.
const CHUNK: usize = 256 * 1024;
/// What is made by others must not run as a page of ours: no scripts, and nothing from elsewhere.
const FILE_POLICY: &str =
    "sandbox; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'";

/// A file, or a part of it.
pub async fn get(asked: Asked) -> Answered {
    let digest = digest(&asked.parts[0])?;
    let header = |name: HeaderName| asked.headers.get(name).and_then(|value| value.to_str().ok());
    let tag = format!("\"{}\"", digest.hex());
    if header(IF_NONE_MATCH).is_some_and(|tags| tags.contains(&tag)) {
        let mut answer = Answer::new(whole(""));
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(answer);
    }
    let pin = asked.site.control.artifacts.fetch(&digest).await?;
    let file = File::open(pin.path()).await.map_err(|error| problem::internal(&error.to_string()))?;
    let length = file.metadata().await.map_err(|error| problem::internal(&error.to_string()))?.len();
    let range = header(RANGE).filter(|_| header(IF_RANGE).is_none_or(|given| given == tag));
    let (status, part) = match wanted(range, length) {
        Wanted::Whole => (StatusCode::OK, 0..length),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Beyond => {
            let problem = Problem::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                "no_such_range",
                format!("it has {length} bytes"),
            );
            return Err(problem.with(CONTENT_RANGE, value(&format!("bytes */{length}"))));
        }
    };
    let (first, last) = (part.start, part.end.saturating_sub(1));
    let mut answer = Answer::new(
        pieces(file, pin, part.clone()).await.map_err(|error| problem::internal(&error.to_string()))?,
    );
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    if status == StatusCode::PARTIAL_CONTENT {
        headers.insert(CONTENT_RANGE, value(&format!("bytes {first}-{last}/{length}")));
    }
    let (media_type, shown) = shown_as(asked.param("name").unwrap_or_default());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(part.end - part.start));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(ETAG, value(&tag));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(FILE_POLICY));
    // What is in it never changes.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    let shown = shown && !asked.flag("download")?;
    headers.insert(CONTENT_DISPOSITION, value(&disposition(asked.param("name"), shown)));
    Ok(answer)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// A digest, with or without its prefix.
fn digest(text: &str) -> Result<Digest, Problem> {
    let whole = if text.contains(':') { text.to_owned() } else { format!("blake3:{text}") };
    whole
        .parse()
        .map_err(|_| Problem::missing("no_such_artifact", format!("{text:?} is no digest of a file")))
}

/// The media type by a name, and whether a browser may show it: what could hold scripts is saved instead.
fn shown_as(name: &str) -> (&'static str, bool) {
    match media_type(name) {
        kind @ ("application/json"
        | "text/csv"
        | "text/markdown"
        | "application/yaml"
        | "application/x-subrip"
        | "text/x-ssa") => {
            let kind = if kind == "application/json" { kind } else { "text/plain; charset=utf-8" };
            (kind, true)
        }
        "text/plain" => ("text/plain; charset=utf-8", true),
        kind @ ("text/html" | "image/svg+xml" | "application/octet-stream" | "application/zip") => {
            (kind, false)
        }
        kind => (kind, true),
    }
}

/// `Content-Disposition` (RFC 6266), with the name in UTF-8.
fn disposition(name: Option<&str>, shown: bool) -> String {
    let how = if shown { "inline" } else { "attachment" };
    match name.filter(|name| !name.is_empty()) {
        Some(name) => format!("{how}; filename*=UTF-8''{}", utf8_percent_encode(name, NON_ALPHANUMERIC)),
        None => how.to_owned(),
    }
}

/// A part of a file, bit by bit. The pin lives as long as somebody reads.
async fn pieces(mut file: File, pin: Pin, part: Range<u64>) -> io::Result<Body> {
    file.seek(SeekFrom::Start(part.start)).await?;
    let file = file.take(part.end - part.start);
    let pieces = stream::try_unfold((file, pin), |(mut file, pin)| async {
        let mut chunk = vec![0; CHUNK];
        let read = file.read(&mut chunk).await?;
        chunk.truncate(read);
        let piece = Frame::data(Bytes::from(chunk));
        Ok::<_, io::Error>((read > 0).then_some((piece, (file, pin))))
    });
    Ok(StreamBody::new(pieces).boxed_unsync())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_hold_scripts_is_saved() {
        assert_eq!(shown_as("a.mp4"), ("video/mp4", true));
        assert_eq!(shown_as("a.json"), ("application/json", true));
        assert_eq!(shown_as("a.ass"), ("text/plain; charset=utf-8", true));
        for name in ["a.html", "a.svg", "a", "a.exe"] {
            assert!(!shown_as(name).1, "{name}");
        }
    }

    #[test]
    fn a_name_cannot_break_out_of_its_header() {
        let told = disposition(Some("ä\"; x=\r\ny.mp4"), true);
        assert_eq!(told, "inline; filename*=UTF-8''%C3%A4%22%3B%20x%3D%0D%0Ay%2Emp4");
        assert_eq!(disposition(None, false), "attachment");
    }
}
