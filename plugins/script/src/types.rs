//! What `script.write` takes and puts out.

use reelmill_sdk::prelude::*;
use std::fmt;
use std::path::Path;

/// Scenes of one script at the most.
pub const SCENES_MAX: u32 = 40;
/// Characters of a text or article that are read; a longer one is refused.
pub const TEXT_CHARS_MAX: usize = 400_000;
/// Characters of a topic, a title or a tone.
const LINE_CHARS_MAX: usize = 500;
/// Seconds of a script at the most.
const SECONDS_MAX: f64 = 3_600.0;

/// How the script is to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A model when `llm` is given; else the text word for word when it is short enough, else shortened; a bare
    /// topic gets a template.
    #[default]
    Auto,
    /// By a language model; needs `llm`.
    Llm,
    /// By leaving out sentences of the text; what stays is word for word.
    Extract,
    /// The whole text, word for word.
    Verbatim,
    /// A fixed outline filled with the topic, for trying a pipeline out.
    Template,
}

/// A language model behind an OpenAI-compatible `/chat/completions`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// Everything before `/chat/completions`, for example `https://api.openai.com/v1`.
    #[schemars(length(min = 1, max = 2000))]
    pub base_url: String,
    /// The model's name at that endpoint.
    #[schemars(length(min = 1, max = 200))]
    pub model: String,
    /// Sent as a bearer token; use a secret. Local servers often need none.
    #[serde(default)]
    pub api_key: Option<String>,
    /// Freedom of the wording, 0 to 2; the endpoint's own default when left out.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 2.0))]
    pub temperature: Option<f64>,
    /// Tokens of the answer at the most; the endpoint's own default when left out.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub max_tokens: Option<u32>,
    /// Seconds to wait for one answer.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: u32,
}

const fn default_timeout() -> u32 {
    120
}

/// An article: a stored file, or a path on the worker's disk.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a path or an artifact (an input of type file)")]
pub enum ArticleFile {
    /// A stored file.
    Stored(Artifact),
    /// A path.
    Path(InputPath),
}

impl ArticleFile {
    /// Where it can be read, and what people call it: its extension says what it is.
    pub(crate) fn place(&self) -> (&Path, &str) {
        match self {
            Self::Stored(artifact) => (artifact.path(), artifact.name()),
            Self::Path(path) => {
                let path = path.as_path();
                (path, path.file_name().and_then(|name| name.to_str()).unwrap_or("article"))
            }
        }
    }
}

/// `with` of `script.write`: exactly one of `topic`, `text` and `article` must carry the subject; a topic beside a
/// text or an article only guides a model.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Input {
    /// What the video is about.
    pub topic: Option<String>,
    /// The user's own text: plain or Markdown.
    pub text: Option<String>,
    /// A file with the text: plain, Markdown or HTML, in UTF-8. A path, or an input of type `file`.
    pub article: Option<ArticleFile>,
    /// The title; found in the text when left out.
    pub title: Option<String>,
    /// How the script is to be made.
    pub mode: Mode,
    /// Language of the script: a tag such as `en`, `no`, `zh-CN`.
    #[schemars(length(min = 2, max = 35))]
    pub language: String,
    /// Scenes wanted; a text of fewer sentences gives fewer.
    #[schemars(range(min = 1, max = 40))]
    pub scenes: u32,
    /// Seconds of speech wanted; nine a scene when left out.
    #[schemars(range(min = 1.0, max = 3600.0))]
    pub seconds: Option<f64>,
    /// How a model should sound, for example `calm and precise`.
    pub tone: Option<String>,
    /// The model to ask.
    pub llm: Option<Llm>,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            topic: None,
            text: None,
            article: None,
            title: None,
            mode: Mode::Auto,
            language: "en".into(),
            scenes: 8,
            seconds: None,
            tone: None,
            llm: None,
        }
    }
}

impl Input {
    /// Checks what the schema cannot say and an expression may still have got wrong.
    pub(crate) fn check(&self) -> Result<(), StageError> {
        let refuse = |message: String| Err(StageError::invalid_input(message));
        if self.scenes == 0 || self.scenes > SCENES_MAX {
            return refuse(format!("`scenes` is {}, but must be 1 to {SCENES_MAX}", self.scenes));
        }
        if let Some(seconds) = self.seconds
            && !(1.0..=SECONDS_MAX).contains(&seconds)
        {
            return refuse(format!("`seconds` is {seconds}, but must be 1 to {SECONDS_MAX}"));
        }
        for (name, value) in [("topic", &self.topic), ("title", &self.title), ("tone", &self.tone)] {
            if value.as_ref().is_some_and(|value| value.chars().count() > LINE_CHARS_MAX) {
                return refuse(format!("`{name}` has more than {LINE_CHARS_MAX} characters"));
            }
        }
        Ok(())
    }

    /// The speech to aim for, in seconds.
    pub(crate) fn budget_seconds(&self) -> f64 {
        const SECONDS_A_SCENE: f64 = 9.0;
        self.seconds.unwrap_or(f64::from(self.scenes) * SECONDS_A_SCENE)
    }
}

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
    /// Words to look for footage by, the most telling first.
    pub keywords: Vec<String>,
    /// How long saying it takes, in seconds; an estimate.
    pub seconds_estimate: f64,
}

/// What a model used.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct TokenUsage {
    /// The model that answered, as the endpoint names it.
    pub model: String,
    /// Requests made, repeated ones included.
    pub requests: u32,
    /// Tokens of all prompts; 0 when the endpoint does not say.
    pub prompt_tokens: u64,
    /// Tokens of all answers; 0 when the endpoint does not say.
    pub completion_tokens: u64,
}

/// What `script.write` puts out.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct Script {
    /// The title.
    pub title: String,
    /// Language of the narration, as it was asked for.
    pub language: String,
    /// How the script was made.
    pub method: Method,
    /// The scenes, in order.
    pub scenes: Vec<Scene>,
    /// How long saying all of it takes, in seconds; an estimate.
    pub seconds_estimate: f64,
    /// What is not as it was asked for, one sentence each.
    pub notes: Vec<String>,
    /// What a model used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<TokenUsage>,
}
