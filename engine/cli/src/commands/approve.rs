//! `reelmill approve`: a person's answer to what a run asks.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::run_ref::RunRef;
use crate::words;
use reelmill_control::Question;
use reelmill_model::Decision;
use serde_json::json;

/// Let a stage that waits for an approval go on, or reject it
#[derive(clap::Args)]
#[command(after_help = "Whoever can open the home folder may decide; roles are for services with users.

Examples:
  reelmill approve last                                    the one stage that waits
  reelmill approve last check --by ann --reason 'looks good'
  reelmill approve last 'scene[s3].check' --reject --reason 'wrong voice'")]
pub struct Approve {
    /// The run's id, or `last`
    run: RunRef,
    /// A stage (`scene.check`) or a task (`scene[s3].check`); needed where more than one waits
    stage: Option<String>,
    /// Say no: the stage fails
    #[arg(long)]
    reject: bool,
    /// Who decides [default: the user's name]
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// Why, for whoever asks later
    #[arg(long, default_value = "")]
    reason: String,
}

impl Approve {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        engine::block_on(async {
            let run = self.run.resolve(&*control.store).await?;
            let questions = control.questions(run, self.stage.as_deref()).await?;
            self.check(&questions)?;
            let by = self.by.clone().unwrap_or_else(words::user);
            let decision = Decision { approved: !self.reject, by, reason: self.reason.clone() };
            let mut decided = Vec::with_capacity(questions.len());
            for question in &questions {
                let state = control.decide(question, &decision).await?;
                decided.push(json!({ "path": question.path, "state": state }));
                if !cx.output.is_json() {
                    let word = if self.reject { "rejected" } else { "approved" };
                    cx.output.text(&format!("{} is {word}", question.path))?;
                }
            }
            if cx.output.is_json() {
                cx.output.json(&json!({ "run": run, "decided": decided }))?;
            }
            Ok(Exit::Ok)
        })
    }

    /// Refuses to guess: without a stage there must be one question, and with one at least one.
    fn check(&self, questions: &[Question]) -> Result<(), CliError> {
        let paths: Vec<&str> = questions.iter().map(|question| question.path.as_str()).collect();
        match (&self.stage, paths.as_slice()) {
            (None, []) => Err(CliError::Usage("nothing in this run waits for an approval".to_owned())),
            (Some(stage), []) => Err(CliError::Usage(format!("`{stage}` does not wait for an approval"))),
            (None, [_, _, ..]) => {
                let all = paths.join(", ");
                Err(CliError::Usage(format!("more than one stage waits for an approval, name one: {all}")))
            }
            _ => Ok(()),
        }
    }
}
