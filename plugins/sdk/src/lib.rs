//! Write a stage plugin in Rust.
//!
//! ```
//! use reelmill_sdk::prelude::*;
//!
//! /// Shouts.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Input {
//!     /// What to shout.
//!     text: String,
//! }
//!
//! #[derive(Serialize, JsonSchema)]
//! struct Output {
//!     text: String,
//! }
//!
//! struct Shout;
//!
//! impl Stage for Shout {
//!     const ID: &'static str = "shout";
//!     const VERSION: &'static str = "1.0.0";
//!     const SUMMARY: &'static str = "Turns text into capitals";
//!     type Input = Input;
//!     type Output = Output;
//!
//!     fn open() -> Result<Self, StageError> {
//!         Ok(Self)
//!     }
//!
//!     fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<Output, StageError> {
//!         cx.info("shouting");
//!         Ok(Output { text: input.text.to_uppercase() })
//!     }
//! }
//!
//! export_plugin! {
//!     name: "acme",
//!     version: "1.0.0",
//!     license: "MIT",
//!     description: "Loud text",
//!     stages: [Shout],
//! }
//! # fn main() {}
//! ```
//!
//! The crate is a `cdylib` that also depends on `serde` and `schemars`, whose derives name their own crates. Pipelines use the stage as `acme.shout@1`. A stage runs in a sandboxed process: it
//! reads its inputs and what its manifest asks for, writes to [`Cx::scratch`], and reaches the network or other
//! programs only when [`Needs`] says so. Panics become failures of class `internal`.

pub mod artifact;
#[cfg(feature = "async")]
pub mod asynchronous;
pub mod cx;
pub mod error;
pub mod export;
pub mod stage;
pub mod testing;

pub use artifact::{Artifact, InputPath, OutputFile, WritePath};
#[cfg(feature = "async")]
pub use asynchronous::{Async, AsyncStage};
pub use cx::Cx;
pub use error::{Context, StageError};
pub use reelmill_model as model;
pub use reelmill_model::manifest::Example;
pub use reelmill_model::{CallInfo, Effects, EncoderSeen, FailureClass, Needs, Progress, Reuse, Severity};
pub use reelmill_plugin_abi as abi;
pub use schemars;
pub use serde;
pub use serde_json;
pub use stage::{Stage, StageTraits};

/// What most stages import.
pub mod prelude {
    pub use crate::{
        Artifact, Context, Cx, Effects, Example, InputPath, Needs, OutputFile, Progress, Reuse, Severity,
        Stage, StageError, StageTraits, WritePath, export_plugin,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::{Value, json};
}
