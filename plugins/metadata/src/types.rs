//! What `metadata.write` takes and puts out.

use crate::platform::Platform;
use reelmill_http::Endpoint;
use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;

/// Characters of any text of `with` at the most.
const CHARS_MAX: usize = 100_000;

/// A scene of a script; other properties may stand beside these.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SceneText {
    /// What is said.
    pub narration: String,
    /// Words it is found by.
    pub keywords: Vec<String>,
}

/// `with` of `metadata.write`.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The title.
    #[schemars(length(min = 1))]
    pub title: String,
    /// What the video is about; found in the scenes when left out.
    #[serde(default)]
    pub summary: Option<String>,
    /// The scenes, as script.write puts them out.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub scenes: Vec<SceneText>,
    /// Language of the words: a tag such as `en`.
    #[serde(default = "default_language")]
    #[schemars(length(min = 2, max = 35))]
    pub language: String,
    /// Words to be found by, the most telling first; those of the scenes follow.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// Hashtags that come before those made of keywords.
    #[serde(default)]
    pub hashtags: Vec<String>,
    /// How many hashtags are wanted; a platform that takes fewer gets fewer.
    #[serde(default = "default_hashtags")]
    #[schemars(range(min = 0, max = 30))]
    pub hashtag_count: u32,
    /// Addresses that follow the description.
    #[serde(default)]
    pub links: Vec<String>,
    /// Who has to be named: `lines` of material.credits. They are kept when the description is cut.
    #[serde(default)]
    pub credits: Vec<String>,
    /// The platforms; all when left out.
    #[serde(default)]
    pub platforms: Vec<Platform>,
    /// The language model to ask, behind an OpenAI-compatible `/chat/completions`. Without one the script's own words
    /// are used.
    #[serde(default)]
    pub llm: Option<Endpoint<120>>,
}

fn default_language() -> String {
    "en".to_owned()
}

const fn default_hashtags() -> u32 {
    5
}

impl Input {
    /// Checks what the schema cannot say.
    pub(crate) fn check(&self) -> Result<(), StageError> {
        if self.title.trim().is_empty() {
            return Err(StageError::invalid_input("`title` is empty"));
        }
        let scenes = self.scenes.iter().map(|scene| scene.narration.len()).sum::<usize>();
        let lists = [&self.keywords, &self.hashtags, &self.links, &self.credits];
        let listed = lists.into_iter().flatten().map(String::len).sum::<usize>();
        let all = scenes + listed + self.title.len() + self.summary.as_ref().map_or(0, String::len);
        if all > CHARS_MAX {
            return Err(StageError::invalid_input(format!(
                "all texts together have more than {CHARS_MAX} bytes"
            )));
        }
        Ok(())
    }
}

/// How the words were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A language model wrote them.
    Llm,
    /// They are the script's own.
    Template,
}

/// What is said on one platform.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
pub struct Texts {
    /// The title; empty where there is only a text.
    pub title: String,
    /// Everything below the title, or everything where there is no title: with hashtags, links and credits.
    pub text: String,
    /// Tags; empty where there are none.
    pub tags: Vec<String>,
    /// The hashtags within the text.
    pub hashtags: Vec<String>,
    /// What was left out or cut to fit: `title`, `description`, `hashtags`, `links`, `credits`, `tags`.
    pub cut: Vec<String>,
}

/// What `metadata.write` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Metadata {
    /// What is said, by platform: `stages.metadata.outputs.platforms.youtube.title`.
    pub platforms: BTreeMap<String, Texts>,
    /// How the words were found.
    pub method: Method,
    /// All of it as `metadata.json`.
    pub json: OutputFile,
    /// What is not as it was asked for, one sentence each.
    pub notes: Vec<String>,
}

impl Metadata {
    /// Writes the file.
    pub(crate) fn new(
        platforms: BTreeMap<String, Texts>,
        method: Method,
        cx: &Cx<'_>,
    ) -> Result<Self, StageError> {
        let notes: Vec<String> = platforms
            .iter()
            .filter(|(_, texts)| texts.cut.iter().any(|part| part == "credits"))
            .map(|(name, _)| {
                format!("the credits do not fit on {name}: show them in the video, or where it is posted")
            })
            .collect();
        for note in &notes {
            cx.warn(note);
        }
        let text = json!({ "version": 1, "method": method, "platforms": platforms });
        let text =
            serde_json::to_vec_pretty(&text).map_err(|error| StageError::internal(error.to_string()))?;
        std::fs::write(cx.output("metadata.json"), text).context("write metadata.json")?;
        let json = OutputFile::new(cx, "metadata.json", "application/json")?;
        Ok(Self { platforms, method, json, notes })
    }
}
