//! `reelmill logs`: what stages said.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone};
use crate::run_ref::RunRef;
use crate::words;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use reelmill_control::{Control, Paths};
use reelmill_model::{Event, EventKind, RunId, Severity, task_path};
use reelmill_ports::{EventQuery, StoreError};
use serde_json::json;
use std::time::Duration;

/// Lines read at once.
const PAGE: usize = 500;
/// Time after which a follower looks again although nothing woke it.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Show what stages said
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill logs last
  reelmill logs last scene                 every task of that stage, inner stages included
  reelmill logs last 'scene[s3].clip' -f   one task, until the run ends
  reelmill logs last --at-least warn")]
pub struct Logs {
    /// The run's id, or `last`
    run: RunRef,
    /// A stage (`scene.clip`) or a task (`scene[s3].clip`)
    stage: Option<String>,
    /// Go on until the run ends
    #[arg(short, long)]
    follow: bool,
    /// Only this attempt, from 1
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Leave out what matters less
    #[arg(long, value_parser = severity_parser(), default_value = "debug", value_name = "SEVERITY")]
    at_least: Severity,
}

fn severity_parser() -> impl clap::builder::TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.iter().map(|severity| severity.word()))
        .try_map(|word| Severity::from_word(&word).ok_or_else(|| format!("there is no severity {word}")))
}

impl Logs {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        engine::block_on(async {
            let run = self.run.resolve(&*control.store).await?;
            self.read(&control, run, cx.output).await?;
            Ok(Exit::Ok)
        })
    }

    async fn read(&self, control: &Control, run: RunId, output: Output) -> Result<(), CliError> {
        let mut paths = Paths::default();
        let (mut after, mut seen) = (0, 0);
        loop {
            // The run is read before its log: an ended run has said everything, so nothing is missed.
            let view = control.store.run(run).await?.ok_or(StoreError::NoSuchRun(run))?;
            loop {
                let kinds = vec![EventKind::TaskLog];
                let query = EventQuery { run: Some(run), kinds, after, limit: PAGE, ..EventQuery::default() };
                let events = control.events.events(query).await?;
                for event in &events {
                    after = event.cursor;
                    let path = paths.of(&*control.store, event).await?;
                    if self.wants(event, &path) {
                        print(event, &path, output)?;
                    }
                }
                if events.len() < PAGE {
                    break;
                }
            }
            if !self.follow || view.state.is_terminal() {
                return Ok(());
            }
            seen = control.events.wait_event(seen.max(after), LOOK_AGAIN).await;
        }
    }

    fn wants(&self, event: &Event, path: &str) -> bool {
        self.stage.as_deref().is_none_or(|stage| task_path::belongs(path, stage))
            && self.attempt.is_none_or(|attempt| event.attempt == Some(attempt))
            && severity(event) >= self.at_least
    }
}

fn severity(event: &Event) -> Severity {
    event.data["severity"].as_str().and_then(Severity::from_word).unwrap_or(Severity::Info)
}

fn print(event: &Event, path: &str, output: Output) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json_line(&json!({
            "cursor": event.cursor,
            "at_ms": event.at_ms,
            "path": path,
            "attempt": event.attempt,
            "severity": severity(event),
            "text": event.data["text"],
        }));
    }
    let tone = match severity(event) {
        Severity::Debug => Tone::Faint,
        Severity::Info => Tone::Strong,
        Severity::Warn => Tone::Warn,
        Severity::Error => Tone::Bad,
    };
    let word = output.paint(tone, severity(event).word());
    let text = event.data["text"].as_str().unwrap_or_default();
    output.text(&format!("{} {word} {path}: {text}", words::time_of_day(event.at_ms)))
}
