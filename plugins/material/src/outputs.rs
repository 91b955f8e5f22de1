//! What the stages put out.

use reelmill_sdk::prelude::*;
use std::collections::BTreeMap;

/// By what files were found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// The words themselves (BM25); no meaning is understood.
    #[default]
    Keywords,
    /// The meaning of words, by a file of word vectors.
    WordVectors,
    /// The meaning of texts, by an endpoint for embeddings.
    Embeddings,
}

/// A clip or a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It moves.
    Clip,
    /// It stands.
    Picture,
}

/// Who made a file, and under which terms it may be used; as its sidecar file or its service says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Credit {
    /// The file as it stands in `items`: its path relative to the folder, or the service and its number there.
    pub file: String,
    /// What it is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The author's page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author_url: Option<String>,
    /// The licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where the licence can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence_url: Option<String>,
    /// Where it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The sentence to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
}

/// What is known of a delivered file.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ItemInfo {
    /// Its path relative to the folder; a service and its number there (`pexels:857251`); `generated` for a background.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Width as seen, in pixels.
    pub width: u32,
    /// Height as seen, in pixels.
    pub height: u32,
    /// Length of a clip, in milliseconds; 0 for a picture.
    pub duration_ms: u64,
    /// How well its words fit: 0 is not at all; only the order means something.
    pub score: f64,
    /// Whether it was generated here.
    pub generated: bool,
}

/// What `material.fetch` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Footage {
    /// The files, best first.
    pub files: Vec<OutputFile>,
    /// What is known of each, in the same order.
    pub items: Vec<ItemInfo>,
    /// Who is to be named.
    pub credits: Vec<Credit>,
    /// Whether anything was generated.
    pub generated: bool,
    /// By what files were found.
    pub matched_by: MatchedBy,
    /// What is not as it was asked for, one sentence each.
    pub notes: Vec<String>,
}

/// Footage of one scene.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SceneFootage {
    /// The files, best first.
    pub files: Vec<OutputFile>,
    /// What is known of each, in the same order.
    pub items: Vec<ItemInfo>,
    /// Whether anything was generated.
    pub generated: bool,
}

/// What `material.plan` puts out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Planned {
    /// Footage by the scene's id: `stages.plan.outputs.scenes[item.id].files`.
    pub scenes: BTreeMap<String, SceneFootage>,
    /// Who is to be named, each file once.
    pub credits: Vec<Credit>,
    /// Scenes with a generated background.
    pub generated: Vec<String>,
    /// By what files were found.
    pub matched_by: MatchedBy,
    /// What is not as it was asked for, one sentence each.
    pub notes: Vec<String>,
}
