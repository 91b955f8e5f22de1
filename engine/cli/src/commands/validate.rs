//! `reelmill validate`: everything that is wrong with pipeline files, at once.

use super::Context;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone};
use crate::plugins;
use crate::source::Source;
use reelmill_control::prepare;
use reelmill_spec::Diagnostic;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Check pipeline files and show everything that is wrong with them
#[derive(clap::Args)]
#[command(after_help = "Ends with 78 when a file is invalid.

Examples:
  reelmill validate pipelines/*.yaml
  generate | reelmill validate -
  reelmill validate -o json p.yaml | jq '.files[].diagnostics[] | {line, message, help}'")]
pub struct Validate {
    /// Pipeline files, `-` for standard input, or names of registered pipelines
    #[arg(required = true, value_name = "PIPELINE")]
    files: Vec<PathBuf>,
}

/// What was found in one file.
struct Checked {
    source: Source,
    valid: bool,
    diagnostics: Vec<Diagnostic>,
}

impl Validate {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let mut all = Vec::with_capacity(self.files.len());
        for file in &self.files {
            let source = Source::look(cx, file)?;
            let found = plugins::find(cx, &source.folder)?;
            let (valid, diagnostics) = match prepare(&source.text, &found.catalog(), &source) {
                Ok(pipeline) => (true, pipeline.warnings),
                Err(invalid) => (false, invalid.0),
            };
            all.push(Checked { source, valid, diagnostics });
        }
        let valid = all.iter().all(|checked| checked.valid);
        if cx.output.is_json() {
            let files: Vec<Value> = all.iter().map(Checked::to_json).collect();
            cx.output.json(&json!({ "ok": valid, "files": files }))?;
        } else {
            for checked in &all {
                cx.output.text(&checked.to_text(cx.output))?;
            }
        }
        Ok(if valid { Exit::Ok } else { Exit::Invalid })
    }
}

impl Checked {
    fn to_json(&self) -> Value {
        json!({ "file": self.source.name, "ok": self.valid, "diagnostics": self.diagnostics })
    }

    /// The diagnostics, which end with their count; one line where there are none.
    fn to_text(&self, output: Output) -> String {
        let name = &self.source.name;
        if self.diagnostics.is_empty() {
            return format!("{name}: {}", output.paint(Tone::Good, "no problems"));
        }
        reelmill_spec::render(&self.diagnostics, &self.source.text, name, output.color)
    }
}
