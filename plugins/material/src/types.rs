//! What the stages take.

pub use crate::outputs::{Credit, Footage, ItemInfo, Kind, MatchedBy, Planned, SceneFootage};
use crate::remote::candidate::Bounds;
use crate::remote::licence::Licences;
use crate::remote::settings::{Link, Source, check_links, check_sources};
use crate::similar::Embeddings;
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
    /// As high as wide, or nearly.
    Square,
}

impl Orientation {
    /// Whether a picture of this size has it. Nearly square is within a tenth.
    pub const fn is_of(self, width: u32, height: u32) -> bool {
        let is_square =
            width.abs_diff(height) as u64 * 10 <= if width > height { width } else { height } as u64;
        match self {
            Self::Any => true,
            Self::Landscape => width > height,
            Self::Portrait => height > width,
            Self::Square => is_square,
        }
    }
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

impl Kinds {
    /// Whether files of a kind may be used.
    pub const fn admit(self, kind: Kind) -> bool {
        match self {
            Self::Any => true,
            Self::Clips => matches!(kind, Kind::Clip),
            Self::Pictures => matches!(kind, Kind::Picture),
        }
    }
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

/// Which of the files that fit are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Those that fit best.
    #[default]
    Best,
    /// Any of those that fit well, drawn by the run's seed: the same run draws the same again.
    Random,
}

/// What both stages are told.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Wishes {
    /// The folder with clips and pictures, searched with its subfolders. Without a folder, `urls` and `sources`
    /// backgrounds are generated.
    #[serde(default)]
    pub folder: Option<InputPath>,
    /// Files on the web.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub urls: Vec<Link>,
    /// Services that are searched, in this order, until there is enough for a scene.
    #[serde(default)]
    #[schemars(length(max = 10))]
    pub sources: Vec<Source>,
    /// Which licences may be used; of `sources` only.
    #[serde(default)]
    pub licences: Licences,
    /// Pixels of the shorter side at least. Of services, 480 when nothing is said.
    #[serde(default)]
    #[schemars(range(min = 1, max = 10000))]
    pub min_side: Option<u32>,
    /// Length of a clip at least, in seconds.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 3600.0))]
    pub min_seconds: f64,
    /// Length of a clip at most, in seconds; any when left out.
    #[serde(default)]
    #[schemars(range(min = 0.1, max = 86400.0))]
    pub max_seconds: Option<f64>,
    /// Pixels of the shorter side that are enough: of a service's files the smallest with as many is downloaded.
    #[serde(default = "enough")]
    #[schemars(range(min = 144, max = 4320))]
    pub enough_side: u32,
    /// Bytes of a download at most, in MiB.
    #[serde(default = "megabytes")]
    #[schemars(range(min = 1, max = 4096))]
    pub max_mib: u32,
    /// Words to look for when nothing is found for a word: `{ tide: [beach, waves] }`. For common English nouns there
    /// is a list anyway.
    #[serde(default)]
    pub synonyms: BTreeMap<String, Vec<String>>,
    /// Language of search terms, when it is not that of the words: `terms_language` of script.write.
    #[serde(default)]
    #[schemars(length(min = 2, max = 35))]
    pub terms_language: Option<String>,
    /// A folder that keeps downloads, and for a day the answers of services. Attempts and runs share it.
    #[serde(default)]
    pub cache: Option<WritePath>,
    /// Hosts that may be downloaded from although they are not on the public internet: `nas.local`, or
    /// `nas.local:8080` for one port.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub allow_hosts: Vec<String>,
    /// A file of word vectors (`.vec`: a word and its numbers a line, as `fastText` and `GloVe` are given out). With it,
    /// files are found by what their words mean.
    #[serde(default)]
    pub vectors: Option<InputPath>,
    /// An OpenAI-compatible `/embeddings` that turns texts into vectors; used in place of `vectors`.
    #[serde(default)]
    pub embeddings: Option<Embeddings>,
    /// Which of the files that fit are taken.
    #[serde(default)]
    pub order: Order,
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

const fn enough() -> u32 {
    1080
}

const fn megabytes() -> u32 {
    512
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
        let is_odd = |seconds: f64| !seconds.is_finite() || seconds < 0.0;
        if is_odd(self.min_seconds)
            || self.max_seconds.is_some_and(|max| is_odd(max) || max < self.min_seconds)
        {
            return Err(StageError::invalid_input(
                "`min_seconds` is more than `max_seconds`, or one is no length",
            ));
        }
        check_sources(&self.sources)?;
        check_links(&self.urls)?;
        Ok(self.clone())
    }

    /// What files have to be; `default_side` counts when no size was asked for.
    pub(crate) fn bounds(&self, default_side: u32) -> Bounds {
        Bounds {
            min_side: self.min_side.unwrap_or(default_side),
            min_ms: milliseconds(self.min_seconds),
            max_ms: self.max_seconds.map_or(0, milliseconds),
            enough_side: self.enough_side.max(self.min_side.unwrap_or(0)),
            max_bytes: u64::from(self.max_mib) << 20,
        }
    }

    /// Whether anything is reached over the network.
    pub(crate) fn is_remote(&self) -> bool {
        !self.sources.is_empty() || !self.urls.is_empty()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to be neither")]
const fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0).clamp(0.0, 1e11) as u64
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
    pub(crate) fn wanted(&self) -> Wanted {
        let words = match self {
            Self::Text(text) => vec![text.clone()],
            Self::List(list) => list.clone(),
        };
        Wanted { words, terms: Vec::new() }
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
    /// What services are asked for first, each by itself, the best first; keywords when left out.
    #[serde(default)]
    pub search_terms: Vec<String>,
    /// What is said; its words are looked for when there are no keywords.
    #[serde(default)]
    pub narration: String,
}

impl SceneWanted {
    /// The words to look for.
    pub(crate) fn wanted(&self) -> Wanted {
        let words =
            if self.keywords.is_empty() { vec![self.narration.clone()] } else { self.keywords.clone() };
        // A script without a model repeats its keywords there.
        let terms = if self.search_terms == self.keywords { Vec::new() } else { self.search_terms.clone() };
        Wanted { words, terms }
    }
}

/// What is looked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wanted {
    /// Words, the most telling first.
    pub words: Vec<String>,
    /// What somebody would type into the search of a service, the best first; may be in another language.
    pub terms: Vec<String>,
}

impl Wanted {
    /// All of it, for comparing with what is known of files.
    pub(crate) fn all(&self) -> Vec<String> {
        self.words.iter().chain(&self.terms).cloned().collect()
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
