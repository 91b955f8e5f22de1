//! `reelmill why`: why it waits, was skipped, failed, or ran again.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone};
use crate::run_ref::RunRef;
use reelmill_control::Why as Explanation;
use serde_json::json;

/// Explain why a run or a stage is as it is
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill why last                     why the run failed, or what it waits for
  reelmill why last encode              one stage
  reelmill why last 'scene[s3].speech'  one task")]
pub struct Why {
    /// The run's id, or `last`
    run: RunRef,
    /// A stage (`scene.clip`) or a task (`scene[s3].clip`)
    stage: Option<String>,
}

impl Why {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        engine::block_on(async {
            let run = self.run.resolve(&*control.store).await?;
            let explanations = control.why(run, self.stage.as_deref()).await?;
            if cx.output.is_json() {
                cx.output.json(&json!({ "why": explanations }))?;
            } else {
                let texts: Vec<String> = explanations.iter().map(|one| text(one, cx.output)).collect();
                cx.output.text(&texts.join("\n"))?;
            }
            Ok(Exit::Ok)
        })
    }
}

fn text(why: &Explanation, output: Output) -> String {
    let mut lines = vec![format!("{} is {}", output.paint(Tone::Strong, &why.subject), why.state)];
    lines.extend(why.because.iter().map(|reason| format!("  {reason}")));
    lines.extend(why.remedy.iter().map(|remedy| format!("  {}", output.paint(Tone::Warn, remedy))));
    lines.join("\n")
}
