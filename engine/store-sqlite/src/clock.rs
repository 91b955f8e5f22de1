//! The clock of the machine.

use reelmill_ports::Clock;
use std::time::{SystemTime, UNIX_EPOCH};

/// The wall clock. It is the only clock that several processes share, so leases go by it; a jump backwards
/// makes leases last longer, a jump forwards makes them expire, and fencing keeps both harmless.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
