//! Starts of a `rate_limit`: now, or promised for later.
//!
//! Who has to wait is promised a moment of its own, so that those who wait do not all come back at once, and do so in
//! the order in which they came. A promise is no start: who comes back much later than promised (no worker was free) starts
//! only if the rate allows it then, or is told another moment, before those who come anew. Who comes back within half an
//! interval is counted at its moment, so that being a little late does not slow everybody down. So within any time there
//! are at most as many starts as a burst and the rate allow for that time and half an interval.

use super::StartAsk;
use super::book::{Book, Row, Standing};
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
    let arrival = if promised.is_some() { kept.made_us } else { kept.last_us() };
    match (ask.rate.admit(Arrival(arrival), moment_us), promised) {
        (Admission::Now(next), None) => {
            kept.made_us = kept.made_us.max(moment_us) + ask.rate.interval_us();
            kept.promised_us = next.0;
            book.put_rate(&key, kept)?;
            Ok(StartAnswer::Now)
        }
        (Admission::Now(_), Some(promise)) => {
            let counted_us = promise.until.max(moment_us.saturating_sub(ask.rate.interval_us() / 2));
            kept.made_us = kept.made_us.max(counted_us) + ask.rate.interval_us();
            kept.promised_us = kept.promised_us.max(kept.made_us);
            book.remove(&key, who)?;
            book.put_rate(&key, kept)?;
            Ok(StartAnswer::Now)
        }
        (Admission::Later(_), promised) => {
            let last_us = if promised.is_some() { kept.late_us.max(kept.made_us) } else { kept.last_us() };
            let at_us = last_us.saturating_sub(ask.rate.tolerance_us()).max(moment_us + 1);
            let next_us = last_us.max(at_us) + ask.rate.interval_us();
            if promised.is_some() {
                kept.late_us = next_us;
            }
            kept.promised_us = kept.promised_us.max(next_us);
            book.put_rate(&key, kept)?;
            book.put(promise(key, who, ask, now_ms, at_us))?;
            Ok(StartAnswer::At(at_us.div_ceil(1_000)))
        }
    }
}

fn promise(key: String, who: TaskRef, ask: &StartAsk, since_ms: u64, at_us: u64) -> Row {
    Row {
        key,
        who,
        standing: Standing::Promised,
        token: Token(0),
        until: at_us,
        since_ms,
        limit: ask.limit.0,
        owner: String::new(),
        line: (0, at_us),
    }
}
