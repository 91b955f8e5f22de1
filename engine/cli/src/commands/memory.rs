//! `reelmill memory`: what is remembered from one run to the next.

use super::Context;
use crate::args;
use crate::engine;
use crate::exit::{CliError, Exit};
use crate::output::{Output, Tone, table};
use crate::words;
use clap::Subcommand;
use reelmill_embedded::memory::{Cleaned, Entry, EntryQuery, Memory, OutcomeQuery, Remembered, Stats, open};
use reelmill_model::limits::{MEMORY_KEPT_MS, PAGE_ROWS_MAX};
use serde_json::{Value, json};
use std::time::Duration;

/// Show what is remembered from one run to the next: values, and outcomes that choices are learned from
#[derive(clap::Args)]
#[command(
    after_help = "Workers remember how long attempts of each stage took and how much memory they used, and what came of \
encodes; `video.encode` with `speed: auto` chooses from that. It is kept for 30 days, in memory.db at home, or for all
machines in a PostgreSQL (--memory-store, $REELMILL_MEMORY). Values are yours: texts or JSON under a namespace and a key.

Examples:
  reelmill memory stats
  reelmill memory outcomes --kind encode        what came of which preset, newest first
  reelmill memory put voices anna '{\"rate\": 1.1}' --tag warm --ttl 7d
  reelmill memory get voices anna
  reelmill memory list voices 'an*' -o json
  reelmill memory clean --older 7d              forget what is older now"
)]
pub struct MemoryCommand {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show how much is remembered
    Stats,
    /// List values, by namespace and key
    List(List),
    /// Print a value
    Get {
        /// Whose it is
        namespace: String,
        /// Its name
        key: String,
    },
    /// Remember a value for a while
    Put(Put),
    /// Forget a value
    Rm {
        /// Whose it is
        namespace: String,
        /// Its name
        key: String,
    },
    /// List what came of things that were done, newest first
    Outcomes(Outcomes),
    /// Forget for good what is old; workers do so every hour
    Clean {
        /// Older than this
        #[arg(long, default_value = "30d", value_parser = args::duration, value_name = "TIME")]
        older: Duration,
    },
}

