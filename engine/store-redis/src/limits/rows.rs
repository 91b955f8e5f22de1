//! What Redis keeps of limits, as rows; and the tasks that they name.

use crate::error::Trouble;
use crate::graphs::Graphs;
use crate::keys::{Keys, task_of};
use crate::reading::{self, Reading};
use crate::wire::Wire;
use redis::{Cmd, cmd};
use reelmill_lifecycle::limits::{RateRow, Row, Standing, is_whole, keeps, parked};
use reelmill_lifecycle::{Damage, TaskRow};
use reelmill_model::limits::PAGE_ROWS_MAX;
use reelmill_model::{RunId, TaskNo, TaskRef, Token};
use std::collections::HashMap;

/// A limit and what is kept of it.
pub struct Found {
    /// Its kind and key.
    pub limit: String,
    /// Who stands how.
    pub rows: Vec<Row>,
    /// What is kept of it as a rate.
    pub rate: Option<RateRow>,
}

impl Found {
    /// Whether nobody uses it any more.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.rate.is_none()
    }
}

/// What a row names, as it is.
pub enum Truth {
    /// A run; whether it is over.
    Run(bool),
    /// A task, if it is there.
    Task(Option<Box<TaskRow>>),
}

/// The limits of a partition, or one of them.
pub fn all(wire: &mut Wire, keys: &Keys, only: Option<&str>) -> Result<Vec<Found>, Trouble> {
    let names: Vec<String> = match only {
        Some(limit) => vec![limit.to_owned()],
        None => wire.query(cmd("SMEMBERS").arg(keys.named("limits")))?,
    };
    let mut found = Vec::with_capacity(names.len());
    for limit in names {
        let rows = rows(wire, keys, &limit)?;
        let rate = rate(wire, keys, &limit)?;
        found.push(Found { limit, rows, rate });
    }
    Ok(found)
}

fn rate(wire: &mut Wire, keys: &Keys, limit: &str) -> Result<Option<RateRow>, Trouble> {
    let kept: HashMap<String, u64> = wire.query(cmd("HGETALL").arg(keys.named(&format!("rate:{limit}"))))?;
    let field = |name: &str| kept.get(name).copied().unwrap_or(0);
    Ok((!kept.is_empty()).then(|| RateRow {
        made_us: field("made"),
        promised_us: field("promised"),
        late_us: field("late"),
        limit: u32::try_from(field("starts")).unwrap_or(u32::MAX),
        per_ms: field("per_ms"),
    }))
}

/// Seats, all of them, then the first in line, then promises.
fn rows(wire: &mut Wire, keys: &Keys, limit: &str) -> Result<Vec<Row>, Trouble> {
    let named = |kind: &str| keys.named(&format!("{kind}:{limit}"));
    let pairs = |wire: &mut Wire, command: &Cmd| wire.query::<Vec<(Vec<u8>, Vec<u8>)>>(command);
    let mut found = Vec::new();
    for (who, row) in pairs(wire, cmd("HGETALL").arg(named("seat")))? {
        found.push(seat(limit, &who, &row)?);
    }
    let line: Vec<Vec<u8>> = wire.query(cmd("ZRANGE").arg(named("line")).arg(0).arg(2 * PAGE_ROWS_MAX))?;
    if !line.is_empty() {
        let rows: Vec<Option<Vec<u8>>> = wire.query(cmd("HMGET").arg(named("wait")).arg(&line))?;
        for ((place, who), row) in (1..).zip(&line).zip(rows) {
            found.extend(row.map(|row| waiter(limit, who, &row, place)).transpose()?);
        }
    }
    for (who, row) in pairs(wire, cmd("HGETALL").arg(named("promise")))? {
        found.push(promise(limit, &who, &row)?);
    }
    Ok(found)
}

/// Reads numbers from the front of bytes.
struct Front<'a>(&'a [u8]);

impl Front<'_> {
    fn number(&mut self, bytes: usize) -> Result<u64, Damage> {
        let (front, rest) =
            self.0.split_at_checked(bytes).ok_or_else(|| Damage("a row of a limit is cut off".into()))?;
        self.0 = rest;
        Ok(front.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn rest(&self) -> String {
        String::from_utf8_lossy(self.0).into_owned()
    }
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn seat(limit: &str, who: &[u8], row: &[u8]) -> Result<Row, Damage> {
    let mut front = Front(row);
    let standing = if front.number(1)? == 0 { Standing::Held } else { Standing::Kept };
    let (token, until, since_ms) = (Token(front.number(8)?), front.number(8)?, front.number(8)?);
    let (most, turn) = (small(front.number(4)?), front.number(8)?);
    let (key, who, owner) = (limit.to_owned(), task_of(who)?, front.rest());
    Ok(Row { key, who, standing, token, until, since_ms, limit: most, owner, line: (turn, 0) })
}

fn waiter(limit: &str, who: &[u8], row: &[u8], place: u64) -> Result<Row, Damage> {
    let mut front = Front(row);
    let (since_ms, most) = (front.number(8)?, small(front.number(4)?));
    front.number(8)?;
    let (key, who, owner) = (limit.to_owned(), task_of(who)?, front.rest());
    let (standing, token) = (Standing::Waits, Token(0));
    Ok(Row { key, who, standing, token, until: 0, since_ms, limit: most, owner, line: (0, place) })
}

fn promise(limit: &str, who: &[u8], row: &[u8]) -> Result<Row, Damage> {
    let mut front = Front(row);
    let (until, since_ms, most) = (front.number(8)?, front.number(8)?, small(front.number(4)?));
    let (key, who, standing) = (limit.to_owned(), task_of(who)?, Standing::Promised);
    let owner = String::new();
    Ok(Row { key, who, standing, token: Token(0), until, since_ms, limit: most, owner, line: (0, until) })
}

/// What rows of one run name, as it is now. The keys are those of the run's partition.
pub fn truths(
    wire: &mut Wire,
    keys: &Keys,
    graphs: &Graphs,
    run: RunId,
    whos: &[TaskRef],
) -> Result<Vec<Truth>, Trouble> {
    let numbers: Vec<TaskNo> = whos.iter().filter(|who| !is_whole(**who)).map(|who| who.task).collect();
    let asked = numbers.len() < whos.len();
    let over =
        asked && reading::runs(wire, keys, graphs, &[run])?.pop().is_none_or(|run| run.state.is_terminal());
    let tasks = match Reading::of(wire, keys, graphs, run)? {
        Some(mut reading) => reading.tasks(&numbers)?,
        None => Vec::new(),
    };
    let mut tasks: HashMap<TaskNo, TaskRow> = tasks.into_iter().map(|task| (task.no, task)).collect();
    let truth = |who: &TaskRef| {
        if is_whole(*who) { Truth::Run(over) } else { Truth::Task(tasks.remove(&who.task).map(Box::new)) }
    };
    Ok(whos.iter().map(truth).collect())
}

impl Truth {
    /// Whether what a row says is still so.
    pub fn keeps(&self, row: &Row) -> bool {
        match self {
            Self::Run(over) => !over,
            Self::Task(task) => keeps(task.as_deref(), row.standing, row.token),
        }
    }

    /// Whether it is a task that waits for a limit.
    pub fn is_parked(&self) -> bool {
        matches!(self, Self::Task(Some(task)) if parked(task).is_some())
    }
}
