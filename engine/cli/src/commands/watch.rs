//! `reelmill watch`: follow a run that another process works on.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::progress::{Bars, JsonLines, Lines, Reader, Show, Since, follow};
use crate::run_ref::RunRef;
use reelmill_model::RunState;
use std::io::IsTerminal as _;

/// Follow a run until it ends
#[derive(clap::Args)]
#[command(after_help = "Ends as the run does: with 0 when it succeeded, else with 1.

Examples:
  reelmill watch last
  reelmill watch last -o json | jq 'select(.kind == \"task.settled\") | .path'")]
pub struct Watch {
    /// The run's id, or `last`
    run: RunRef,
    /// Begin after this event; its number is `cursor` in the JSON form
    #[arg(long, default_value_t = 0, value_name = "CURSOR")]
    after: u64,
}

impl Watch {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        let mut show: Box<dyn Show> = if cx.output.is_json() {
            Box::new(JsonLines::new(cx.output))
        } else if std::io::stderr().is_terminal() {
            Box::new(Bars::new(cx.output))
        } else {
            Box::new(Lines::on_stdout(cx.output))
        };
        engine::block_on(async {
            let id = self.run.resolve(&*control.store).await?;
            let reader = Reader { store: &*control.store, log: &*control.events };
            let run = follow(reader, id, Since::Cursor(self.after), &mut *show).await?;
            Ok(if run.state == RunState::Succeeded { Exit::Ok } else { Exit::Failed })
        })
    }
}
