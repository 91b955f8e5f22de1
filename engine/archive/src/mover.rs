//! Moving: the runs that ended a while ago, some at a time and a few of them together. A run that cannot be kept stays
//! where it is, and those behind it are moved.

use crate::Figures;
use crate::stuck::Stuck;
use crate::young::{MARK_KEPT_MS, leaves_mark};
use futures_util::future::join_all;
use reelmill_model::{Digest, RunId};
use reelmill_ports::{Archivable, Archive, Clock, Fleet, RunStore, StoreError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Runs moved between two looks at whether to end.
const RUNS_AT_ONCE: usize = 64;
/// Runs moved together: they share ways to the store and transactions of the archive. Each may be large.
const RUNS_TOGETHER: usize = 8;
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
        let due: Vec<RunId> =
            ended.into_iter().filter(|id| !self.stuck.rests(*id, now_ms)).take(limit).collect();
        let (mut done, mut graphs, mut told) = (Moved::default(), HashSet::new(), false);
        for together in due.chunks(RUNS_TOGETHER) {
            let moves = together.iter().map(|id| self.move_one(*id, now_ms, &graphs));
            let mut ends = None;
            for (id, result) in together.iter().zip(join_all(moves).await) {
                match result {
                    Ok(graph) => {
                        self.stuck.remove(*id);
                        done.moved += usize::from(graph.is_some());
                        self.figures.moved.inc_by(graph.is_some().into());
                        graphs.extend(graph);
                    }
                    Err(error) if error.passes() => ends = Some(error),
                    Err(error) => match self.pass_over(*id, now_ms, error, &mut told) {
                        Ok(()) => done.passed_over += 1,
                        Err(error) => ends = Some(error),
                    },
                }
                self.figures.stuck.set(i64::try_from(self.stuck.len()).unwrap_or(i64::MAX));
            }
            if let Some(error) = ends {
                return Err(error);
            }
        }
        Ok(done)
    }

    /// Leaves a run for later; its error when too many are left already. Of new ones the first is told of.
    fn pass_over(
        &mut self,
        id: RunId,
        now_ms: u64,
        error: StoreError,
        told: &mut bool,
    ) -> Result<(), StoreError> {
        let is_new = !self.stuck.holds(id);
        let Some(pause_ms) = self.stuck.add(id, now_ms) else { return Err(error) };
        if is_new && !std::mem::replace(told, true) {
            let again = pause_ms / 1_000;
            tracing::warn!(run = %id, %error, "a run could not be archived; tried again in {again} s, others go on");
        }
        Ok(())
    }

    /// Moves one run whose graph is put unless it is among these; says which that is, or nothing when the run was not
    /// there to be moved.
    async fn move_one(
        &self,
        id: RunId,
        now_ms: u64,
        put: &HashSet<Digest>,
    ) -> Result<Option<Digest>, StoreError> {
        // Another mover may have been quicker, or somebody sent the run around again.
        let Some(record) = self.hot.record(id).await? else { return Ok(None) };
        let graph = record.new.graph;
        if !put.contains(&graph) {
            self.cold.put_graph(graph, self.hot.graph(graph).await?).await?;
        }
        self.cold.keep(record).await?;
        if self.cold.may_be_away() && leaves_mark(id, now_ms) {
            self.hot.note_moved(id, MARK_KEPT_MS).await?;
        }
        Ok(self.hot.trim(id).await?.then_some(graph))
    }
}
