//! One request to `/chat/completions`, and what is in its answer.

use crate::types::{Llm, Price};
use reelmill_http::{Answer, Service, Settings};
use reelmill_sdk::prelude::*;

/// Which options messages name.
const SETTINGS: Settings = Settings {
    address: "llm.base_url",
    key: "llm.api_key",
    timeout: "llm.timeout_seconds",
    subject: "llm.model",
    allow: "",
};

/// A model's answer.
#[derive(Debug)]
pub struct Reply {
    pub content: String,
    pub model: Option<String>,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

impl Reply {
    /// What it cost; `None` without a price or a count.
    pub fn cost(&self, price: Option<Price>) -> Option<f64> {
        let price = price.filter(|_| self.prompt_tokens > 0)?;
        let million = 1_000_000.0;
        let cost = self.prompt_tokens as f64 * price.input + self.completion_tokens as f64 * price.output;
        Some(cost / million)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Refusal {
    /// The endpoint does not take a request of this form; another one may do.
    Form(String),
    /// The attempt ends here.
    Final(StageError),
}

impl From<StageError> for Refusal {
    fn from(error: StageError) -> Self {
        Self::Final(error)
    }
}

/// One endpoint.
pub struct Endpoint {
    service: Service,
    path: &'static str,
}

impl Endpoint {
    pub fn open(llm: &Llm) -> Result<Self, StageError> {
        let endpoint = &llm.endpoint;
        let builder = endpoint.service("the model endpoint", SETTINGS).header("accept", "application/json");
        let builder = match &llm.api_key_header {
            Some(header) => builder.secret_header(header, endpoint.key()),
            None => builder.bearer(endpoint.key()),
        };
        Ok(Self { service: builder.open()?, path: endpoint.path("/chat/completions") })
    }

    /// Sends a body and reads the answer.
    pub fn ask(&self, body: &Value, cx: &Cx<'_>) -> Result<Reply, Refusal> {
        let answer = self.service.post(self.path).json(body).exchange(cx)?;
        match answer.status() {
            400 | 415 | 422 => Err(Refusal::Form(format!("HTTP {}: {}", answer.status(), answer.quote()))),
            _ => self.content(&answer.good()?),
        }
    }

    /// The text without the key.
    pub fn redact(&self, text: &str) -> String {
        self.service.redact(text)
    }

    fn content(&self, answer: &Answer) -> Result<Reply, Refusal> {
        let json: Value = answer.json()?;
        let choice = &json["choices"][0];
        if let Some(refusal) = choice["message"]["refusal"].as_str().filter(|text| !text.is_empty()) {
            let refusal: String = self.redact(&reelmill_text::squeeze(refusal)).chars().take(300).collect();
            return Err(StageError::permanent(format!("the model refuses to write this: {refusal}"))
                .code("refusal")
                .into());
        }
        let Some(content) = choice["message"]["content"].as_str() else {
            return Err(answer
                .malformed(&format!("it has no choices[0].message.content: {}", answer.quote()))
                .into());
        };
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
