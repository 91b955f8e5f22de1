//! Starts of a `rate_limit`: now, or promised for later.
//!
//! Who has to wait is promised a moment of its own, so that those who wait do not all come back at once, and do so in
//! the order in which they came. A promise is no start: who comes back later than promised (no worker was free) starts
//! only if the rate allows it then, so that starts never come closer than the rate says.

use super::StartAsk;
use super::book::{Book, RateRow, Row, Standing};
use crate::rate::{Admission, Arrival};
use reelmill_model::{LimitKind, TaskRef, Token};

/// The answer to one who asks for a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAnswer {
    /// It may start.
    Now,
    /// It comes back at this moment, in milliseconds.
    At(u64),
}

/// Asks for a start of a leased task.
pub fn ask<B: Book>(
    book: &mut B,
    now_ms: u64,
    who: TaskRef,
    ask: &StartAsk,
) -> Result<StartAnswer, B::Error> {
    let key = format!("{}:{}", LimitKind::Rate, ask.key);
    let moment_us = now_ms.saturating_mul(1_000);
    let mut kept = book.rate(&key)?.unwrap_or_default();
    (kept.limit, kept.per_ms) = ask.limit;
    let promised = book.get(&key, who)?.filter(|row| row.standing == Standing::Promised);
    if let Some(early) = promised.as_ref().filter(|row| row.until > moment_us) {
        return Ok(StartAnswer::At(early.until.div_ceil(1_000)));
    }
    // Who was promised a start asks the starts that were made; who comes anew also minds those that were promised.
    let arrival = if promised.is_some() { kept.made_us } else { kept.promised_us.max(kept.made_us) };
    match ask.rate.admit(Arrival(arrival), moment_us) {
        Admission::Now(next) => {
            if promised.is_some() {
                book.remove(&key, who)?;
            }
            let made_us = match ask.rate.admit(Arrival(kept.made_us), moment_us) {
                Admission::Now(made) => made.0,
                Admission::Later(_) => next.0,
            };
            book.put_rate(&key, RateRow { made_us, promised_us: kept.promised_us.max(next.0), ..kept })?;
            Ok(StartAnswer::Now)
        }
        Admission::Later(_) => promise(book, key, kept, now_ms, who, ask),
    }
}

fn promise<B: Book>(
    book: &mut B,
    key: String,
    kept: RateRow,
    now_ms: u64,
    who: TaskRef,
    ask: &StartAsk,
) -> Result<StartAnswer, B::Error> {
    let last = kept.promised_us.max(kept.made_us);
    let at_us = last.saturating_sub(ask.rate.tolerance_us()).max(now_ms.saturating_mul(1_000) + 1);
    let promised_us = last.max(at_us) + ask.rate.interval_us();
    book.put_rate(&key, RateRow { promised_us, ..kept })?;
    book.put(Row {
        key,
        who,
        standing: Standing::Promised,
        token: Token(0),
        until: at_us,
        since_ms: now_ms,
        limit: ask.limit.0,
        owner: String::new(),
        line: (0, at_us),
    })?;
    Ok(StartAnswer::At(at_us.div_ceil(1_000)))
}
