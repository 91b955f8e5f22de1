//! `reelmill queues`: what waits where.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone, table};
use reelmill_graph::light_lane;
use reelmill_ports::{LaneView, Store};
use serde_json::json;

/// Show queues with waiting tasks; pause and resume them
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill queues
  reelmill queues --pause gpu        what is being worked on goes on, nothing new is begun
  reelmill queues --resume gpu")]
pub struct Queues {
    /// Keep the tasks of this queue from being begun
    #[arg(long, value_name = "QUEUE", conflicts_with = "resume")]
    pause: Option<String>,
    /// Let the tasks of this queue be begun again
    #[arg(long, value_name = "QUEUE")]
    resume: Option<String>,
}

impl Queues {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let state = engine::open(cx)?;
        let lanes = engine::block_on(async {
            for (queue, paused) in [(self.pause, true), (self.resume, false)] {
                if let Some(queue) = queue {
                    pause(&*state.store, &queue, paused).await?;
                }
            }
            Ok(state.store.lanes().await?)
        })?;
        show(&lanes, cx.output)?;
        Ok(Exit::Ok)
    }
}

async fn pause(store: &dyn Store, queue: &str, paused: bool) -> Result<(), CliError> {
    for lane in [queue.to_owned(), light_lane(queue)] {
        store.pause_lane(&lane, paused).await?;
    }
    Ok(())
}

fn show(lanes: &[LaneView], output: Output) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(&json!({ "lanes": lanes }));
    }
    if lanes.is_empty() {
        return output.text("no task waits for a worker");
    }
    let mut rows = vec![["lane", "ready", ""].map(|word| output.paint(Tone::Faint, word)).to_vec()];
    for lane in lanes {
        let paused = if lane.paused { output.paint(Tone::Warn, "paused") } else { String::new() };
        rows.push(vec![lane.lane.clone(), lane.ready.to_string(), paused]);
    }
    output.text(&table(&rows))
}
