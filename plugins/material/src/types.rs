//! What the stages take and put out.

use reelmill_sdk::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// Scenes of one plan at the most.
const SCENES_MAX: usize = 200;
/// Files of one scene at the most.
const FILES_MAX: u32 = 20;

/// Which shape of picture is preferred.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Orientation {
    /// No preference.
    #[default]
    Any,
    /// Wider than high.
    Landscape,
    /// Higher than wide.
    Portrait,
}

/// Which kinds of files may be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kinds {
    /// Both.
    #[default]
    Any,
    /// Only clips.
    Clips,
    /// Only pictures.
    Pictures,
}

/// What happens to a scene that no file's words fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unmatched {
    /// It gets another file of the folder, and a generated background only when there is none at all.
    #[default]
    Any,
    /// It gets a generated background.
    Generate,
    /// The stage fails.
    Fail,
}

/// What both stages are told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Wishes {
    /// The folder with clips and pictures, searched with its subfolders. Without one, backgrounds are generated.
    #[serde(default)]
    pub folder: Option<InputPath>,
    /// Files for each scene or query.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20))]
    pub count: u32,
    /// Which shape of picture is preferred; others are used when nothing else fits.
    #[serde(default)]
    pub orientation: Orientation,
    /// Which kinds of files may be used.
    #[serde(default)]
    pub kinds: Kinds,
    /// What happens to a scene that no file's words fit.
    #[serde(default)]
    pub unmatched: Unmatched,
    /// Language of the words, so that `waves` finds `wave`: a tag such as `en`.
    #[serde(default = "default_language")]
    #[schemars(length(min = 2, max = 35))]
    pub language: String,
}

const fn one() -> u32 {
    1
}

fn default_language() -> String {
    "en".to_owned()
}

impl Wishes {
    /// The wishes, when they can be met at all.
    pub(crate) fn checked(&self) -> Result<Self, StageError> {
        if self.count == 0 || self.count > FILES_MAX {
            return Err(StageError::invalid_input(format!(
                "`count` is {}, but must be 1 to {FILES_MAX}",
                self.count
            )));
        }
        Ok(self.clone())
    }
}

/// Words to look for.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Query {
    /// Words in one text.
    Text(String),
    /// Words in a list, the most telling first.
    List(Vec<String>),
}

impl Query {
    /// The words as a list.
    pub(crate) fn words(&self) -> Vec<String> {
        match self {
            Self::Text(text) => vec![text.clone()],
            Self::List(list) => list.clone(),
        }
    }
}

// A flattened part cannot be read with `deny_unknown_fields`; the schema refuses misspelt keys instead, before the
// stage runs.
/// `with` of `material.fetch`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct FetchInput {
    /// What to look for: a text, or a list of words with the most telling first.
    pub query: Query,
    /// Files not to use, as their names stand in `items`.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Number of the scene, from 0. Among files that fit equally well each place gets another one, so that the items
    /// of a fan-out, which do not know of each other, differ.
    #[serde(default)]
    pub place: u32,
    /// What both stages are told.
    #[serde(flatten)]
    pub wishes: Wishes,
}

/// A scene that wants footage; other properties of a script's scene may stand beside these.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct SceneWanted {
    /// Its name.
    #[schemars(length(min = 1, max = 200))]
    pub id: String,
    /// Words to look for, the most telling first.
    #[serde(default)]
    pub keywords: Vec<String>,
    /// What is said; its words are looked for when there are no keywords.
    #[serde(default)]
    pub narration: String,
}

impl SceneWanted {
    /// The words to look for.
    pub(crate) fn words(&self) -> Vec<String> {
        if self.keywords.is_empty() { vec![self.narration.clone()] } else { self.keywords.clone() }
    }
}

/// `with` of `material.plan`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
pub struct PlanInput {
    /// The scenes, in the order of the video.
    #[schemars(length(min = 1, max = 200))]
    pub scenes: Vec<SceneWanted>,
    /// What both stages are told.
    #[serde(flatten)]
    pub wishes: Wishes,
}

/// Scenes have names of their own.
pub(crate) fn check_scenes(scenes: &[SceneWanted]) -> Result<(), StageError> {
    if scenes.is_empty() || scenes.len() > SCENES_MAX {
        return Err(StageError::invalid_input(format!(
            "`scenes` has {}, but must have 1 to {SCENES_MAX}",
            scenes.len()
        )));
    }
    let mut seen = HashSet::new();
    match scenes.iter().find(|scene| !seen.insert(&scene.id)) {
        Some(scene) => Err(StageError::invalid_input(format!("two scenes have the id `{}`", scene.id))),
        None => Ok(()),
    }
}

/// A clip or a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It moves.
    Clip,
    /// It stands.
    Picture,
}

/// Who made a file, and under which terms it may be used; as its sidecar file says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, JsonSchema)]
pub struct Credit {
    /// The file, relative to the folder.
    pub file: String,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Where it is from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// What is known of a delivered file.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct ItemInfo {
    /// Its path relative to the folder; `generated` for a background.
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
}
