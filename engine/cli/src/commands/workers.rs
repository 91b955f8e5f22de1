//! `reelmill workers`: who works.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Tone, table};
use crate::words;
use reelmill_ports::WorkerCard;
use serde_json::json;
use std::collections::BTreeMap;

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
            for card in &workers {
                if let Some(follows) = &card.adaptive {
                    let because = format!(
                        "{} has {}: {}",
                        card.worker,
                        words::count(card.slots.into(), "slot"),
                        follows.because
                    );
                    cx.output.text(&because)?;
                }
            }
            for card in
                workers.iter().filter(|card| card.machine.gpus > 0 || !card.machine.encoders.is_empty())
            {
                cx.output.text(&hardware(card))?;
            }
            let learned = stages(&workers);
            if !learned.is_empty() {
                let head = ["stage", "attempts seen", "cores", "memory"];
                let mut rows = vec![head.map(|word| cx.output.paint(Tone::Faint, word)).to_vec()];
                rows.extend(learned);
                cx.output.text(&format!("\n{}", table(&rows)))?;
            }
        }
        Ok(Exit::Ok)
    }
}

/// What attempts of each stage are reckoned with, by those who reckon with it: most of what any of them says.
fn stages(workers: &[WorkerCard]) -> Vec<Vec<String>> {
    let mut stages: BTreeMap<&str, (u64, u32, u32)> = BTreeMap::new();
    for one in workers.iter().filter(|card| card.adaptive.is_some()).flat_map(|card| &card.learned) {
        let (attempts, cpu_milli, memory_mib) = stages.entry(&one.stage).or_default();
        *attempts += u64::from(one.attempts);
        (*cpu_milli, *memory_mib) = (one.cpu_milli.max(*cpu_milli), one.memory_mib.max(*memory_mib));
    }
    let row = |(stage, (attempts, cpu_milli, memory_mib)): (&str, (u64, u32, u32))| {
        let cores = format!("{:.2}", f64::from(cpu_milli) / 1_000.0);
        vec![stage.to_owned(), attempts.to_string(), cores, words::bytes(u64::from(memory_mib) << 20)]
    };
    stages.into_iter().map(row).collect()
}

/// The GPUs of a worker, and what it can encode with.
fn hardware(card: &WorkerCard) -> String {
    let machine = &card.machine;
    let encoders = match machine.encoders.as_slice() {
        [] => "no hardware encoder works".to_owned(),
        encoders => format!("encoders {}", encoders.join(", ")),
    };
    format!("{} has {}; {encoders}", card.worker, words::count(machine.gpus.into(), "GPU"))
}

fn row(card: &WorkerCard) -> Vec<String> {
    let now_ms = words::now_ms();
    let since = |ms: u64| words::duration(now_ms.saturating_sub(ms));
    let queues: Vec<&str> =
        card.lanes.iter().filter(|lane| !lane.contains('/')).map(String::as_str).collect();
    vec![
        card.worker.to_string(),
        if card.draining { format!("{} (draining)", card.held) } else { card.held.to_string() },
        match &card.adaptive {
            Some(follows) => format!("{} of {} (auto)", card.slots, follows.slots_max),
            None => card.slots.to_string(),
        },
        words::bytes(u64::from(card.memory_mib) << 20),
        queues.join(", "),
        since(card.started_ms),
        format!("{} ago", since(card.seen_ms)),
    ]
}
