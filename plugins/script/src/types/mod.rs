//! What `script.write` takes; `llm.rs` has the part about models, `script.rs` what it puts out.

mod llm;
mod script;

use reelmill_sdk::prelude::*;
use std::path::Path;

pub use llm::{AnswerFormat, Judge, Llm, Price};
pub use script::{Candidate, Judgement, Method, Scene, Script, TokenUsage};

/// Scenes of one script at the most.
pub const SCENES_MAX: u32 = 40;
/// Characters of a text or article that are read; a longer one is refused.
pub const TEXT_CHARS_MAX: usize = 400_000;
/// Characters of a topic, a title or a tone.
const LINE_CHARS_MAX: usize = 500;
/// Characters of instructions for a model.
const INSTRUCTIONS_CHARS_MAX: usize = 8_000;
/// Candidates of one script at the most.
const CANDIDATES_MAX: u32 = 8;
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
#[schemars(extend("x-secrets" = "credentials"))]
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
    /// Language of the script: a tag such as `en`, `no`, `zh-CN`; or `auto`, the language of what is given.
    #[schemars(length(min = 2, max = 35))]
    pub language: String,
    /// Scenes wanted, which are the paragraphs of the script; a text of fewer sentences gives fewer.
    #[schemars(range(min = 1, max = 40))]
    pub scenes: u32,
    /// Seconds of speech wanted, at the pace of a narrator of the language; nine a scene when left out. A model whose
    /// script is more than a quarter off is asked once to mend it.
    #[schemars(range(min = 1.0, max = 3600.0))]
    pub seconds: Option<f64>,
    /// How a model should sound, for example `calm and precise`.
    pub tone: Option<String>,
    /// What else a model should heed: an angle, an audience, words to use or to avoid.
    #[schemars(length(max = 8000))]
    pub instructions: Option<String>,
    /// Who a model should be and how it should write, in place of the built-in words. What form the answer has is
    /// always added.
    #[schemars(length(max = 8000))]
    pub system_prompt: Option<String>,
    /// Language of the search terms, for example `en` for stock sites that know English best; that of the script
    /// when left out. Other languages than the script's need `llm`.
    #[schemars(length(min = 2, max = 35))]
    pub terms_language: Option<String>,
    /// Scripts that a model writes, of which one is taken.
    #[schemars(range(min = 1, max = 8))]
    pub candidates: u32,
    /// Who chooses among several candidates; the model that wrote them when left out.
    pub judge: Option<Judge>,
    /// The model to ask. With `mode: verbatim` or `extract` it only finds search terms.
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
            instructions: None,
            system_prompt: None,
            terms_language: None,
            candidates: 1,
            judge: None,
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
        if self.candidates == 0 || self.candidates > CANDIDATES_MAX {
            return refuse(format!("`candidates` is {}, but must be 1 to {CANDIDATES_MAX}", self.candidates));
        }
        for (name, value) in [("instructions", &self.instructions), ("system_prompt", &self.system_prompt)] {
            if value.as_ref().is_some_and(|value| value.chars().count() > INSTRUCTIONS_CHARS_MAX) {
                return refuse(format!("`{name}` has more than {INSTRUCTIONS_CHARS_MAX} characters"));
            }
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
