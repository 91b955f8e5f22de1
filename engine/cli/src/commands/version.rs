//! `reelmill version`.

use super::Context;
use crate::exit::{CliError, Exit};
use serde_json::json;

/// Print the version and the formats it reads and writes
#[derive(clap::Args)]
pub struct Version {}

impl Version {
    pub(super) fn run(cx: &Context) -> Result<Exit, CliError> {
        let version = env!("CARGO_PKG_VERSION");
        let graph = reelmill_graph::Graph::FORMAT;
        if cx.output.is_json() {
            cx.output.json(&json!({ "version": version, "language": 1, "graph_format": graph }))?;
        } else {
            cx.output.text(&format!("reelmill {version} (pipeline language 1, graph format {graph})"))?;
        }
        Ok(Exit::Ok)
    }
}
