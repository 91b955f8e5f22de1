//! Vectors of texts from an OpenAI-compatible `/embeddings`.

use reelmill_http::{Endpoint, Settings};
use reelmill_sdk::prelude::*;

/// Texts of one request.
const TEXTS_AT_ONCE: usize = 64;
/// Characters of one text: endpoints refuse long ones, and files have few words.
const CHARS_MAX: usize = 1_000;
/// Bytes of an answer: 64 vectors of 4,096 numbers, written out.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

/// An endpoint that turns texts into vectors.
pub type Embeddings = Endpoint<60>;

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
pub fn embed(endpoint: &Embeddings, texts: &[String], cx: &Cx<'_>) -> Result<Vec<Vec<f32>>, StageError> {
    let settings = Settings {
        address: "embeddings.base_url",
        key: "embeddings.api_key",
        timeout: "embeddings.timeout_seconds",
        subject: "embeddings.model",
        ..Settings::default()
    };
    let service = endpoint
        .service("the embeddings endpoint", settings)
        .answer_bytes_max(ANSWER_BYTES_MAX)
        .bearer(endpoint.key())
        .open()?;
    let mut vectors = Vec::with_capacity(texts.len());
    for texts in texts.chunks(TEXTS_AT_ONCE) {
        cx.progress(&Progress { phase: "asking for embeddings".into(), ..Progress::default() });
        // An empty text is an error to some servers.
        let input: Vec<String> =
            texts.iter().map(|text| if text.trim().is_empty() { "-".into() } else { cut(text) }).collect();
        let body = json!({ "model": endpoint.model, "input": input, "encoding_format": "float" });
        let answer = service.post(endpoint.path("/embeddings")).json(&body).send(cx)?;
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
