//! One blocking request to `/chat/completions`, and what each way it can fail means. The key is never part of a
//! message: whatever the endpoint says back is redacted.

use crate::types::Llm;
use reelmill_sdk::prelude::*;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};
use ureq::Agent;
use ureq::http::{HeaderMap, Response};

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// Characters of an endpoint's own words that are passed on.
const QUOTE_CHARS_MAX: usize = 300;
/// How often a waiting request looks whether the attempt was cancelled.
const CANCEL_LOOK: Duration = Duration::from_millis(50);
/// The longest pause an endpoint may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// A model's answer.
#[derive(Debug)]
pub struct Reply {
    pub content: String,
    pub model: Option<String>,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// The endpoint does not take a request of this form; a simpler one may do.
    Format(String),
    /// The attempt ends here.
    Final(StageError),
}

impl From<StageError> for Refusal {
    fn from(error: StageError) -> Self {
        Self::Final(error)
    }
}

/// A connection to one endpoint.
pub struct Client {
    agent: Agent,
    url: String,
    api_key: Option<String>,
    timeout_seconds: u32,
}

/// What came back, before it is judged.
struct Raw {
    status: u16,
    retry_after: Option<Duration>,
    body: String,
}

impl Client {
    pub fn new(llm: &Llm) -> Result<Self, StageError> {
        let base = llm.base_url.trim().trim_end_matches('/');
        if !base.starts_with("http://") && !base.starts_with("https://") {
            return Err(StageError::invalid_config("`llm.base_url` must start with http:// or https://"));
        }
        let api_key = llm.api_key.as_deref().map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned);
        if api_key.as_deref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(StageError::invalid_config(
                "`llm.api_key` holds characters that no key has (a line break?)",
            ));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(u64::from(llm.timeout_seconds))))
            .http_status_as_error(false)
            // A redirect would carry the prompt to a host nobody named.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("reelmill/", env!("CARGO_PKG_VERSION")))
            .build();
        let url = if base.ends_with("/chat/completions") {
            base.to_owned()
        } else {
            format!("{base}/chat/completions")
        };
        Ok(Self { agent: config.into(), url, api_key, timeout_seconds: llm.timeout_seconds })
    }

    /// Sends a body and waits; leaves at once when the attempt is cancelled.
    pub fn post(&self, body: &Value, cx: &Cx<'_>) -> Result<Reply, Refusal> {
        let (agent, url, key, body) =
            (self.agent.clone(), self.url.clone(), self.api_key.clone(), body.to_string());
        let (sender, answered) = mpsc::channel();
        // The request blocks on its own thread, which its own timeout ends, so that a cancel need not wait for it.
        std::thread::spawn(move || {
            let _ = sender.send(exchange(&agent, &url, key.as_deref(), body));
        });
        let raw = loop {
            match answered.recv_timeout(CANCEL_LOOK) {
                Ok(raw) => break raw.map_err(|error| self.lost(&error))?,
                Err(mpsc::RecvTimeoutError::Timeout) => cx.check()?,
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(StageError::internal("the request ended without an answer").into());
                }
            }
        };
        self.judge(&raw)
    }

    /// The text without the key.
    pub fn redact(&self, text: &str) -> String {
        match &self.api_key {
            Some(key) => text.replace(key.as_str(), "***"),
            None => text.to_owned(),
        }
    }

    fn lost(&self, error: &ureq::Error) -> StageError {
        match error {
            ureq::Error::Timeout(_) => StageError::dependency(format!(
                "the model endpoint did not answer within {} s (`llm.timeout_seconds`)",
                self.timeout_seconds
            ))
            .code("timeout"),
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                StageError::invalid_config("`llm.base_url` is not a usable address").code("bad_url")
            }
            other => StageError::dependency("the connection to the model endpoint failed")
                .code("connection")
                .cause(self.redact(&other.to_string())),
        }
    }

    fn judge(&self, raw: &Raw) -> Result<Reply, Refusal> {
        let said = || self.redact(&quote(&raw.body));
        let fail = |error: StageError, code: &str| {
            Err(Refusal::Final(error.code(code).detail(json!({ "status": raw.status }))))
        };
        match raw.status {
            200..=299 => self.content(&raw.body),
            401 | 403 => fail(
                StageError::invalid_config(format!(
                    "the model endpoint refuses the key (HTTP {}); check `llm.api_key`: {}",
                    raw.status,
                    said()
                )),
                "unauthorized",
            ),
            404 => fail(
                StageError::invalid_config(format!(
                    "the model endpoint knows no such address or model (HTTP 404); check `llm.base_url` and \
                     `llm.model`: {}",
                    said()
                )),
                "not_found",
            ),
            429 => {
                let busy = StageError::transient(format!(
                    "the model endpoint asks to slow down (HTTP 429): {}",
                    said()
                ));
                fail(raw.retry_after.into_iter().fold(busy, StageError::retry_after), "rate_limited")
            }
            400 | 415 | 422 => Err(Refusal::Format(format!("HTTP {}: {}", raw.status, said()))),
            408 | 500..=599 => {
                let down = StageError::dependency(format!(
                    "the model endpoint failed (HTTP {}): {}",
                    raw.status,
                    said()
                ));
                fail(raw.retry_after.into_iter().fold(down, StageError::retry_after), "endpoint_failed")
            }
            300..=399 => fail(
                StageError::invalid_config(format!(
                    "the model endpoint redirects (HTTP {}); put its new address into `llm.base_url`",
                    raw.status
                )),
                "redirected",
            ),
            status => fail(
                StageError::permanent(format!("the model endpoint refuses (HTTP {status}): {}", said())),
                "refused",
            ),
        }
    }

    fn content(&self, body: &str) -> Result<Reply, Refusal> {
        let strange = |what: String| {
            StageError::dependency(format!("the model endpoint's answer is not a chat completion: {what}"))
                .code("malformed_answer")
        };
        let json: Value = serde_json::from_str(body).map_err(|error| strange(error.to_string()))?;
        let choice = &json["choices"][0];
        if let Some(refusal) = choice["message"]["refusal"].as_str().filter(|text| !text.is_empty()) {
            let refusal = self.redact(&quote(refusal));
            return Err(StageError::permanent(format!("the model refuses to write this: {refusal}"))
                .code("refusal")
                .into());
        }
        let content = choice["message"]["content"].as_str().ok_or_else(|| {
            strange(format!("it has no choices[0].message.content: {}", self.redact(&quote(body))))
        })?;
        if choice["finish_reason"] == "length" {
            return Err(StageError::invalid_config(
                "the model's answer was cut at its token limit; raise `llm.max_tokens` or ask for fewer scenes",
            )
            .code("cut_short")
            .into());
        }
        let tokens = |name: &str| json["usage"][name].as_u64().unwrap_or(0);
        Ok(Reply {
            content: content.to_owned(),
            model: json["model"].as_str().map(str::to_owned),
            prompt_tokens: tokens("prompt_tokens"),
            completion_tokens: tokens("completion_tokens"),
        })
    }
}