#[derive(clap::Args)]
struct List {
    /// Only of this namespace
    namespace: Option<String>,
    /// Only keys of this form: `*` is any text, `?` any character
    pattern: Option<String>,
    /// Only with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Go on after this key of the namespace
    #[arg(long, value_name = "KEY", requires = "namespace")]
    after: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

#[derive(clap::Args)]
struct Put {
    /// Whose it is
    namespace: String,
    /// Its name
    key: String,
    /// JSON; what is none is a text
    value: String,
    /// A word it is found by; may be given again
    #[arg(long)]
    tag: Vec<String>,
    /// For how long
    #[arg(long, default_value = "30d", value_parser = args::duration, value_name = "TIME")]
    ttl: Duration,
}

#[derive(clap::Args)]
struct Outcomes {
    /// Only of this kind: `encode`, `attempt`
    #[arg(long)]
    kind: Option<String>,
    /// Only in contexts of this form: `libx264/*`
    #[arg(long, value_name = "PATTERN")]
    context: Option<String>,
    /// Only of this arm
    #[arg(long)]
    arm: Option<String>,
    /// Go on before the one of this number
    #[arg(long, value_name = "NUMBER")]
    before: Option<u64>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
}

impl MemoryCommand {
    pub(super) fn run(self, cx: &Context) -> Result<Exit, CliError> {
        cx.home.make()?;
        let memory = open(&cx.home.root, cx.memory.as_deref())?;
        engine::block_on(self.command.run(&memory, cx.output))
    }
}

impl Command {
    async fn run(self, memory: &Memory, output: Output) -> Result<Exit, CliError> {
        let now_ms = words::now_ms();
        match self {
            Self::Stats => show(output, &memory.stats(now_ms).await?, |stats| stats_text(stats, now_ms))?,
            Self::List(list) => {
                let entries = memory.entries(&list.query(), now_ms).await?;
                show(output, &json!({ "entries": entries }), |_| entries_text(&entries, now_ms, output))?;
            }
            Self::Get { namespace, key } => {
                let Some(entry) = memory.get(&namespace, &key, now_ms).await? else {
                    return missing(&namespace, &key);
                };
                show(output, &entry, |entry| plain(&entry.value))?;
            }
            Self::Put(put) => {
                let entry = put.entry(now_ms);
                memory.put(&entry).await?;
                let for_ms = entry.expires_ms.saturating_sub(now_ms);
                show(output, &entry, |_| format!("remembered for {}", words::duration(for_ms)))?;
            }
            Self::Rm { namespace, key } => {
                if !memory.remove(&namespace, &key).await? {
                    return missing(&namespace, &key);
                }
                show(output, &json!({ "forgotten": true }), |_| "forgotten".to_owned())?;
            }
            Self::Outcomes(outcomes) => {
                let found = memory.outcomes(&outcomes.query()).await?;
                let next = (found.len() == outcomes.limit.min(PAGE_ROWS_MAX))
                    .then(|| found.last().map(|last| last.0));
                let all: Vec<&Remembered> = found.iter().map(|(_, one)| one).collect();
                let document = json!({ "outcomes": all, "next": next.flatten() });
                show(output, &document, |_| outcomes_text(&all, output))?;
            }
            Self::Clean { older } => {
                let older_ms = u64::try_from(older.as_millis()).unwrap_or(MEMORY_KEPT_MS);
                let cleaned = clean(memory, now_ms.saturating_sub(older_ms), now_ms).await?;
                show(output, &cleaned, cleaned_text)?;
            }
        }
        Ok(Exit::Ok)
    }
}

impl List {
    fn query(self) -> EntryQuery {
        let after = self.after.and_then(|key| Some((self.namespace.clone()?, key)));
        let Self { namespace, pattern, tag, limit, .. } = self;
        EntryQuery { namespace, pattern, tag, after, limit }
    }
}

impl Put {
    fn entry(self, now_ms: u64) -> Entry {
        let value = serde_json::from_str(&self.value).unwrap_or(Value::String(self.value));
        let ttl_ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        Entry {
            namespace: self.namespace,
            key: self.key,
            value,
            tags: self.tag,
            put_ms: now_ms,
            expires_ms: now_ms.saturating_add(ttl_ms),
        }
    }
}

impl Outcomes {
    fn query(&self) -> OutcomeQuery {
        OutcomeQuery {
            kind: self.kind.clone(),
            context: self.context.clone(),
            arm: self.arm.clone(),
            before: self.before,
            limit: self.limit,
        }
    }
}

fn missing(namespace: &str, key: &str) -> Result<Exit, CliError> {
    Err(CliError::Usage(format!(
        "nothing is remembered as {key:?} in {namespace:?}; `reelmill memory list` shows what is"
    )))
}

/// Cleans until nothing is left to clean.
async fn clean(memory: &Memory, before_ms: u64, now_ms: u64) -> Result<Cleaned, CliError> {
    let mut all = Cleaned::default();
    loop {
        let some = memory.clean(before_ms, now_ms).await?;
        all.entries += some.entries;
        all.sessions += some.sessions;
        all.events += some.events;
        all.agents += some.agents;
        all.outcomes += some.outcomes;
        if !some.more {
            return Ok(all);
        }
    }
}

fn show<T: serde::Serialize>(
    output: Output,
    value: &T,
    text: impl FnOnce(&T) -> String,
) -> anyhow::Result<()> {
    if output.is_json() { output.json(value) } else { output.text(&text(value)) }
}

/// A value for people and shells: a text without its quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn stats_text(stats: &Stats, now_ms: u64) -> String {
    let since = stats.oldest_ms.map_or_else(String::new, |oldest_ms| {
        format!(", the oldest {} old", words::duration(now_ms.saturating_sub(oldest_ms)))
    });
    format!(
        "{}\n{}{since}\n{} with {}\n{} at work",
        words::count(stats.entries, "value"),
        words::count(stats.outcomes, "outcome"),
        words::count(stats.sessions, "session"),
        words::count(stats.events, "event"),
        words::count(stats.agents, "agent"),
    )
}

fn cleaned_text(cleaned: &Cleaned) -> String {
    format!(
        "forgot {}, {}, {}, {} and {}",
        words::count(cleaned.entries, "value"),
        words::count(cleaned.outcomes, "outcome"),
        words::count(cleaned.sessions, "session"),
        words::count(cleaned.events, "event"),
        words::count(cleaned.agents, "agent"),
    )
}

fn entries_text(entries: &[Entry], now_ms: u64, output: Output) -> String {
    if entries.is_empty() {
        return "nothing is remembered under such a name".to_owned();
    }
    let head = ["namespace", "key", "for", "tags", "value"];
    let mut rows = vec![head.map(|word| output.paint(Tone::Faint, word)).to_vec()];
    rows.extend(entries.iter().map(|entry| {
        let left = words::duration(entry.expires_ms.saturating_sub(now_ms));
        let value: String = plain(&entry.value).chars().take(60).collect();
        vec![entry.namespace.clone(), entry.key.clone(), left, entry.tags.join(" "), value]
    }));
    table(&rows)
}

fn outcomes_text(outcomes: &[&Remembered], output: Output) -> String {
    if outcomes.is_empty() {
        return "no outcomes yet: they come with runs".to_owned();
    }
    let head = ["at", "kind", "context", "arm", "seconds", "size", "score", "host"];
    let mut rows = vec![head.map(|word| output.paint(Tone::Faint, word)).to_vec()];
    rows.extend(outcomes.iter().map(|one| {
        let told = &one.outcome;
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
        vec![
            words::time_of_day(one.at_ms),
            one.kind.clone(),
            told.context.clone(),
            told.arm.clone(),
            number(told.seconds),
            told.bytes.map_or_else(String::new, words::bytes),
            number(told.score),
            one.host.clone(),
        ]
    }));
    table(&rows)
}
