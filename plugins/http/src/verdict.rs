//! What each way of failing means: class, code, and what a person can do. The only place that decides it.

use crate::exchange::{Head, Lost};
use crate::guard::Refused;
use crate::retry_after::retry_after;
use crate::service::{Facts, check, in_brackets};
use reelmill_sdk::prelude::*;
use std::time::{Duration, SystemTime};

/// Characters of a service's own words that are passed on.
const QUOTE_CHARS_MAX: usize = 300;

/// The failure of an exchange that brought no whole answer.
pub fn lost(facts: &Facts, lost: &Lost) -> StageError {
    let name = &facts.name;
    match lost {
        Lost::Line(ureq::Error::Timeout(_)) => {
            let setting = in_brackets(facts.settings.timeout);
            let seconds = facts.timeout.as_secs_f64();
            StageError::dependency(format!("{name} did not answer within {seconds} s{setting}"))
                .code("timeout")
        }
        Lost::Line(ureq::Error::BadUri(_) | ureq::Error::Http(_)) => bad_address(facts, "is not usable"),
        Lost::Line(ureq::Error::HostNotFound) => {
            StageError::dependency(format!("{name} is not found by its name")).code("no_such_host")
        }
        Lost::Line(ureq::Error::Other(other)) if other.is::<Refused>() => StageError::invalid_input(format!(
            "{name} is not reached: {other}; only public addresses are, and hosts that are allowed by name{}",
            in_brackets(facts.settings.allow)
        ))
        .code("refused_address"),
        Lost::Line(ureq::Error::Io(error)) if is_no_such_host(error) => {
            StageError::dependency(format!("{name} is not found by its name"))
                .code("no_such_host")
                .cause(facts.secrets.redact(&error.to_string()))
        }
        Lost::Line(other) => StageError::dependency(format!("the connection to {name} failed"))
            .code("connection")
            .cause(facts.secrets.redact(&other.to_string())),
        Lost::TooLarge(bytes) => {
            StageError::permanent(format!("the answer of {name} is larger than {bytes} bytes"))
                .code("too_large")
        }
        Lost::Local(error) => {
            StageError::from(std::io::Error::new(error.kind(), error.to_string())).context("keep the answer")
        }
        Lost::Misplaced => StageError::dependency(format!("{name} sent another part than it was asked for"))
            .code("malformed_answer"),
    }
}

/// The resolver's own error has no kind of its own.
fn is_no_such_host(error: &std::io::Error) -> bool {
    error.to_string().starts_with("failed to lookup address")
}

/// An address that cannot be used; `why` completes "the address …".
pub fn bad_address(facts: &Facts, why: &str) -> StageError {
    let setting = facts.settings.address;
    let what =
        if setting.is_empty() { format!("the address of {}", facts.name) } else { format!("`{setting}`") };
    StageError::invalid_config(format!("{what} {why}")).code("bad_url")
}

/// The failure of an answer whose status is no success.
pub fn refused(facts: &Facts, head: &Head, body: &[u8]) -> StageError {
    let pause = retry_after(&head.headers, SystemTime::now());
    let why = Refusal {
        status: head.status,
        shown: &format!("HTTP {}", head.status),
        said: &quote(facts, body),
        pause,
    };
    meant(facts, &why).detail(json!({ "status": head.status }))
}

/// What a service says when it refuses.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The status of HTTP that means it.
    pub status: u16,
    /// How messages name it: `HTTP 429`, `code 1002`.
    pub shown: &'a str,
    /// The service's own words.
    pub said: &'a str,
    /// How long it asks to be left alone.
    pub pause: Option<Duration>,
}

/// The failure that a refusal means.
pub fn meant(facts: &Facts, refusal: &Refusal<'_>) -> StageError {
    let name = &facts.name;
    let Refusal { status, shown, said, pause } = *refusal;
    let key = check(&[facts.settings.key]);
    let place = check(&[facts.settings.address, facts.settings.subject]);
    let paused = |error: StageError| pause.into_iter().fold(error, StageError::retry_after);
    match status {
        401 | 403 => StageError::invalid_config(format!("{name} refuses the key ({shown}){key}: {said}"))
            .code("unauthorized"),
        402 => StageError::invalid_config(format!("{name} wants to be paid first ({shown}): {said}"))
            .code("payment_required"),
        404 | 410 => StageError::invalid_config(format!(
            "{name} knows nothing of the kind at this address ({shown}){place}: {said}"
        ))
        .code("not_found"),
        429 => paused(
            StageError::transient(format!("{name} asks to slow down ({shown}): {said}")).code("rate_limited"),
        ),
        408 | 500..=599 => {
            paused(StageError::dependency(format!("{name} failed ({shown}): {said}")).code("endpoint_failed"))
        }
        300..=399 => StageError::invalid_config(format!(
            "{name} redirects ({shown}); put its new address in place of the old one{place}"
        ))
        .code("redirected"),
        400 | 413 | 415 | 422 => {
            StageError::invalid_input(format!("{name} refuses the request ({shown}): {said}"))
                .code("refused_request")
        }
        _ => StageError::permanent(format!("{name} refuses ({shown}): {said}")).code("refused"),
    }
}

