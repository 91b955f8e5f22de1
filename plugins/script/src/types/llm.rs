//! Language models and their judge, as `with` has them.

use reelmill_http::Endpoint;
use reelmill_sdk::prelude::*;

/// A language model behind an OpenAI-compatible `/chat/completions`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// Where it is.
    #[serde(flatten)]
    pub endpoint: Endpoint<120>,
    /// The header that carries the key as it is, where the endpoint wants no bearer token: `api-key`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100))]
    pub api_key_header: Option<String>,
    /// Freedom of the wording, 0 to 2; the endpoint's own default when left out.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    /// Tokens of the answer at the most; the endpoint's own default when left out.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// How the answer is asked for: the strictest way that the endpoint takes (`auto`), or one of them.
    #[serde(default)]
    pub answer: AnswerFormat,
    /// How often an answer that cannot be used is sent back with what is wrong with it.
    #[serde(default = "default_repairs")]
    #[schemars(range(max = 5))]
    pub repairs: u32,
    /// What tokens cost, for `usage.cost`.
    #[serde(default)]
    pub price: Option<Price>,
}

/// How an endpoint is asked to shape its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFormat {
    /// By a schema; an endpoint that refuses it is asked for an object, and then in words.
    #[default]
    Auto,
    /// `response_format: json_schema`.
    JsonSchema,
    /// `response_format: json_object`.
    JsonObject,
    /// In words only.
    Text,
}

/// What a million tokens cost, in the currency of your choice.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of prompts.
    #[schemars(range(min = 0.0))]
    pub input: f64,
    /// Of answers.
    #[schemars(range(min = 0.0))]
    pub output: f64,
}

/// Who chooses among candidates.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Judge {
    /// What makes a good script, in words.
    #[schemars(length(max = 2000))]
    pub criteria: Option<String>,
    /// The model that judges; the one that wrote when left out.
    pub llm: Option<Llm>,
}

const fn default_repairs() -> u32 {
    2
}
