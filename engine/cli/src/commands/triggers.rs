//! `reelmill triggers`: what starts runs by itself.

use super::Context;
use super::pipelines::namespace;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone, table};
use crate::words;
use reelmill_control::{Control, TriggerStatus};
use reelmill_model::PipelineName;
use reelmill_model::limits::SCHEDULED_TRIGGERS_MAX;
use reelmill_triggers::{Came, Told};
use serde_json::json;

/// Show what starts runs by itself, and what came of it; pause and resume it
#[derive(clap::Args)]
#[command(
    after_help = "Triggers are those of the newest revisions of registered pipelines. Every `reelmill worker` looks after them;
however many there are, a firing starts one run. Times and calls that come while a trigger is paused do not fire later;
files that came meanwhile and are still there do.

Examples:
  reelmill triggers
  reelmill triggers --pause news/nightly
  reelmill triggers -o json | jq '.triggers[] | {trigger, next, last}'"
)]
pub struct Triggers {
    /// Only of this tenant; with --pause and --resume: whose [default: default]
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    namespace: Option<String>,
    /// Keep this trigger from firing
    #[arg(long, value_name = "PIPELINE/TRIGGER", value_parser = place, conflicts_with = "resume")]
    pause: Option<(String, String)>,
    /// Let this trigger fire again from now on
    #[arg(long, value_name = "PIPELINE/TRIGGER", value_parser = place)]
    resume: Option<(String, String)>,
}

fn place(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('/').map(|(pipeline, trigger)| (pipeline.to_owned(), trigger.to_owned()));
    pair.ok_or_else(|| format!("{text:?} is not PIPELINE/TRIGGER, as `reelmill triggers` shows them"))
}

impl Triggers {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        let found = engine::block_on(async {
            self.pause_and_resume(&control).await?;
            Ok(control.triggers(self.namespace.as_deref(), words::now_ms()).await?)
        })?;
        if cx.output.is_json() {
            cx.output.json(&json!({ "triggers": found }))?;
        } else if found.is_empty() {
            cx.output.text(
                "no registered pipeline has a trigger; `reelmill pipelines put FILE` registers one that has",
            )?;
        } else {
            let head = ["trigger", "when", "next", "last firing", "what came of it"];
            let mut rows = vec![head.map(|word| cx.output.paint(Tone::Faint, word)).to_vec()];
            rows.extend(found.iter().map(|trigger| row(trigger, cx.output)));
            cx.output.text(&table(&rows))?;
        }
        Ok(Exit::Ok)
    }

    async fn pause_and_resume(&self, control: &Control) -> Result<(), CliError> {
        let namespace = self.namespace.as_deref().unwrap_or("default");
        for (place, paused) in [(&self.pause, true), (&self.resume, false)] {
            let Some((pipeline, trigger)) = place else { continue };
            let id = PipelineName { namespace: namespace.to_owned(), name: pipeline.clone() };
            control.pause_trigger(&id, trigger, paused, words::now_ms()).await?;
        }
        Ok(())
    }
}

fn row(status: &TriggerStatus, output: Output) -> Vec<String> {
    let mut name = format!("{}/{}", status.pipeline, status.trigger);
    if status.namespace != "default" {
        name = format!("{name} ({})", status.namespace);
    }
    let next = match (status.paused, &status.next) {
        _ if status.beyond_limit => {
            let why = format!("does not fire: there are more than {SCHEDULED_TRIGGERS_MAX} triggers");
            output.paint(Tone::Bad, &why)
        }
        (true, _) => output.paint(Tone::Warn, "paused"),
        (false, next) => next.clone().unwrap_or_default(),
    };
    let last = status.last.as_ref();
    let at = last.map(|last| format!("{} ago", words::duration(words::now_ms().saturating_sub(last.at_ms))));
    vec![
        name,
        status.when.clone(),
        next,
        at.unwrap_or_default(),
        last.map(|last| came(last, output)).unwrap_or_default(),
    ]
}

fn came(told: &Told, output: Output) -> String {
    match (told.came, told.run, &told.why) {
        (Came::Started, run, _) => format!("run {}", run.map(|run| run.to_string()).unwrap_or_default()),
        (Came::Waits, ..) => "waits for the run before".to_owned(),
        (Came::Skipped, ..) => output.paint(Tone::Warn, "skipped: the run before had not ended"),
        (Came::Failed, _, why) => output.paint(Tone::Bad, why.as_deref().unwrap_or("failed")),
    }
}
