//! Moving: the runs that ended a while ago, some at a time. A run that cannot be kept stays where it is, and those behind
//! it are moved.

use crate::Figures;
use crate::stuck::Stuck;
use crate::young::{MARK_KEPT_MS, leaves_mark};
use reelmill_model::RunId;
use reelmill_ports::{Archivable, Archive, Clock, Fleet, RunStore, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Runs moved between two looks at whether to end.
const RUNS_AT_ONCE: usize = 64;
/// Time between two looks when there was nothing to move.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Moves ended runs.
pub struct Mover<H> {
    hot: Arc<H>,
    cold: Arc<dyn Archive>,
    keep: Duration,
    clock: Arc<dyn Clock>,
    figures: Figures,
    stuck: Stuck,
}

/// What one step of it did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Moved {
    /// Runs that left the store.
    pub moved: usize,
    /// Runs that could not be kept, and are tried again later.
    pub passed_over: usize,
}

impl<H: Archivable + RunStore + Fleet> Mover<H> {
    /// Moves runs that ended at least `keep` ago.
    pub fn new(
        hot: Arc<H>,
        cold: Arc<dyn Archive>,
        keep: Duration,
        clock: Arc<dyn Clock>,
        figures: Figures,
    ) -> Self {
        Self { hot, cold, keep, clock, figures, stuck: Stuck::default() }
    }

    /// Moves ended runs until `end`.
    pub async fn run(mut self, end: CancellationToken) {
        loop {
            let pause = match self.step(RUNS_AT_ONCE).await {
                Ok(Moved { moved, passed_over }) if moved + passed_over == RUNS_AT_ONCE => Duration::ZERO,
                Ok(_) => LOOK_EVERY,
                Err(error) => {
                    self.figures.failures.inc();
                    tracing::warn!(%error, "ended runs could not be archived; they stay where they are");
                    LOOK_EVERY
                }
            };
            tokio::select! {
                () = end.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Tries up to `limit` runs, longest ago first. A store that does not answer ends it: trying others would not help.
    pub async fn step(&mut self, limit: usize) -> Result<Moved, StoreError> {
        let now_ms = self.clock.now_ms();
        let wanted = limit + self.stuck.len();
        let ended = self.hot.ended(self.keep, wanted).await?;
        if ended.len() < wanted {
            self.stuck.keep_only(&ended);
        }
        let mut done = Moved::default();
        let mut told = false;
        let due: Vec<RunId> =
            ended.into_iter().filter(|id| !self.stuck.rests(*id, now_ms)).take(limit).collect();
        for id in due {
            match self.move_one(id, now_ms).await {
                Ok(moved) => {
                    self.stuck.remove(id);
                    done.moved += usize::from(moved);
                    self.figures.moved.inc_by(moved.into());
                }
                Err(error) if error.passes() => return Err(error),
                Err(error) => {
                    let is_new = !self.stuck.holds(id);
                    let Some(pause_ms) = self.stuck.add(id, now_ms) else { return Err(error) };
                    if is_new && !told {
                        told = true;
                        let again = pause_ms / 1_000;
                        tracing::warn!(run = %id, %error, "a run could not be archived; tried again in {again} s, others go on");
                    }
                    done.passed_over += 1;
                }
            }
            self.figures.stuck.set(i64::try_from(self.stuck.len()).unwrap_or(i64::MAX));
        }
        Ok(done)
    }

    /// Moves one run; says whether it was there to be moved.
    async fn move_one(&self, id: RunId, now_ms: u64) -> Result<bool, StoreError> {
        // Another mover may have been quicker, or somebody sent the run around again.
        let Some(record) = self.hot.record(id).await? else { return Ok(false) };
        let graph = record.new.graph;
        self.cold.put_graph(graph, self.hot.graph(graph).await?).await?;
        self.cold.keep(record).await?;
        if leaves_mark(id, now_ms) {
            self.hot.note_moved(id, MARK_KEPT_MS).await?;
        }
        self.hot.trim(id).await
    }
}
