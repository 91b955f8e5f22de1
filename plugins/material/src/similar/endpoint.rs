//! Vectors of texts from an OpenAI-compatible `/embeddings`.

use reelmill_http::{Service, Settings};
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// Texts of one request.
const TEXTS_AT_ONCE: usize = 64;
/// Characters of one text: endpoints refuse long ones, and files have few words.
const CHARS_MAX: usize = 1_000;
/// Bytes of an answer: 64 vectors of 4,096 numbers, written out.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// An endpoint that turns texts into vectors.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Everything before `/embeddings`, for example `http://127.0.0.1:11434/v1`.
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The model's name at that endpoint.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// Sent as a bearer token; use a secret. Local servers often need none.
    #[serde(default)]
    pub api_key: Option<String>,
    /// Seconds to wait for one answer.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
}

const fn default_timeout() -> u32 {
    60
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Endpoint({})", self.model)
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: usize,
    embedding: Vec<f32>,
}

/// A vector for each text, in their order.
pub fn embed(endpoint: &Endpoint, texts: &[String], cx: &Cx<'_>) -> Result<Vec<Vec<f32>>, StageError> {
    let settings = Settings {
        address: "embeddings.base_url",
        key: "embeddings.api_key",
        timeout: "embeddings.timeout_seconds",
        subject: "embeddings.model",
        ..Settings::default()
    };
    let service = Service::new("the embeddings endpoint", &endpoint.base_url)
        .settings(settings)
        .timeout(Duration::from_secs(u64::from(endpoint.timeout_seconds)))
        .answer_bytes_max(ANSWER_BYTES_MAX)
        .bearer(endpoint.api_key.as_deref().unwrap_or_default())
        .open()?;
    let mut vectors = Vec::with_capacity(texts.len());
    for texts in texts.chunks(TEXTS_AT_ONCE) {
        cx.progress(&Progress { phase: "asking for embeddings".into(), ..Progress::default() });
        // An empty text is an error to some servers.
        let input: Vec<String> =
            texts.iter().map(|text| if text.trim().is_empty() { "-".into() } else { cut(text) }).collect();
        let body = json!({ "model": endpoint.model, "input": input, "encoding_format": "float" });
        let answer = service.post("/embeddings").json(&body).send(cx)?;
        let mut items = answer.json::<Answer>()?.data;
        items.sort_by_key(|item| item.index);
        let length = items.first().map_or(0, |item| item.embedding.len());
        let is_whole = items.iter().enumerate().all(|(place, item)| item.index == place);
        if items.len() != texts.len()
            || !is_whole
            || length == 0
            || items.iter().any(|i| i.embedding.len() != length)
        {
            return Err(answer.malformed(&format!("{} vectors for {} texts", items.len(), texts.len())));
        }
        vectors.extend(items.into_iter().map(|item| item.embedding));
    }
    Ok(vectors)
}

fn cut(text: &str) -> String {
    text.chars().take(CHARS_MAX).collect()
}
