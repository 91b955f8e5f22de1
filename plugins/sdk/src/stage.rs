//! The trait every stage implements, and the manifest that follows from it.

use crate::{Cx, Effects, Example, Needs, Reuse, StageError};
use reelmill_model::StageManifest;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One stage of a plugin.
///
/// `open` is called once per process, `run` once per attempt, never two at a time on one value.
pub trait Stage: Sized + Send + 'static {
    /// The part after the dot in `uses: plugin.stage@1`.
    const ID: &'static str;
    /// Semantic version; a change of the first number is a breaking change of input, output or meaning.
    const VERSION: &'static str;
    /// One line for listings.
    const SUMMARY: &'static str;
    /// What `with` is. Its documentation comments become the descriptions in the schema; with
    /// `#[serde(deny_unknown_fields)]` a misspelt key is an error of the pipeline file.
    type Input: DeserializeOwned + JsonSchema;
    /// What the stage puts out: an object.
    type Output: Serialize + JsonSchema;

    /// What the engine must know beyond the types.
    fn traits() -> StageTraits {
        StageTraits::default()
    }

    /// Prepares the stage: loads models and libraries.
    fn open() -> Result<Self, StageError>;

    /// Does the work of one attempt.
    fn run(&mut self, input: Self::Input, cx: &Cx<'_>) -> Result<Self::Output, StageError>;
}

/// What the engine must know of a stage beyond its types. The default is a pure stage in a fresh process
/// without network, other programs or GPU.
#[derive(Clone, Debug)]
pub struct StageTraits {
    /// What it does to the world outside its outputs.
    pub effects: Effects,
    /// Whether running an external stage twice with the same idempotency token is harmless.
    pub idempotent: bool,
    /// Whether its process is kept for later attempts.
    pub reuse: Reuse,
    /// Whether it may run inside the worker: only for work of microseconds, only in first-party plugins.
    pub inline: bool,
    /// What it needs of the machine and the sandbox.
    pub needs: Needs,
    /// Versions of tools that change its results (`x264 164`): part of the cache key.
    pub tools: Vec<String>,
    /// Examples of `with`, checked against the schema by `reelmill plugins test`.
    pub examples: Vec<Example>,
}

impl Default for StageTraits {
    fn default() -> Self {
        Self {
            effects: Effects::None,
            idempotent: false,
            reuse: Reuse::Fresh,
            inline: false,
            needs: Needs::default(),
            tools: Vec::new(),
            examples: Vec::new(),
        }
    }
}

/// What a stage says of itself.
#[must_use]
pub fn stage_manifest<S: Stage>() -> StageManifest {
    let traits = S::traits();
    StageManifest {
        id: S::ID.to_owned(),
        version: S::VERSION.to_owned(),
        summary: S::SUMMARY.to_owned(),
        input: schema_of::<S::Input>(true),
        output: schema_of::<S::Output>(false),
        effects: traits.effects,
        idempotent: traits.idempotent,
        reuse: traits.reuse,
        inline: traits.inline,
        needs: traits.needs,
        tools: traits.tools,
        examples: traits.examples,
    }
}

/// The schema of a type, with everything but recursion written in place: readers need not follow references.
fn schema_of<T: JsonSchema>(input: bool) -> serde_json::Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    let settings = if input { settings.for_deserialize() } else { settings.for_serialize() };
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
