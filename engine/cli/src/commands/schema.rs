//! `reelmill schema`: what `schemas/` is made from.

use super::Context;
use crate::exit::{CliError, Exit};
use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::Value;
use std::path::PathBuf;

/// Print a JSON Schema, or write all generated files
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill schema > pipeline.schema.json     for an editor: # yaml-language-server: $schema=pipeline.schema.json
  reelmill schema manifest                   what a plugin.json must look like
  reelmill schema envelope                   what other systems put into the inbox
  reelmill schema openapi                    what can be asked of `reelmill serve`
  reelmill schema --write schemas            all generated files of this repository")]
pub struct Schema {
    /// Which
    #[arg(value_enum, default_value_t)]
    which: Which,
    /// Write every generated file into this folder instead
    #[arg(long, value_name = "DIR", conflicts_with = "which")]
    write: Option<PathBuf>,
}

/// The formats that have a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Pipeline files
    #[default]
    Pipeline,
    /// What a plugin says of itself (`plugin.json`)
    Manifest,
    /// What other systems put into the inbox (the Redis stream `rm:inbox`)
    Envelope,
    /// What can be asked of `reelmill serve` (`openapi.json`)
    Openapi,
}

impl Which {
    fn file_name(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline.schema.json",
            Self::Manifest => "plugin-manifest.schema.json",
            Self::Envelope => "envelope.schema.json",
            Self::Openapi => "openapi.json",
        }
    }

    fn schema(self) -> Value {
        match self {
            Self::Pipeline => reelmill_spec::schema(),
            Self::Manifest => schemars::schema_for!(reelmill_model::Manifest).to_value(),
            Self::Envelope => reelmill_inbox::schema(),
            Self::Openapi => reelmill_api::openapi(),
        }
    }
}

impl Schema {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let Some(folder) = self.write else {
            cx.output.json(&self.which.schema())?;
            return Ok(Exit::Ok);
        };
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        for which in Which::value_variants() {
            let file = folder.join(which.file_name());
            let mut text = serde_json::to_string_pretty(&which.schema()).context("a schema is JSON")?;
            text.push('\n');
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
            cx.output.text(&format!("wrote {}", file.display()))?;
        }
        Ok(Exit::Ok)
    }
}
