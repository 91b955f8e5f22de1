//! Tasks whose time has come.

use super::Link;
use crate::error::Trouble;
use crate::keys::task_of;
use redis::cmd;
use reelmill_model::TaskRef;

impl Link {
    /// Up to `limit` leases that have ended, longest over first, and the moment.
    pub fn expired(&mut self, limit: usize) -> Result<(Vec<TaskRef>, u64), Trouble> {
        self.before_now("leases", limit)
    }

    /// Up to `limit` tasks whose moment has come, and how long until the next one's.
    pub fn due(&mut self, limit: usize) -> Result<Vec<TaskRef>, Trouble> {
        Ok(self.before_now("due", limit)?.0)
    }

    fn before_now(&mut self, index: &str, limit: usize) -> Result<(Vec<TaskRef>, u64), Trouble> {
        self.time.hear_now_and_then(&mut self.wire)?;
        let now_ms = self.time.now_ms();
        let found: Vec<Vec<u8>> = self.wire.query(
            cmd("ZRANGEBYSCORE")
                .arg(self.keys.named(index))
                .arg("-inf")
                .arg(now_ms)
                .arg("LIMIT")
                .arg(0)
                .arg(limit),
        )?;
        Ok((found.iter().map(|name| task_of(name)).collect::<Result<_, _>>()?, now_ms))
    }

    /// Milliseconds until the next task is due; none when none waits for a moment.
    pub fn next_due_ms(&mut self) -> Result<Option<u64>, Trouble> {
        let next: Vec<(Vec<u8>, f64)> =
            self.wire.query(cmd("ZRANGE").arg(self.keys.named("due")).arg(0).arg(0).arg("WITHSCORES"))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "milliseconds since the epoch"
        )]
        let at = next.first().map(|(_, at)| *at as u64);
        Ok(at.map(|at| at.saturating_sub(self.time.now_ms())))
    }
}
