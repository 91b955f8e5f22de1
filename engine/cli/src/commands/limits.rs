//! `reelmill limits`: who has the places of limits that runs share, and who waits for them.

use super::Context;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone, table};
use crate::words;
use reelmill_model::LimitKind;
use reelmill_ports::{LimitView, Seat};
use serde_json::json;

/// Holders that are named in the table; more are counted.
const HOLDERS_NAMED_MAX: usize = 3;

/// Show limits that runs share: who has the places, and who waits
#[derive(clap::Args)]
#[command(after_help = "A limit is shown for as long as somebody has a place, waits, or has started lately.
`concurrency` of a pipeline lets runs wait, that of a stage lets tasks wait, `rate_limit` spaces the starts of tasks.

Examples:
  reelmill limits
  reelmill limits gpu          one key
  reelmill limits -o json      everybody who has a place, and the first 200 in line
  reelmill why last encode     what a certain task waits for")]
pub struct Limits {
    /// Only limits of this key
    key: Option<String>,
}

impl Limits {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        let control = engine::open(cx)?.control;
        let named = if cx.output.is_json() { usize::MAX } else { HOLDERS_NAMED_MAX };
        let mut limits = engine::block_on(async { Ok(control.limits_in_use(named).await?) })?;
        limits.retain(|limit| self.key.as_ref().is_none_or(|key| *key == limit.key));
        show(&limits, cx.output)?;
        Ok(Exit::Ok)
    }
}

fn show(limits: &[LimitView], output: Output) -> anyhow::Result<()> {
    if output.is_json() {
        return output.json(&json!({ "limits": limits }));
    }
    if limits.is_empty() {
        return output.text("no limit is in use");
    }
    let head = ["limit", "key", "allows", "taken", "wait", "held by"];
    let mut rows = vec![head.map(|word| output.paint(Tone::Faint, word)).to_vec()];
    rows.extend(limits.iter().map(row));
    output.text(&table(&rows))
}

fn row(view: &LimitView) -> Vec<String> {
    let (what, allows) = match view.limit {
        LimitKind::Rate => {
            let per = words::duration(view.per_ms.unwrap_or_default());
            ("rate_limit", format!("{} in {per}", view.most))
        }
        LimitKind::Tasks => ("concurrency", words::count(u64::from(view.most), "task")),
        LimitKind::Runs => ("concurrency", words::count(u64::from(view.most), "run")),
    };
    let mut names: Vec<String> = view.holders.iter().take(HOLDERS_NAMED_MAX).map(name).collect();
    let more = view.holders.len() - names.len();
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    let taken = if view.limit == LimitKind::Rate { String::new() } else { view.holders.len().to_string() };
    vec![what.to_owned(), view.key.clone(), allows, taken, view.waiting.to_string(), names.join(", ")]
}

fn name(seat: &Seat) -> String {
    match (&seat.path, seat.task) {
        (Some(path), _) => format!("{}/{path}", seat.run),
        (None, Some(task)) => format!("{}/{task}", seat.run),
        (None, None) => seat.run.to_string(),
    }
}