fn exchange(agent: &Agent, url: &str, key: Option<&str>, body: String) -> Result<Raw, ureq::Error> {
    let mut request =
        agent.post(url).header("content-type", "application/json").header("accept", "application/json");
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {key}"));
    }
    let mut response: Response<ureq::Body> = request.send(body)?;
    let retry_after = retry_after(response.headers(), SystemTime::now());
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).lossy_utf8(true).read_to_string()?;
    Ok(Raw { status, retry_after, body })
}

/// `Retry-After` as RFC 9110 has it: seconds, or a date, which is compared with the endpoint's own clock when it
/// sends one.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let asked = text("retry-after")?;
    let pause = if let Ok(seconds) = asked.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = httpdate::parse_http_date(asked).ok()?;
        let now = text("date").and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        until.duration_since(now).unwrap_or(Duration::ZERO)
    };
    Some(pause.min(RETRY_AFTER_MAX))
}

/// An endpoint's own words: the message of an OpenAI-style error, or the start of the body.
fn quote(body: &str) -> String {
    let message = serde_json::from_str::<Value>(body).ok().and_then(|json| {
        let error = &json["error"];
        error["message"].as_str().or(error.as_str()).or(json["message"].as_str()).map(str::to_owned)
    });
    let text = reelmill_text::squeeze(&message.unwrap_or_else(|| body.to_owned()));
    if text.is_empty() { "no reason given".to_owned() } else { text.chars().take(QUOTE_CHARS_MAX).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect::<HeaderMap>()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let later = "Sun, 06 Nov 1994 08:50:07 GMT";
        let pause = |list: &[(&'static str, &str)]| retry_after(&headers(list), now);
        assert_eq!(pause(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
        assert_eq!(pause(&[("retry-after", later)]), Some(Duration::from_secs(30)));
        let with_clock = [("retry-after", later), ("date", "Sun, 06 Nov 1994 08:50:00 GMT")];
        assert_eq!(pause(&with_clock), Some(Duration::from_secs(7)));
        assert_eq!(pause(&[("retry-after", "soon")]), None);
        assert_eq!(pause(&[("retry-after", "99999999999")]), Some(RETRY_AFTER_MAX));
        assert_eq!(pause(&[]), None);
    }

    #[test]
    fn an_endpoint_is_quoted_briefly() {
        assert_eq!(quote(r#"{"error":{"message":"no  credit"}}"#), "no credit");
        assert_eq!(quote(r#"{"error":"model gone"}"#), "model gone");
        assert_eq!(quote(" "), "no reason given");
        assert_eq!(quote(&"x".repeat(5000)).len(), QUOTE_CHARS_MAX);
    }
}
