//! `reelmill pipelines put`: a file becomes the newest revision of its pipeline.

use super::json_of;
use crate::commands::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::plugins;
use crate::source::Source;
use crate::words;
use reelmill_control::registry::About;
use reelmill_control::texts::Recorded;
use reelmill_model::{PipelineName, RevisionText};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is put.
pub struct Put {
    pub file: PathBuf,
    pub namespace: String,
    pub expected: Option<u32>,
    pub labels: BTreeMap<String, String>,
    pub by: String,
}

impl Put {
    pub fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let source = Source::read(&self.file)?;
        let control = engine::open(cx)?.control;
        let own = reelmill_spec::parse(&source.text).0.map(|spec| spec.name);
        let source = engine::block_on(async { Ok(source.pinned(&control, &self.namespace, own).await?) })?;
        let found = plugins::find(cx, &source.folder)?;
        let files = Recorded::new(&source);
        let pipeline = source.prepare_with(&found.catalog(), &files, cx.output)?;
        let text = RevisionText {
            main: source.text.clone(),
            file: source.file().map(str::to_owned),
            others: files.seen(),
            registered: source.pins().found.clone(),
            folder: source.folder.to_string_lossy().into_owned(),
        };
        let about = About {
            id: PipelineName { namespace: self.namespace, name: pipeline.graph.name.clone() },
            labels: self.labels,
            by: self.by,
            at_ms: words::now_ms(),
        };
        engine::block_on(async {
            let put = control.put_pipeline(&pipeline, text, about, self.expected).await?;
            if cx.output.is_json() {
                cx.output.json(&json!({ "pipeline": json_of(&put.head), "new": put.new }))?;
            } else {
                let name = format!("{}@{}", put.head.id, put.head.revision);
                let news = if put.new { "is registered" } else { "says the same already" };
                cx.output.text(&format!("{name} {news}"))?;
            }
            Ok(Exit::Ok)
        })
    }
}
