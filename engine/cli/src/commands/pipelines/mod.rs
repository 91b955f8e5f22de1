//! `reelmill pipelines`: pipelines that are kept under their names, revision by revision.

mod diff;
mod put;
mod show;

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Tone, table};
use crate::words;
use clap::Subcommand;
use reelmill_control::PipelineRef;
use reelmill_control::registry::is_namespace;
use reelmill_model::RevisionHead;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Keep pipelines under their names, revision by revision
#[derive(clap::Args)]
#[command(
    after_help = "A registered pipeline is named NAME for its newest revision, NAME@3 for one of them, and NAMESPACE/NAME for that
of another tenant. `submit`, `run`, `plan` and `validate` take such a name where they take a file. Its triggers
start runs by themselves while a `reelmill worker` works.

Examples:
  reelmill pipelines put news.yaml                   revision 1; the same text again makes no new one
  reelmill pipelines put news.yaml --if-revision 4   only if nobody else has put it meanwhile
  reelmill pipelines diff news                       what its newest revision changed
  reelmill pipelines diff news@2 news.yaml           what the file changes
  reelmill submit news --input topic=tides"
)]
pub struct Pipelines {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Register a pipeline, or a new revision of it
    Put {
        /// The pipeline file; `-` is standard input
        file: PathBuf,
        /// Tenant
        #[arg(long, value_name = "NAME", default_value = "default", value_parser = namespace)]
        namespace: String,
        /// Refuse unless this is its newest revision; 0 where there must be none
        #[arg(long, value_name = "N")]
        if_revision: Option<u32>,
        /// Label the revision, and the runs that its name starts; may be given again
        #[arg(long = "label", value_name = "KEY=VALUE", value_parser = crate::inputs::pair)]
        label: Vec<(String, String)>,
        /// Who puts it [default: the user's name]
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
    /// Show the pipelines there are
    List {
        /// Only of this tenant
        #[arg(long, value_name = "NAME")]
        namespace: Option<String>,
    },
    /// Show a pipeline as it was put, or its history
    Show {
        /// NAME, or NAME@REVISION
        pipeline: PipelineRef,
        /// Show which revisions there are instead
        #[arg(long)]
        history: bool,
    },
    /// Show what changed from one revision to another, or to a file; ends with 1 where they differ
    Diff {
        /// NAME@REVISION; NAME alone, without anything to compare it with, is its newest revision and the one before
        from: PipelineRef,
        /// NAME, NAME@REVISION or a file [default: the newest revision]
        to: Option<PathBuf>,
    },
    /// Forget a pipeline with all its revisions; its triggers end, its runs go on
    Rm {
        /// NAME
        pipeline: PipelineRef,
    },
}

/// Checks the name of a namespace: it is part of keys.
pub fn namespace(text: &str) -> Result<String, String> {
    if is_namespace(text) {
        Ok(text.to_owned())
    } else {
        Err("a namespace has 1 to 64 letters, digits, `_`, `-` or `.`, and does not begin with `.`"
            .to_owned())
    }
}

impl Pipelines {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        match self.action {
            Action::Put { file, namespace, if_revision, label, by } => {
                let by = by.unwrap_or_else(words::user);
                put::Put { file, namespace, expected: if_revision, labels: label.into_iter().collect(), by }
                    .run(cx)
            }
            Action::List { namespace } => list(cx, namespace.as_deref()),
            Action::Show { pipeline, history } => show::run(cx, &pipeline, history),
            Action::Diff { from, to } => diff::run(cx, &from, to.as_deref()),
            Action::Rm { pipeline } => remove(cx, &pipeline),
        }
    }
}

fn list(cx: &Context, namespace: Option<&str>) -> Result<Exit, CliError> {
    let control = engine::open(cx)?.control;
    let heads = engine::block_on(async { Ok(control.all_pipelines(namespace).await?) })?;
    if cx.output.is_json() {
        let heads: Vec<Value> = heads.iter().map(json_of).collect();
        cx.output.json(&json!({ "pipelines": heads }))?;
    } else if heads.is_empty() {
        cx.output.text("no pipeline is registered; `reelmill pipelines put FILE` registers one")?;
    } else {
        let head = ["namespace", "pipeline", "revision", "put", "by", "triggers", "labels"];
        let mut rows = vec![head.map(|word| cx.output.paint(Tone::Faint, word)).to_vec()];
        rows.extend(heads.iter().map(row));
        cx.output.text(&table(&rows))?;
    }
    Ok(Exit::Ok)
}

fn row(head: &RevisionHead) -> Vec<String> {
    vec![
        head.id.namespace.clone(),
        head.id.name.clone(),
        head.revision.to_string(),
        ago(head.at_ms),
        head.by.clone(),
        head.triggers.join(", "),
        labels(head),
    ]
}

fn labels(head: &RevisionHead) -> String {
    let pairs: Vec<String> = head.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.join(" ")
}

fn ago(at_ms: u64) -> String {
    format!("{} ago", words::duration(words::now_ms().saturating_sub(at_ms)))
}

/// A revision as programs see it.
fn json_of(head: &RevisionHead) -> Value {
    json!({
        "namespace": head.id.namespace, "name": head.id.name, "revision": head.revision, "graph": head.graph,
        "labels": head.labels, "triggers": head.triggers, "by": head.by, "at_ms": head.at_ms,
    })
}

fn remove(cx: &Context, wanted: &PipelineRef) -> Result<Exit, CliError> {
    if wanted.revision.is_some() {
        return Err(CliError::Usage("a pipeline is removed as a whole: write its name alone".to_owned()));
    }
    let control = engine::open(cx)?.control;
    engine::block_on(async {
        // Says what there is where there is no such pipeline.
        let found = control.registered("default", wanted).await?;
        control.remove_pipeline(&found.head.id).await?;
        if cx.output.is_json() {
            cx.output.json(&json!({ "removed": json_of(&found.head) }))?;
        } else {
            cx.output.text(&format!("{} is removed; its runs go on", found.head.id))?;
        }
        Ok(Exit::Ok)
    })
}
