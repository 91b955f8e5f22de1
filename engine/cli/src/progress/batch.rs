//! Following a batch: how many of its rows have ended.

use super::{EVENTS_PAGE, TICK, sentence};
use crate::output::Output;
use crate::words;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reelmill_control::Control;
use reelmill_model::{EventKind, RunId};
use reelmill_ports::{EventQuery, StoreError};
use std::collections::HashSet;
use std::io::IsTerminal as _;

/// Shows a batch until these runs, the ones that have not ended, have.
pub async fn follow_batch(
    control: &Control,
    rows: u64,
    open: Vec<RunId>,
    output: Output,
) -> Result<(), StoreError> {
    let mut open: HashSet<RunId> = open.into_iter().collect();
    let bar = bar(rows, rows.saturating_sub(open.len() as u64));
    let (mut after, mut seen) = (0, 0);
    while !open.is_empty() {
        let query = EventQuery {
            kinds: vec![EventKind::RunEnded],
            after,
            limit: EVENTS_PAGE,
            ..EventQuery::default()
        };
        let events = control.events.events(query).await?;
        for event in &events {
            after = event.cursor;
            // A run that was retried has ended before; only its present state counts.
            let ended = open.contains(&event.run)
                && control.store.run(event.run).await?.is_none_or(|run| run.state.is_terminal());
            if ended && open.remove(&event.run) {
                bar.inc(1);
                if let Some(said) = sentence(event, "") {
                    let time = words::time_of_day(event.at_ms);
                    let line = format!("{time} {}", output.paint(said.tone, &said.text));
                    if bar.is_hidden() { eprintln!("{line}") } else { bar.println(line) }
                }
            }
        }
        if events.len() < EVENTS_PAGE && !open.is_empty() {
            seen = control.events.wait_event(seen.max(after), TICK).await;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

/// A bar of rows; hidden where there is no terminal.
fn bar(rows: u64, done: u64) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(rows), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} rows · {eta} left") {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.set_position(done);
    bar.enable_steady_tick(TICK);
    bar
}
