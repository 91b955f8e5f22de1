//! Places of a `concurrency`: who gets one, who waits, and who is next.

use super::book::{Book, Row, Standing};
use super::{PlaceAsk, is_whole, whole};
use reelmill_graph::OnLimit;
use reelmill_model::limits::PLACE_KEPT_MS;
use reelmill_model::{LimitKind, RunId, TaskRef, Token};

/// The answer to one who asks for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceAnswer {
    /// It has one. These runs lost theirs and are to be cancelled.
    Seated(Vec<RunId>),
    /// It waits in line.
    Waits,
    /// There is none for it.
    Full,
}

/// Asks for a place for a task that is leased under a token.
pub fn ask<B: Book>(
    book: &mut B,
    now_ms: u64,
    who: TaskRef,
    token: Token,
    ask: &PlaceAsk,
) -> Result<PlaceAnswer, B::Error> {
    let (key, holder) = (format!("{}:{}", ask.kind, ask.key), ask.holder(who));
    let seated = book.get(&key, holder)?.filter(|row| row.standing.takes_place());
    let waiting = book.get(&key, who)?.filter(|row| row.standing == Standing::Waits);
    let mine = seated.as_ref().or(waiting.as_ref());
    let (line, since_ms) = match mine {
        Some(row) => (row.line, if row.standing == Standing::Held { row.since_ms } else { now_ms }),
        None => (spot(book, &key, who, ask)?, now_ms),
    };
    let row = Row {
        key,
        who: holder,
        standing: Standing::Held,
        token: if is_whole(holder) { Token(0) } else { token },
        until: 0,
        since_ms,
        limit: ask.limit,
        owner: ask.owner.clone(),
        line,
    };
    // Who waits already goes first.
    let first = book.first(&row.key)?;
    let turn = first.is_none_or(|first| first.who == who || first.who.run == holder.run && is_whole(holder));
    if seated.is_some() || turn && book.taken(&row.key)? < ask.limit {
        book.remove(&row.key, who)?;
        book.put(row)?;
        return Ok(PlaceAnswer::Seated(Vec::new()));
    }
    match ask.on_limit {
        OnLimit::Queue | OnLimit::RoundRobin => {
            let since_ms = waiting.map_or(now_ms, |row| row.since_ms);
            book.put(Row { who, standing: Standing::Waits, token: Token(0), since_ms, ..row })?;
            Ok(PlaceAnswer::Waits)
        }
        OnLimit::CancelOldest => {
            let mut instead = Vec::new();
            while book.taken(&row.key)? >= ask.limit {
                let Some(oldest) = book.oldest(&row.key)? else { break };
                book.remove(&row.key, oldest.who)?;
                instead.push(oldest.who.run);
            }
            book.put(row)?;
            Ok(PlaceAnswer::Seated(instead))
        }
        OnLimit::Reject => Ok(PlaceAnswer::Full),
    }
}

/// The place in line of one who comes anew. With turns, an owner's next one comes a turn after its last one, and after
/// those who have a place now; so owners without any come first (start-time fair queueing, with every turn of length
/// one).
fn spot<B: Book>(book: &mut B, key: &str, who: TaskRef, ask: &PlaceAsk) -> Result<(u64, u64), B::Error> {
    // All tasks of a run that wait for the run's place stand together.
    if ask.kind == LimitKind::Runs
        && let Some(comrade) = book.comrade(key, who)?
    {
        return Ok(comrade.line);
    }
    let (current, own, last) = book.turns(key, &ask.owner)?;
    let turn = match ask.on_limit {
        OnLimit::RoundRobin => own.map_or(current, |own| current.max(own + 1)),
        OnLimit::Queue | OnLimit::Reject | OnLimit::CancelOldest => current,
    };
    Ok((turn, last + 1))
}

/// Gives free places to those who are next in line; says which tasks are to be readied.
pub fn serve<B: Book>(book: &mut B, key: &str, now_ms: u64) -> Result<Vec<TaskRef>, B::Error> {
    let mut served = Vec::new();
    while let Some(first) = book.first(key)? {
        let of_run = key.starts_with(LimitKind::Runs.word());
        let holder = if of_run { whole(first.who.run) } else { first.who };
        let seated = of_run && book.get(key, holder)?.is_some();
        if !seated && book.taken(key)? >= first.limit {
            break;
        }
        served.push(first.who);
        book.remove(key, first.who)?;
        if !seated {
            // A run keeps its place until it has ended; a task has to come for it.
            let (standing, until) = if of_run {
                (Standing::Held, 0)
            } else {
                (Standing::Kept, now_ms.saturating_add(PLACE_KEPT_MS))
            };
            book.put(Row { who: holder, standing, until, since_ms: now_ms, ..first })?;
        }
    }
    Ok(served)
}
