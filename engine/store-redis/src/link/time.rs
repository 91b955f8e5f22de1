//! The moment, as the server tells it.

use crate::error::Trouble;
use crate::fleet::server_ms;
use crate::wire::Wire;
use reelmill_ports::Clock;
use std::sync::Arc;
use std::time::Instant;

/// Seconds for which this machine's own clock is trusted to go on from what the server said.
const TRUSTED_S: u64 = 60;

/// The server's moment.
pub struct Time {
    /// The tests' clock, which the scripts then go by too.
    given: Option<Arc<dyn Clock>>,
    /// The server's clock when it was last heard, and when that was.
    heard: Option<(u64, Instant)>,
}

impl Time {
    /// Nothing is heard yet.
    pub fn of(given: Option<Arc<dyn Clock>>) -> Self {
        Self { given, heard: None }
    }

    /// The server has told its moment.
    pub fn hear(&mut self, now_ms: u64) {
        if self.given.is_none() {
            self.heard = Some((now_ms, Instant::now()));
        }
    }

    /// Whether the moment can be told without asking the server.
    pub fn is_known(&self) -> bool {
        self.given.is_some() || self.heard.is_some_and(|(_, at)| at.elapsed().as_secs() < TRUSTED_S)
    }

    /// Asks the server when it was last heard long ago.
    pub fn hear_now_and_then(&mut self, wire: &mut Wire) -> Result<(), Trouble> {
        if !self.is_known() {
            let now_ms = server_ms(wire)?;
            self.hear(now_ms);
        }
        Ok(())
    }

    /// Milliseconds since the epoch.
    pub fn now_ms(&self) -> u64 {
        match (&self.given, self.heard) {
            (Some(clock), _) => clock.now_ms(),
            (None, Some((ms, at))) => ms + u64::try_from(at.elapsed().as_millis()).unwrap_or(0),
            (None, None) => 0,
        }
    }

    /// What the scripts are told: 0 for their own clock.
    pub fn for_script(&self) -> u64 {
        self.given.as_ref().map_or(0, |clock| clock.now_ms())
    }
}
