//! How often something may start: the generic cell rate algorithm, in its virtual scheduling form (ATM Forum,
//! Traffic Management Specification 4.0, af-tm-0056.000, section 4.4.2 and annex C.1).
//!
//! It keeps one number for each key, the theoretical arrival time: the moment at which the next start would come
//! if all came evenly. A start conforms when it is not earlier than that moment less a tolerance. With a limit of
//! `n` starts in `p`, starts are `p / n` apart, and the tolerance lets `n` of them come at once after a pause.
//!
//! Decides only: whoever keeps the number asks, and writes what is answered. No pipeline can ask yet: `rate_limit`
//! is refused until the stores keep the number.

/// A rule: so many starts in such a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    // Invariant: at least one.
    limit: u32,
    // Invariant: at least one nanosecond for each start.
    per_ns: u128,
}

/// What is kept of a key: its theoretical arrival time, in nanoseconds since the epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival(pub u128);

/// The answer to whoever wants to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may start; this is to be kept.
    Now(Arrival),
    /// It may ask again at this moment, in nanoseconds since the epoch; nothing changes.
    Later(u128),
}

impl Rate {
    /// `limit` starts in `per_ms` milliseconds; what asks for none is taken for one.
    #[must_use]
    pub fn new(limit: u32, per_ms: u64) -> Self {
        let limit = limit.max(1);
        Self { limit, per_ns: (u128::from(per_ms) * 1_000_000).max(u128::from(limit)) }
    }

    /// Time between starts that come evenly.
    fn interval(self) -> u128 {
        self.per_ns / u128::from(self.limit)
    }

    /// How much earlier than its time a start may come: all but one of a whole limit at once.
    fn tolerance(self) -> u128 {
        self.interval() * u128::from(self.limit - 1)
    }

    /// Whether something may start at `now_ns`, given what is kept of its key.
    #[must_use]
    pub fn admit(self, kept: Arrival, now_ns: u128) -> Admission {
        let earliest = kept.0.saturating_sub(self.tolerance());
        if now_ns < earliest {
            return Admission::Later(earliest);
        }
        Admission::Now(Arrival(kept.0.max(now_ns) + self.interval()))
    }
}
