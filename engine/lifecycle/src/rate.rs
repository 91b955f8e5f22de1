//! How often something may start: the generic cell rate algorithm, in its virtual scheduling form (ATM Forum,
//! Traffic Management Specification 4.0, af-tm-0056.000, section 4.4.2 and annex C.1).
//!
//! It keeps one number for each key, the theoretical arrival time: the moment at which the next start would come
//! if all came evenly. A start conforms when it is not earlier than that moment less a tolerance. With a limit of
//! `n` starts in `p`, starts are `p / n` apart, and the tolerance lets `n` of them come at once after a pause.
//!
//! Decides only: whoever keeps the number asks, and writes what is answered ([`crate::limits`]). Times are microseconds
//! since the epoch: exact in a double, which is all that a script in Redis has.

/// A rule: so many starts in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time between starts that come evenly. Invariant: at least one.
    interval_us: u64,
    /// How much earlier than its time a start may come.
    tolerance_us: u64,
}

/// What is kept of a key: its theoretical arrival time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival(pub u64);

/// The answer to whoever wants to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may start; this is to be kept.
    Now(Arrival),
    /// It may ask again at this moment; nothing changes.
    Later(u64),
}

impl Rate {
    /// `limit` starts in `per_ms` milliseconds, of which `burst` may come at once after a pause; what asks for none is
    /// taken for one. Times between starts are rounded up, so that the rate is never more than was asked for.
    #[must_use]
    pub fn new(limit: u32, per_ms: u64, burst: u32) -> Self {
        let interval_us = per_ms.saturating_mul(1_000).div_ceil(u64::from(limit.max(1))).max(1);
        Self { interval_us, tolerance_us: interval_us.saturating_mul(u64::from(burst.max(1) - 1)) }
    }

    /// Time between starts that come evenly.
    #[must_use]
    pub fn interval_us(self) -> u64 {
        self.interval_us
    }

    /// How much earlier than its time a start may come: all but one of a whole burst at once.
    #[must_use]
    pub fn tolerance_us(self) -> u64 {
        self.tolerance_us
    }

    /// Whether something may start at `now_us`, given what is kept of its key.
    #[must_use]
    pub fn admit(self, kept: Arrival, now_us: u64) -> Admission {
        let earliest = kept.0.saturating_sub(self.tolerance_us);
        if now_us < earliest {
            return Admission::Later(earliest);
        }
        Admission::Now(Arrival(kept.0.max(now_us).saturating_add(self.interval_us)))
    }
}
