//! `reelmill workers`: who works.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Tone, table};
use crate::words;
use reelmill_ports::WorkerCard;
use serde_json::json;

/// Show the workers there are
#[derive(clap::Args)]
pub struct Workers {}

impl Workers {
    pub(super) fn run(cx: &Context) -> Result<Exit, CliError> {
        let state = engine::open(cx)?;
        let workers = engine::block_on(async { Ok(state.store.workers().await?) })?;
        if cx.output.is_json() {
            cx.output.json(&json!({ "workers": workers }))?;
        } else if workers.is_empty() {
            cx.output.text("no worker was heard in the last minute; `reelmill worker` starts one")?;
        } else {
            let head = ["worker", "holds", "slots", "memory", "queues", "up", "heard"];
            let mut rows = vec![head.map(|word| cx.output.paint(Tone::Faint, word)).to_vec()];
            rows.extend(workers.iter().map(row));
            cx.output.text(&table(&rows))?;
        }
        Ok(Exit::Ok)
    }
}

fn row(card: &WorkerCard) -> Vec<String> {
    let now_ms = words::now_ms();
    let since = |ms: u64| words::duration(now_ms.saturating_sub(ms));
    let queues: Vec<&str> =
        card.lanes.iter().filter(|lane| !lane.contains('/')).map(String::as_str).collect();
    vec![
        card.worker.to_string(),
        if card.draining { format!("{} (draining)", card.held) } else { card.held.to_string() },
        card.slots.to_string(),
        words::bytes(u64::from(card.memory_mib) << 20),
        queues.join(", "),
        since(card.started_ms),
        format!("{} ago", since(card.seen_ms)),
    ]
}
