//! Answers over HTTP: JSON, files of the page, and bodies that come bit by bit.

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use serde::Serialize;
use std::io;

/// A body, whole or in pieces.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
/// An answer.
pub type Answer = Response<Body>;

/// A body that is there already.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// An answer with a body and its media type.
pub fn with_body(status: StatusCode, media_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// A JSON document.
pub fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    // What is answered are our own structures, whose keys are texts.
    let mut text = serde_json::to_vec(value).unwrap_or_default();
    text.push(b'\n');
    with_body(status, "application/json", whole(text))
}

/// A JSON document, as what was asked for.
pub fn ok(value: &impl Serialize) -> Answer {
    json(StatusCode::OK, value)
}

/// Done, and nothing to say.
pub fn nothing() -> Answer {
    let mut answer = Response::new(whole(""));
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}
