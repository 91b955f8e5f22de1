//! Limits that tasks share over all runs: places of a `concurrency`, starts of a `rate_limit`.
//!
//! What is known of a limit are rows: who has a place, who waits in line, which start was promised to whom. A store
//! keeps them ([`Book`]); what follows from a question, or from the end of an attempt, is decided here, so that no two
//! stores disagree. The rules in a script of Redis are the same, and the same cases of the conformance suite ask.
//!
//! A place belongs to a task under one token, or to a run until that has ended. Whoever asks has been leased: the key
//! is an expression, and those are evaluated by workers.

mod book;
mod places;
mod starts;
mod transact;

pub use book::{Book, Ledger, RateRow, Row, Standing};
pub use places::{PlaceAnswer, ask as ask_place, serve};
pub use starts::{StartAnswer, ask as ask_start};

use crate::rate::Rate;
use crate::rows::TaskRow;
use crate::settle;
use crate::transaction::Source;
use crate::work::Work;
use reelmill_graph::OnLimit;
use reelmill_model::{EventKind, LimitKind, Parked, RunId, TaskNo, TaskRef, TaskState, Token};
use serde_json::{Value, json};

/// The number that stands for a run as a whole, which is no task.
const WHOLE_RUN: TaskNo = TaskNo(u32::MAX);

/// A run as the holder of a place.
#[must_use]
pub fn whole(run: RunId) -> TaskRef {
    TaskRef { run, task: WHOLE_RUN }
}

/// Whether that is a run as a whole.
#[must_use]
pub fn is_whole(who: TaskRef) -> bool {
    who.task == WHOLE_RUN
}

/// A leased task that wants a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlaceAsk {
    /// For its run or for itself.
    pub kind: LimitKind,
    /// The key.
    pub key: String,
    /// How many places there are.
    pub limit: u32,
    /// What happens when all are taken.
    pub on_limit: OnLimit,
    /// With `round_robin`: whose turn it is when it is this one's.
    pub owner: String,
}

impl PlaceAsk {
    /// Who has the place.
    #[must_use]
    pub fn holder(&self, who: TaskRef) -> TaskRef {
        if self.kind == LimitKind::Runs { whole(who.run) } else { who }
    }
}

/// A leased task that wants to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartAsk {
    /// The key.
    pub key: String,
    /// The rule.
    pub rate: Rate,
    /// The rule as the pipeline has it, for people: starts, milliseconds.
    pub limit: (u32, u64),
}

/// Everything that a leased task needs before it may start. It gets all of it or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// Places, in the order in which they are taken.
    pub places: Vec<PlaceAsk>,
    /// A start, which is taken last: it cannot be given back.
    pub start: Option<StartAsk>,
}

impl Asks {
    /// Whether nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty() && self.start.is_none()
    }
}

/// The answer to a leased task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may start.
    Granted,
    /// It waits; it is leased no longer.
    Parked(Parked),
    /// All places of that key are taken, and it does not want to wait.
    Full(Parked),
    /// It is not leased under this token any more.
    Lost,
}

/// Why a run is cancelled that was at work longest.
#[must_use]
pub fn gave_way(to: RunId, key: &str) -> String {
    format!("run {to} took its place: `concurrency` of `{key}` cancels the oldest")
}

/// What a delayed task waits for, when that is a limit. It stands in its outputs until it is ready.
#[must_use]
pub fn parked(task: &TaskRow) -> Option<Parked> {
    let waits = task.state == TaskState::Delayed;
    waits.then(|| serde_json::from_value(task.outputs.get(PARKED)?.clone()).ok()).flatten()
}

const PARKED: &str = "parked";

/// Takes a leased task out of its worker's hands until `until_ms`, as if it had never been leased; false when it is not
/// leased under that token.
pub fn park<S: Source>(
    work: &mut Work<'_, S>,
    no: TaskNo,
    token: Token,
    why: &Parked,
    until_ms: u64,
) -> Result<bool, S::Error> {
    if !holds(work, no, token)? {
        return Ok(false);
    }
    if work.task(no)?.cancel {
        settle::finish(work, no, TaskState::Cancelled)?;
        return Ok(true);
    }
    let path = work.path(no)?;
    let task = work.enter(no, TaskState::Delayed)?;
    let attempt = task.attempts;
    task.attempts = attempt.saturating_sub(1);
    task.worker = None;
    task.until_ms = Some(until_ms);
    task.outputs = json!({ PARKED: why });
    let data = json!({ "path": path, "limit": why.limit, "key": why.key, "until_ms": until_ms });
    work.task_event(EventKind::TaskParked, no, attempt, data);
    Ok(true)
}

/// Whether a task is leased under a token.
pub fn holds<S: Source>(work: &mut Work<'_, S>, no: TaskNo, token: Token) -> Result<bool, S::Error> {
    Ok(work.find_task(no)?.is_some_and(|task| task.state == TaskState::Leased && task.token == token))
}

/// Readies a task that waits for a limit; says whether it was one.
pub fn unpark<S: Source>(work: &mut Work<'_, S>, no: TaskNo) -> Result<bool, S::Error> {
    if work.find_task(no)?.and_then(parked).is_none() {
        return Ok(false);
    }
    work.task_mut(no)?.outputs = Value::Null;
    work.ready(no).map(|()| true)
}

/// Whether what a task has at a limit stays its own in this state. `None`: there is no such task any more.
#[must_use]
pub fn keeps(task: Option<&TaskRow>, standing: Standing, token: Token) -> bool {
    let Some(task) = task else { return false };
    match (task.state, standing) {
        (TaskState::Leased, Standing::Held) => task.token == token,
        (TaskState::Leased | TaskState::Ready, Standing::Kept | Standing::Waits | Standing::Promised) => true,
        (TaskState::Delayed, Standing::Kept | Standing::Waits | Standing::Promised) => parked(task).is_some(),
        _ => false,
    }
}
