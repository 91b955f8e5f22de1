//! Limits that tasks share over all runs: asking for a place or a start, and who has which.

use crate::error::StoreError;
use async_trait::async_trait;
use reelmill_lifecycle::limits::{RateRow, Row, Standing, is_whole};
pub use reelmill_lifecycle::{Admission, Asks, PlaceAsk, StartAsk};
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{LimitKind, RunId, TaskNo, TaskRef, Token};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whoever has a place of a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The run.
    pub run: RunId,
    /// The task; none when the whole run has it.
    pub task: Option<TaskNo>,
    /// The path of the task, where somebody has looked it up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
    /// Whether it is kept for a task whose turn has come and that no worker has taken yet.
    pub kept: bool,
}

/// Whoever waits for a limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiter {
    /// The task.
    pub task: TaskRef,
    /// Since when, in milliseconds since the epoch.
    pub since_ms: u64,
    /// Of a rate: when it may start, in milliseconds since the epoch.
    pub at_ms: Option<u64>,
}

/// A limit that somebody uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitView {
    /// What is limited.
    pub limit: LimitKind,
    /// The key.
    pub key: String,
    /// Places, or starts, as the pipeline that asked last has it.
    pub most: u32,
    /// Of a rate: in how many milliseconds.
    pub per_ms: Option<u64>,
    /// Who has a place, longest first.
    pub holders: Vec<Seat>,
    /// How many tasks wait.
    pub waiting: u64,
    /// The first of them, in line; at most `limits::PAGE_ROWS_MAX`.
    pub line: Vec<Waiter>,
}

/// The limits of a store.
#[async_trait]
pub trait Limits: Send + Sync {
    /// Asks for everything that a leased task needs before it may start. It has it from then on, until its attempt ends
    /// in whatever way; or it is parked: delayed and no longer leased, and readied when it is its turn.
    async fn admit(&self, task: TaskRef, token: Token, asks: Asks) -> Result<Admission, StoreError>;

    /// Takes back what nobody has any right to any more and gives it to those who wait, for up to `limit` limits; says how
    /// many tasks were readied. What ends in the ordinary way needs no mending.
    async fn mend_limits(&self, limit: usize) -> Result<usize, StoreError>;

    /// The limits that somebody uses, by kind and key; of one key, when that is asked for.
    async fn limits(&self, only: Option<(LimitKind, &str)>) -> Result<Vec<LimitView>, StoreError>;
}

/// Puts views together from rows, in whatever order those are.
#[must_use]
pub fn views(
    rows: impl IntoIterator<Item = Row>,
    rates: impl IntoIterator<Item = (String, RateRow)>,
    now_ms: u64,
) -> Vec<LimitView> {
    let mut found: BTreeMap<String, (LimitView, Vec<Row>)> = BTreeMap::new();
    for (key, rate) in rates {
        let busy = rate.promised_us > now_ms.saturating_mul(1_000);
        if let Some(view) = empty(&key, rate.limit, Some(rate.per_ms)).filter(|_| busy) {
            found.insert(key, (view, Vec::new()));
        }
    }
    for row in rows {
        let Some(view) = empty(&row.key, row.limit, None) else { continue };
        found.entry(row.key.clone()).or_insert_with(|| (view, Vec::new())).1.push(row);
    }
    found.into_values().map(|(view, rows)| filled(view, rows)).collect()
}

fn empty(key: &str, most: u32, per_ms: Option<u64>) -> Option<LimitView> {
    let (kind, key) = key.split_once(':')?;
    let limit = LimitKind::from_word(kind)?;
    let key = key.to_owned();
    Some(LimitView { limit, key, most, per_ms, holders: Vec::new(), waiting: 0, line: Vec::new() })
}

fn filled(mut view: LimitView, mut rows: Vec<Row>) -> LimitView {
    rows.sort_by_key(|row| (row.since_ms, row.who));
    if let Some(latest) = rows.last() {
        view.most = latest.limit;
    }
    let seats = rows.iter().filter(|row| row.standing.takes_place());
    view.holders = seats
        .map(|row| Seat {
            run: row.who.run,
            task: (!is_whole(row.who)).then_some(row.who.task),
            path: None,
            since_ms: row.since_ms,
            kept: row.standing == Standing::Kept,
        })
        .collect();
    rows.retain(|row| !row.standing.takes_place());
    rows.sort_by_key(|row| (row.line, row.who));
    view.waiting = rows.len() as u64;
    let waiter = |row: &Row| Waiter {
        task: row.who,
        since_ms: row.since_ms,
        at_ms: (row.standing == Standing::Promised).then(|| row.until.div_ceil(1_000)),
    };
    view.line = rows.iter().take(PAGE_ROWS_MAX).map(waiter).collect();
    view
}
