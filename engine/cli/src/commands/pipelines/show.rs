//! `reelmill pipelines show`: a revision as it was put, and which revisions there are.

use super::{ago, json_of, labels};
use crate::commands::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Tone, table};
use reelmill_control::PipelineRef;
use reelmill_control::texts::pinned;
use reelmill_model::RevisionHead;
use serde_json::{Value, json};

pub fn run(cx: &Context, wanted: &PipelineRef, history: bool) -> Result<Exit, CliError> {
    let control = engine::open(cx)?.control;
    engine::block_on(async {
        let found = control.registered("default", wanted).await?;
        let kept = control.registry.revisions(&found.head.id).await?;
        let pins = pinned(&found.text);
        if cx.output.is_json() {
            let history: Vec<Value> = kept.iter().map(json_of).collect();
            let text = json!({
                "yaml": found.text.main,
                "others": found.text.others,
                "registered": pins,
                "folder": found.text.folder,
            });
            cx.output.json(&json!({ "pipeline": json_of(&found.head), "text": text, "history": history }))?;
        } else if history {
            let head = ["revision", "put", "by", "triggers", "labels"];
            let mut rows = vec![head.map(|word| cx.output.paint(Tone::Faint, word)).to_vec()];
            rows.extend(kept.iter().map(row));
            cx.output.text(&table(&rows))?;
        } else {
            // Nothing but the text, so that it can be written into a file. What its names stand for is said beside it.
            for (name, revision) in pins {
                eprintln!("`{name}` is revision {revision}, as when this one was put");
            }
            cx.output.text(&found.text.main)?;
        }
        Ok(Exit::Ok)
    })
}

fn row(head: &RevisionHead) -> Vec<String> {
    vec![head.revision.to_string(), ago(head.at_ms), head.by.clone(), head.triggers.join(", "), labels(head)]
}
