//! `reelmill graph`: a pipeline as a picture.

use super::Context;
use crate::exit::{CliError, Exit};
use crate::plugins;
use crate::source::Source;
use clap::ValueEnum;
use reelmill_graph::render;
use std::path::PathBuf;

/// Draw the stages of a pipeline and what waits for what
#[derive(clap::Args)]
#[command(after_help = "With -o json the compiled graph itself is printed.

Examples:
  reelmill graph pipeline.yaml
  reelmill graph pipeline.yaml --as svg > pipeline.svg
  reelmill graph pipeline.yaml --as mermaid    to paste into Markdown")]
pub struct Graph {
    /// The pipeline file; `-` is standard input
    file: PathBuf,
    /// How it is drawn
    #[arg(long = "as", value_enum, default_value_t, value_name = "FORM")]
    form: Form,
}

/// How a graph is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Indented text
    #[default]
    Text,
    /// A Mermaid flowchart
    Mermaid,
    /// A picture
    Svg,
}

impl Graph {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let source = Source::look(cx, &self.file)?;
        let found = plugins::find(cx, &source.folder)?;
        let graph = source.prepare(&found.catalog(), cx.output)?.graph;
        if cx.output.is_json() {
            cx.output.json(&*graph)?;
            return Ok(Exit::Ok);
        }
        cx.output.text(&match self.form {
            Form::Text => render::text(&graph),
            Form::Mermaid => render::mermaid(&graph),
            Form::Svg => render::svg(&graph),
        })?;
        Ok(Exit::Ok)
    }
}