/// An answer that is not what the service promises; `what` says what is wrong with it.
pub fn malformed(facts: &Facts, what: &str) -> StageError {
    StageError::dependency(format!(
        "the answer of {} is not as documented: {}",
        facts.name,
        facts.secrets.redact(what)
    ))
    .code("malformed_answer")
}

/// A service's own words: the message of its error, or the start of the body.
pub fn quote(facts: &Facts, body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let message = serde_json::from_str::<Value>(&body).ok().and_then(|json| message(&json));
    brief(facts, &message.unwrap_or_else(|| body.into_owned()))
}

/// Words of a service, briefly and without its keys.
pub fn brief(facts: &Facts, said: &str) -> String {
    let text = facts.secrets.redact(said);
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return "no reason given".to_owned();
    }
    words.join(" ").chars().take(QUOTE_CHARS_MAX).collect()
}

/// Where services put the words of an error: `error.message`, `error`, `message`, `detail.message`, `detail`,
/// `error_description`.
fn message(json: &Value) -> Option<String> {
    let (error, detail) = (&json["error"], &json["detail"]);
    [
        &error["message"],
        &json["error_description"],
        error,
        &json["message"],
        &detail["message"],
        detail,
        &json["errorMessage"],
    ]
    .into_iter()
    .find_map(|place| place.as_str().filter(|text| !text.trim().is_empty()))
    .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill_sdk::FailureClass;
    use ureq::http::HeaderMap;

    fn facts() -> Facts {
        let mut facts = Facts { name: "the bank".into(), ..Facts::default() };
        facts.settings.key = "bank.key";
        facts.settings.address = "bank.url";
        facts.secrets.add("secret-1");
        facts
    }

    #[test]
    fn every_status_has_a_class_a_code_and_a_remedy() {
        use FailureClass::{Dependency, InvalidConfig, InvalidInput, Permanent, Transient};
        for (status, class, code, word) in [
            (301, InvalidConfig, "redirected", "`bank.url`"),
            (400, InvalidInput, "refused_request", "HTTP 400"),
            (401, InvalidConfig, "unauthorized", "`bank.key`"),
            (402, InvalidConfig, "payment_required", "paid"),
            (403, InvalidConfig, "unauthorized", "`bank.key`"),
            (404, InvalidConfig, "not_found", "`bank.url`"),
            (408, Dependency, "endpoint_failed", "failed"),
            (409, Permanent, "refused", "refuses"),
            (422, InvalidInput, "refused_request", "refuses"),
            (429, Transient, "rate_limited", "slow down"),
            (500, Dependency, "endpoint_failed", "failed"),
            (599, Dependency, "endpoint_failed", "failed"),
            (999, Permanent, "refused", "HTTP 999"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("retry-after", "3".parse().unwrap());
            let head = Head { status, headers };
            let error = refused(&facts(), &head, br#"{"error":{"message":"no, secret-1"}}"#);
            let failure = error.failure();
            assert_eq!((error.class(), failure.code.as_str()), (class, code), "{status}");
            assert!(failure.message.contains(word) && !failure.message.contains("secret-1"), "{error}");
            let paused = matches!(status, 408 | 429 | 500 | 599).then_some(3000);
            assert_eq!(failure.retry_after_ms, paused, "{status}");
        }
    }

    #[test]
    fn a_service_is_quoted_briefly() {
        for (body, said) in [
            (r#"{"error":{"message":"no  credit"}}"#, "no credit"),
            (r#"{"error":"model gone"}"#, "model gone"),
            (r#"{"error":"invalid_grant","error_description":"expired"}"#, "expired"),
            (r#"{"detail":{"status":"x","message":"quota"}}"#, "quota"),
            (r#"{"detail":"no"}"#, "no"),
            ("\n plain  words", "plain words"),
            (" ", "no reason given"),
        ] {
            assert_eq!(quote(&facts(), body.as_bytes()), said);
        }
        assert_eq!(quote(&facts(), &[b'x'; 5000]).len(), QUOTE_CHARS_MAX);
        // A key that stands at the cut must not be left in part.
        let long = format!("{}secret-1", "x".repeat(QUOTE_CHARS_MAX - 3));
        assert!(!quote(&facts(), long.as_bytes()).contains("sec"));
    }
}
