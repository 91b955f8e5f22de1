//! The manifest: what a plugin says of itself. It is the contract: validation, launch forms, documentation,
//! cache keys, sandbox and placement come from it, and compiling a pipeline reads nothing else of a plugin.

use crate::artifact::Digest;
use crate::state::words;
use serde::{Deserialize, Serialize};
use serde_json::Value;

words! {
    /// How a plugin is run.
    PluginKind {
        /// A shared library with the C ABI of `plugins/abi`, loaded by `reelmill-runner`.
        Native = "native",
        /// A program that speaks the protocol on its file descriptor 0.
        Exec = "exec",
    }
}

words! {
    /// What a stage does to the world outside its outputs.
    Effects {
        /// Nothing: the same inputs give the same outputs, so a result may be cached.
        None = "none",
        /// Something (a post, a message): never cached; gets a stable idempotency token.
        External = "external",
    }
}

words! {
    /// Whether a plugin's process serves more than one attempt.
    Reuse {
        /// A new process for every attempt.
        Fresh = "fresh",
        /// The process is kept for later attempts and recycled by count or growth.
        Pool = "pool",
    }
}

/// What a stage needs of the machine and of the sandbox.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Needs {
    /// It opens network connections.
    pub net: bool,
    /// It starts other programs.
    pub exec: bool,
    /// It uses a GPU.
    pub gpu: bool,
    /// CPU cores it keeps busy; 0 means one.
    pub cpus: u32,
    /// Memory it may use, in MiB; 0 means the worker's default.
    pub memory_mib: u64,
    /// Files and folders outside its inputs that it may read, absolute.
    pub read: Vec<String>,
}

/// One example of a stage's `with`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Example {
    /// What it shows.
    pub note: String,
    /// A `with` that the input schema accepts.
    pub with: Value,
}

/// One stage of a plugin.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageManifest {
    /// The part after the dot in `uses: plugin.stage@1`.
    pub id: String,
    /// Semantic version; `uses` asks for its first number.
    pub version: String,
    /// One line.
    pub summary: String,
    /// JSON Schema (2020-12) of `with`. A property with `"x-path": "read"` is a path on the worker's disk:
    /// it is resolved beside the pipeline file and the sandbox lets the stage read it. With `"x-path": "write"` it
    /// is a folder that outlives the attempt: it is made if it is missing, and the stage may write there.
    /// `"x-secrets": "credentials"` at the top says that secrets only open doors: results are cached although `with` holds
    /// some. A property with `"x-advice": "KIND"` is not for people: the worker puts there what is remembered of outcomes of
    /// that kind. It is no part of the cache key.
    pub input: Value,
    /// JSON Schema of the outputs. `"x-provisional": NAME` at the top names an output that makes a result one for now,
    /// which is not cached, when it is neither empty nor false. What stands under a property with `"x-outcomes": "KIND"`,
    /// one outcome or a list of them, is remembered when the attempt has succeeded.
    pub output: Value,
    /// What it does to the world.
    #[serde(default = "Effects::none")]
    pub effects: Effects,
    /// Whether running an external stage twice with the same idempotency token is harmless.
    #[serde(default)]
    pub idempotent: bool,
    /// Whether its process is kept.
    #[serde(default = "Reuse::fresh")]
    pub reuse: Reuse,
    /// Whether it may run inside the worker (first-party stages whose work is smaller than the boundary).
    #[serde(default)]
    pub inline: bool,
    /// What it needs.
    #[serde(default)]
    pub needs: Needs,
    /// Versions of tools that change its results (an encoder's); part of the cache key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Examples of `with`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<Example>,
}

impl Effects {
    const fn none() -> Self {
        Self::None
    }
}

impl Reuse {
    const fn fresh() -> Self {
        Self::Fresh
    }
}

impl StageManifest {
    /// The first number of the version; 0 when the version is not one.
    #[must_use]
    pub fn major(&self) -> u32 {
        self.version.split('.').next().and_then(|part| part.parse().ok()).unwrap_or(0)
    }
}

/// What a plugin says of itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The part before the dot in `uses: plugin.stage@1`.
    pub name: String,
    /// Semantic version of the whole.
    pub version: String,
    /// SPDX expression.
    pub license: String,
    /// What it is for, in a sentence or two.
    #[serde(default)]
    pub description: String,
    /// How it is run.
    pub kind: PluginKind,
    /// For `kind: exec`: the program and its arguments, relative to the manifest's folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Its stages.
    pub stages: Vec<StageManifest>,
}

/// A plugin as it was found: its manifest, and the digest of the file that will run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Located {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Hash of the library, or of all files of an exec plugin's folder.
    pub digest: Digest,
    /// Whether it came with the engine, so that every worker of the same version has it. Told by where it lies, each
    /// time it is found.
    #[serde(skip)]
    pub shipped: bool,
}

/// The name of one build of a plugin, short enough for a lane: `acme@0123456789abcdef`.
#[must_use]
pub fn build(plugin: &str, digest: Digest) -> String {
    format!("{plugin}@{}", &digest.hex()[..16])
}
