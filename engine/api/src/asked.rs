//! One request that was let in: who asks, for what, with what.

use crate::answer::Answer;
use crate::coming::Coming;
use crate::keys::{Caller, Role};
use crate::problem::Problem;
use crate::site::Site;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::StatusCode;
use hyper::body::{Body as _, Bytes};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use percent_encoding::percent_decode_str;
use reelmill_model::{RunId, limits};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// Time that a body of JSON or text gets to come.
const BODY: Duration = Duration::from_secs(20);

/// What every answer is: one, or why there is none.
pub type Answered = Result<Answer, Problem>;

/// A request.
pub struct Asked {
    /// What it is answered from.
    pub site: Arc<Site>,
    /// Who asks.
    pub caller: Caller,
    /// Its headers.
    pub headers: HeaderMap,
    /// The variable parts of its path, decoded.
    pub parts: Vec<String>,
    /// Its query, decoded.
    pub query: Vec<(String, String)>,
    /// Its body.
    pub body: Coming,
}

impl Asked {
    /// The run that the path names.
    pub fn run(&self) -> Result<RunId, Problem> {
        self.parts[0].parse().map_err(|_| {
            let detail = format!("{:?} is no run: an id has 26 letters and digits", self.parts[0]);
            Problem::missing("no_such_run", detail)
        })
    }

    /// A parameter of the query.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter is `true`.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.param(name) {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(other) => {
                Err(Problem::bad("bad_query", format!("`{name}` is true or false, not {other:?}")))
            }
        }
    }

    /// How many rows are wanted.
    pub fn limit(&self, otherwise: usize) -> Result<usize, Problem> {
        let Some(text) = self.param("limit") else { return Ok(otherwise) };
        let most = limits::PAGE_ROWS_MAX;
        text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| {
            Problem::bad("bad_query", format!("`limit` is a number from 1 to {most}, not {text:?}"))
        })
    }

    /// A number among the parameters.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.param(name) else { return Ok(None) };
        let wrong = || Problem::bad("bad_query", format!("`{name}` is a number, not {text:?}"));
        text.parse().map(Some).map_err(|_| wrong())
    }

    /// Words with commas between them, each of which must be known.
    pub fn words<T>(&self, name: &str, known: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Problem> {
        let text = self.param(name).unwrap_or_default();
        let wrong = |word: &str| Problem::bad("bad_query", format!("`{name}` cannot be {word:?}"));
        text.split(',')
            .filter(|word| !word.is_empty())
            .map(|word| known(word).ok_or_else(|| wrong(word)))
            .collect()
    }

    /// Refuses whoever may not do as much.
    pub fn needs(&self, role: Role, what: &str) -> Result<(), Problem> {
        if self.caller.role >= role {
            return Ok(());
        }
        let detail =
            format!("{what} needs the role {}; this key has {}", role.word(), self.caller.role.word());
        Err(Problem::new(StatusCode::FORBIDDEN, "forbidden", detail))
    }

    /// The body as JSON; nothing where that is all the same is nothing.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        let bytes = self.bytes("application/json", limits::API_JSON_BYTES_MAX).await?;
        let bytes: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(bytes).map_err(|error| {
            let place = serde_json::json!({ "message": error.to_string(), "line": error.line(), "column": error.column() });
            Problem::bad("bad_body", format!("the body cannot be read: {error}")).with_errors(vec![place])
        })
    }

    /// The body as a pipeline's text.
    pub async fn yaml(&mut self) -> Result<String, Problem> {
        let bytes = self.bytes("application/yaml", limits::PIPELINE_BYTES_MAX).await?;
        String::from_utf8(bytes.to_vec()).map_err(|error| {
            Problem::bad("bad_body", format!("the body is not UTF-8: {}", error.utf8_error()))
        })
    }

    /// The whole body, up to a limit. Without the right media type it is not looked at: a form of another site cannot have
    /// it.
    async fn bytes(&mut self, media_type: &str, most: usize) -> Result<Bytes, Problem> {
        let hint = self.body.read().size_hint();
        let given = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let bare = given.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
        match bare.as_deref() {
            None if hint.exact() == Some(0) => return Ok(Bytes::new()),
            Some(bare)
                if bare == media_type || bare == media_type.replace("application/", "application/x-") => {}
            _ => {
                let detail = format!("the body must be {media_type} (header Content-Type)");
                return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong_media_type", detail));
            }
        }
        let too_large = || Problem::too_large(format!("the body is larger than {most} bytes"));
        // What says beforehand that it is too long is not waited for.
        if hint.lower() > most as u64 {
            return Err(too_large());
        }
        let limited = Limited::new(self.body.read(), most).collect();
        match tokio::time::timeout(BODY, limited).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(error)) => Err(Problem::bad("bad_body", format!("the body cannot be read: {error}"))),
            Err(_) => {
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body took too long to come"))
            }
        }
    }
}

/// A part of a path, decoded; none where that is no text.
pub fn decoded(part: &str) -> Option<String> {
    percent_decode_str(part).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// A query, decoded.
pub fn query(text: &str) -> Option<Vec<(String, String)>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let plain = |text: &str| decoded(&text.replace('+', " "));
            Some((plain(key)?, plain(value)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let read = query("a=1&stage=scene%5Bs3%5D.clip&b=x+y%2Bz&flag&&empty=");
        let pairs = [
            pair("a", "1"),
            pair("stage", "scene[s3].clip"),
            pair("b", "x y+z"),
            pair("flag", ""),
            pair("empty", ""),
        ];
        assert_eq!(read.as_deref(), Some(&pairs[..]));
        assert_eq!(query("a=%ff"), None, "that is no text");
    }
}
