//! `reelmill queues`: what waits where.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone, table};
use crate::words;
use reelmill_control::LaneLoad;
use reelmill_graph::light_lane;
use reelmill_ports::Store;
use serde_json::json;

/// Show queues with waiting tasks; pause and resume them
#[derive(clap::Args)]
#[command(after_help = "Examples:
  reelmill queues                    backlog: how long what is ready takes the slots there are
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
            Ok(state.control.load().await?.lanes)
        })?;
        show(lanes, cx.output)?;
        Ok(Exit::Ok)
    }
}

async fn pause(store: &dyn Store, queue: &str, paused: bool) -> Result<(), CliError> {
    for lane in [queue.to_owned(), light_lane(queue)] {
        store.pause_lane(&lane, paused).await?;
    }
    Ok(())
}

fn show(mut lanes: Vec<LaneLoad>, output: Output) -> anyhow::Result<()> {
    lanes.retain(|lane| lane.view.ready > 0 || lane.view.paused);
    if output.is_json() {
        return output.json(&json!({ "lanes": lanes }));
    }
    if lanes.is_empty() {
        return output.text("no task waits for a worker");
    }
    let head = ["lane", "ready", "slots", "backlog", ""];
    let mut rows = vec![head.map(|word| output.paint(Tone::Faint, word)).to_vec()];
    for LaneLoad { view, slots, backlog_ms } in lanes {
        let paused = if view.paused { output.paint(Tone::Warn, "paused") } else { String::new() };
        let backlog = if view.paused { "-".to_owned() } else { words::duration(backlog_ms) };
        rows.push(vec![view.lane, view.ready.to_string(), slots.to_string(), backlog, paused]);
    }
    output.text(&table(&rows))
}
