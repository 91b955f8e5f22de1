//! `publish.webhook`: tells somebody. A call is signed with HMAC-SHA256 over its time and body, in the way in which
//! triggers of Reelmill take calls, and carries the same idempotency key at every attempt.

use crate::traits;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reelmill_http::{Guard, Service, Settings};
use reelmill_sdk::prelude::*;
use sha2::Sha256;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of an answer that are put out.
const ANSWER_BYTES_MAX: usize = 16 << 10;

/// `with` of `publish.webhook`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookInput {
    /// Who is told.
    #[schemars(length(min = 1, max = 2000))]
    pub url: String,
    /// What is told: any JSON.
    pub body: Value,
    /// What the call is signed with; a secret. Without one it is not signed.
    #[serde(default)]
    pub secret: Option<String>,
    /// Sent as a bearer token; a secret.
    #[serde(default)]
    pub token: Option<String>,
    /// Further headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Hosts that may be called although they are not on the public internet.
    #[serde(default)]
    pub allow_hosts: Vec<String>,
    /// Seconds to wait for the answer.
    #[serde(default = "timeout")]
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: u32,
}

const fn timeout() -> u32 {
    30
}

/// What `publish.webhook` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct WebhookOutput {
    /// The status of the answer.
    pub status: u16,
    /// The answer: as JSON when it is some, as text otherwise, cut to 16 KiB.
    pub answer: Value,
    /// Whether whoever was told knew it already (409).
    pub known: bool,
}

/// The stage `publish.webhook`.
pub struct Webhook;

impl Stage for Webhook {
    const ID: &'static str = "webhook";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Calls an address with a signed body";
    type Input = WebhookInput;
    type Output = WebhookOutput;

    fn traits() -> StageTraits {
        traits(vec![Example {
            note: "Says that a video is out".into(),
            with: json!({
                "url": "https://example.org/hooks/video", "secret": "${{ secrets.hook_key }}",
                "body": { "event": "video.published", "title": "How tides work" }
            }),
        }])
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: WebhookInput, cx: &Cx<'_>) -> Result<WebhookOutput, StageError> {
        let service = service(&input)?;
        let body = input.body.to_string();
        let mut request = service
            .post(&input.url)
            .header("idempotency-key", cx.idempotency_token())
            .bytes("application/json", body.as_bytes());
        if let Some(secret) = input.secret.as_deref().map(str::trim).filter(|secret| !secret.is_empty()) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            request = request
                .header("x-reelmill-timestamp", now.to_string())
                .header("x-reelmill-signature", format!("sha256={}", signature(secret, now, &body)?));
        }
        let answer = request.exchange(cx)?;
        let known = answer.status() == 409;
        if !known && !(200..300).contains(&answer.status()) {
            return Err(answer.refused());
        }
        let text = service.redact(&answer.text());
        let text = &text[..text.floor_char_boundary(ANSWER_BYTES_MAX)];
        let said = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        Ok(WebhookOutput { status: answer.status(), answer: said, known })
    }
}

fn service(input: &WebhookInput) -> Result<Service, StageError> {
    let settings = Settings {
        address: "url",
        key: "token",
        timeout: "timeout_seconds",
        allow: "allow_hosts",
        ..Settings::default()
    };
    let mut builder = Service::new("the webhook", &input.url)
        .settings(settings)
        .timeout(Duration::from_secs(u64::from(input.timeout_seconds)))
        .guarded()
        .guard(Guard::public().allow(&input.allow_hosts))
        .bearer(input.token.as_deref().unwrap_or_default());
    for (name, value) in &input.headers {
        builder = builder.header(name, value.as_str());
    }
    if let Some(secret) = &input.secret {
        builder = builder.secret(secret.trim());
    }
    // Some services know who calls by what follows the `?`, or by the last part of the path.
    if let Some((_, query)) = input.url.split_once('?') {
        builder = builder.secret(query);
    }
    builder.open()
}

/// HMAC-SHA256 over `v1:TIME:BODY`, in hexadecimal.
fn signature(secret: &str, time: u64, body: &str) -> Result<String, StageError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
        .map_err(|_| StageError::invalid_config("`secret` cannot be a key"))?;
    mac.update(format!("v1:{time}:").as_bytes());
    mac.update(body.as_bytes());
    let mut text = String::with_capacity(64);
    for byte in mac.finalize().into_bytes() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}
