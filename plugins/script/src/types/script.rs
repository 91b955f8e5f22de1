//! What `script.write` puts out.

use reelmill_sdk::prelude::*;
use std::fmt;

/// How a script was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A language model wrote it.
    Llm,
    /// Sentences of the text, word for word, with others left out.
    Extractive,
    /// A fixed outline with the topic filled in; it knows nothing of the subject.
    Template,
    /// The whole text, word for word.
    Verbatim,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Llm => "llm",
            Self::Extractive => "extractive",
            Self::Template => "template",
            Self::Verbatim => "verbatim",
        })
    }
}

/// One scene.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Scene {
    /// `s1`, `s2`, … in the order of the video.
    pub id: String,
    /// What is said.
    pub narration: String,
    /// Words to look for footage by, the most telling first, in the language of the script.
    pub keywords: Vec<String>,
    /// What to type into the search of a stock site, the best first, in `terms_language`; the keywords where no model
    /// was asked.
    pub search_terms: Vec<String>,
    /// How long saying it takes, in seconds; an estimate.
    pub seconds_estimate: f64,
}

/// What models used.
#[derive(Clone, PartialEq, Debug, Default, Serialize, JsonSchema)]
pub struct TokenUsage {
    /// The model that wrote, as the endpoint names it.
    pub model: String,
    /// Requests made, repeated ones and those of a judge included.
    pub requests: u32,
    /// Tokens of all prompts; 0 when the endpoint does not say.
    pub prompt_tokens: u64,
    /// Tokens of all answers; 0 when the endpoint does not say.
    pub completion_tokens: u64,
    /// What the tokens cost at the prices given; left out where a price or a count is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
}

/// A script that was written and compared with others.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Candidate {
    /// Its title.
    pub title: String,
    /// How long saying it takes, in seconds; an estimate.
    pub seconds_estimate: f64,
    /// What the judge says of it.
    pub reason: String,
}

/// How one of several candidates was chosen.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Judgement {
    /// The model that judged; empty when the first was taken because no judgement could be used.
    pub model: String,
    /// The place of the chosen one in `candidates`, from 1.
    pub chosen: u32,
    /// All candidates, in the order in which they were written.
    pub candidates: Vec<Candidate>,
}

/// What `script.write` puts out.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Script {
    /// The title.
    pub title: String,
    /// Language of the narration: as it was asked for, or as it was found for `auto`.
    pub language: String,
    /// How the script was made.
    pub method: Method,
    /// The scenes, in order.
    pub scenes: Vec<Scene>,
    /// How long saying all of it takes, in seconds; an estimate.
    pub seconds_estimate: f64,
    /// What is not as it was asked for, one sentence each.
    pub notes: Vec<String>,
    /// What models used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<TokenUsage>,
    /// How this one of several candidates was chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judgement: Option<Judgement>,
}
