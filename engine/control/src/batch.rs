//! Batches: a row of a table is a run. Every row is checked before the first one starts; then they are submitted piece
//! by piece, and a batch that was cut short goes on where it was. The table is read twice and never held.
//!
//! A row's run has an id that is drawn from the batch and the row, so that a row that was submitted before is known by
//! the store. After each piece the batch leaves a mark, so that later calls pass over what is done, even when its runs
//! have left the store since.

use crate::prepare::Pipeline;
use crate::submit::Submission;
use crate::table::{Row, RowProblem, Rows};
use crate::{Control, ControlError};
use reelmill_model::RunId;
use reelmill_model::limits::{self, CLAIM_KEPT_MS, DIAGNOSTICS_MAX};
use reelmill_ports::{NewRun, RunFilter, RunView, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinSet;

/// Rows of one piece: submitted side by side, and marked together.
const PIECE: u64 = 64;
/// Runs of the batch that are looked at at once for whether they have begun.
const LOOKED_AT: usize = 64;
/// Pause before looking again when none has begun.
const PAUSE: Duration = Duration::from_millis(200);

/// How a batch is submitted.
#[derive(Clone, Debug)]
pub struct BatchWish {
    /// The table.
    pub table: PathBuf,
    /// What tells this batch from another one of the same rows.
    pub name: Option<String>,
    /// What all runs have in common; rows stand over its inputs.
    pub like: Submission,
    /// At most so many of its runs wait to be begun; none: all may.
    pub ahead: Option<usize>,
}

/// A batch that was submitted, or is being submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Batch {
    /// Its id: the same for the same pipeline, namespace, name and rows.
    pub id: String,
    /// Rows in all.
    pub rows: u64,
    /// Rows that were submitted now.
    pub submitted: u64,
    /// Rows that were there already.
    pub before: u64,
}

impl Batch {
    /// Rows that are in the store.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.submitted + self.before
    }
}

/// What one step of submitting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Rows were submitted, or were there already.
    Submitted,
    /// Enough runs of the batch wait to be begun; nothing was submitted.
    Waits,
    /// Every row is submitted.
    Done,
}

/// A batch on its way into the store.
pub struct Filling<'a> {
    control: &'a Control,
    pipeline: &'a Pipeline,
    wish: &'a BatchWish,
    rows: Rows<'a>,
    /// What was read so far, to see that the table is the one that was checked.
    read: Reading,
    expected: blake3::Hash,
    /// When the batch was begun, by whoever began it.
    begun_ms: u64,
    /// Runs made of rows that are not known to be in the store.
    piece: Vec<NewRun>,
    /// Runs that have not begun, as far as was looked.
    waiting: VecDeque<RunId>,
    /// What has become of it so far.
    pub batch: Batch,
}

/// The rows of a table as one number.
struct Reading(blake3::Hasher);

impl Reading {
    fn of(pipeline: &Pipeline, wish: &BatchWish) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&pipeline.compiled.0);
        for part in [&wish.like.namespace, &wish.name] {
            hasher.update(part.as_deref().unwrap_or_default().as_bytes());
            hasher.update(b"\n");
        }
        Self(hasher)
    }

    fn add(&mut self, inputs: &Map<String, Value>) {
        self.0.update(serde_json::to_string(inputs).unwrap_or_default().as_bytes());
        self.0.update(b"\n");
    }

    fn done(&self) -> blake3::Hash {
        self.0.finalize()
    }
}

/// The row with the inputs that all rows share beneath its own.
fn over(shared: &Map<String, Value>, row: Row) -> Map<String, Value> {
    let mut inputs = shared.clone();
    inputs.extend(row.inputs);
    inputs
}

/// Reads a table once: what is wrong with it, or how many rows it has and which they are.
fn survey(pipeline: &Pipeline, wish: &BatchWish) -> Result<(u64, blake3::Hash), ControlError> {
    let mut reading = Reading::of(pipeline, wish);
    let (mut count, mut problems) = (0, Vec::new());
    for row in Rows::open(&wish.table, &pipeline.graph.inputs)? {
        count += 1;
        match row {
            Err(problem) => problems.push(problem),
            Ok(row) => {
                let line = row.line;
                let inputs = over(&wish.like.inputs, row);
                let wrong = reelmill_spec::resolve(&pipeline.graph.inputs, &inputs).err().unwrap_or_default();
                problems.extend(wrong.iter().map(|wrong| RowProblem { line, message: wrong.to_string() }));
                reading.add(&inputs);
            }
        }
        if problems.len() > DIAGNOSTICS_MAX {
            break;
        }
    }
    if problems.is_empty() { Ok((count, reading.done())) } else { Err(ControlError::Rows(problems)) }
}

/// The id of a row's run. Its time is that of the batch, so that it ages with it; then the row, so that rows are begun
/// in their order; then what no other batch has.
fn run_of(batch: &str, begun_ms: u64, row: u64) -> RunId {
    let mut rest = [0; 16];
    let hash = blake3::hash(format!("{batch}/{row}").as_bytes());
    rest[..6].copy_from_slice(&hash.as_bytes()[..6]);
    let row = u128::from(row & u64::from(u32::MAX)) << 48;
    RunId::from_parts(begun_ms, row | u128::from_le_bytes(rest))
}

impl Control {
    /// Checks every row of a table and begins to submit it, or goes on with it.
    pub async fn fill<'a>(
        &'a self,
        pipeline: &'a Pipeline,
        wish: &'a BatchWish,
    ) -> Result<Filling<'a>, ControlError> {
        let (rows, expected) = survey(pipeline, wish)?;
        let id = expected.to_hex()[..16].to_owned();
        self.store.put_graph(pipeline.digest, pipeline.graph.clone()).await?;
        let begun_ms = self.begun(&id, wish.like.now_ms).await?;
        let mut filling = Filling {
            control: self,
            pipeline,
            wish,
            rows: Rows::open(&wish.table, &pipeline.graph.inputs)?,
            read: Reading::of(pipeline, wish),
            expected,
            begun_ms,
            piece: Vec::new(),
            waiting: VecDeque::new(),
            batch: Batch { id, rows, submitted: 0, before: 0 },
        };
        filling.pass_over_what_is_done().await?;
        Ok(filling)
    }

    /// When a batch was begun: by a run of it, or else by whoever comes first now.
    async fn begun(&self, batch: &str, now_ms: u64) -> Result<u64, ControlError> {
        let filter = RunFilter { batch: Some(batch.to_owned()), limit: 1, ..RunFilter::default() };
        let run = match self.store.runs(filter).await?.first() {
            Some(run) => run.new.id,
            None => {
                self.fleet
                    .claim(&format!("batch:{batch}"), run_of(batch, now_ms, 0), CLAIM_KEPT_MS, None)
                    .await?
            }
        };
        Ok(run.0.timestamp_ms())
    }

    /// The runs of a batch that have not ended.
    pub async fn open_runs(&self, batch: &str) -> Result<Vec<RunId>, ControlError> {
        let mut open = Vec::new();
        self.each_run(batch, |run| {
            if !run.state.is_terminal() {
                open.push(run.new.id);
            }
        })
        .await?;
        Ok(open)
    }

    /// Every run of a batch, newest first.
    pub async fn batch_runs(&self, batch: &str) -> Result<Vec<RunView>, ControlError> {
        let mut runs = Vec::new();
        self.each_run(batch, |run| runs.push(run)).await?;
        Ok(runs)
    }

    async fn each_run(&self, batch: &str, mut show: impl FnMut(RunView)) -> Result<(), ControlError> {
        let mut before = None;
        loop {
            let filter = RunFilter {
                batch: Some(batch.to_owned()),
                before,
                limit: limits::PAGE_ROWS_MAX,
                ..RunFilter::default()
            };
            let page = self.store.runs(filter).await?;
            let Some(last) = page.last() else { return Ok(()) };
            before = Some(last.new.id);
            page.into_iter().for_each(&mut show);
        }
    }
}

impl Filling<'_> {
    /// Submits the next rows. When the store does not answer, the same call again tries the same rows.
    pub async fn step(&mut self) -> Result<Step, ControlError> {
        if self.piece.is_empty() {
            let room = self.room().await?;
            if room == 0 {
                return Ok(Step::Waits);
            }
            self.read_piece(room).await?;
            if self.piece.is_empty() {
                return self.end().await;
            }
        }
        self.submit_piece().await?;
        if self.batch.done().is_multiple_of(PIECE) {
            self.mark().await?;
        }
        Ok(Step::Submitted)
    }

    /// Runs of the batch that are known to wait to be begun.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    fn run_of(&self, row: u64) -> RunId {
        run_of(&self.batch.id, self.begun_ms, row)
    }

    fn mark_of(&self, rows: u64) -> String {
        format!("batch:{}:{rows}", self.batch.id)
    }

    /// Notes that every row so far is in the store.
    async fn mark(&self) -> Result<(), ControlError> {
        let mark = self.mark_of(self.batch.done());
        self.control.fleet.claim(&mark, self.run_of(0), CLAIM_KEPT_MS, None).await?;
        Ok(())
    }

    async fn pass_over_what_is_done(&mut self) -> Result<(), ControlError> {
        loop {
            let piece = PIECE.min(self.batch.rows - self.batch.before);
            if piece == 0
                || self.control.fleet.claimed(&self.mark_of(self.batch.before + piece)).await?.is_none()
            {
                break;
            }
            for _ in 0..piece {
                self.next_row()?;
            }
            self.batch.before += piece;
        }
        // Those that were submitted last may still wait to be begun.
        let before = self.batch.before;
        let ahead = self.wish.ahead.map_or(0, |ahead| ahead as u64);
        self.waiting = (before.saturating_sub(ahead)..before).map(|row| self.run_of(row)).collect();
        Ok(())
    }

    /// The next row, with the inputs that all share.
    fn next_row(&mut self) -> Result<Option<Row>, ControlError> {
        let Some(row) = self.rows.next() else { return Ok(None) };
        let row = row.map_err(|problem| ControlError::Rows(vec![problem]))?;
        let line = row.line;
        let inputs = over(&self.wish.like.inputs, row);
        self.read.add(&inputs);
        Ok(Some(Row { line, inputs }))
    }

    async fn read_piece(&mut self, room: usize) -> Result<(), ControlError> {
        let done = self.batch.done();
        let until = (done - done % PIECE + PIECE).min(done.saturating_add(room as u64));
        for row in done..until {
            let Some(Row { line, inputs }) = self.next_row()? else { return Ok(()) };
            let batch = Some((self.batch.id.clone(), row));
            let submission = Submission { id: self.run_of(row), inputs, batch, ..self.wish.like.clone() };
            let new =
                self.control.new_run(self.pipeline, submission).await.map_err(|error| {
                    ControlError::Rows(vec![RowProblem { line, message: error.to_string() }])
                })?;
            self.piece.push(new);
        }
        Ok(())
    }

    async fn submit_piece(&mut self) -> Result<(), ControlError> {
        let mut submits = JoinSet::new();
        for new in &self.piece {
            let (control, new) = (self.control.clone(), new.clone());
            submits.spawn(async move { (new.id, control.submit_once(new).await) });
        }
        let mut trouble = None;
        for (id, submitted) in submits.join_all().await {
            match submitted {
                Ok(done) => {
                    let fresh = !done.resumed && !done.existing;
                    *if fresh { &mut self.batch.submitted } else { &mut self.batch.before } += 1;
                    self.piece.retain(|new| new.id != id);
                    self.waiting.extend(self.wish.ahead.map(|_| id));
                }
                Err(error) => trouble = Some(error),
            }
        }
        trouble.map_or(Ok(()), Err)
    }

    /// How many runs more may wait to be begun. Looks after those that do when there are as many as may.
    async fn room(&mut self) -> Result<usize, ControlError> {
        let Some(ahead) = self.wish.ahead else { return Ok(usize::MAX) };
        if self.waiting.len() < ahead {
            return Ok(ahead - self.waiting.len());
        }
        for _ in 0..LOOKED_AT.min(self.waiting.len()) {
            let Some(id) = self.waiting.front().copied() else { break };
            let run = match self.control.store.run(id).await {
                Err(StoreError::ArchiveAway { .. }) => None,
                run => run?,
            };
            self.waiting.pop_front();
            // A run that is gone has ended and was moved.
            if run.is_some_and(|run| run.started_ms.is_none() && !run.state.is_terminal()) {
                self.waiting.push_back(id);
            }
        }
        let room = ahead.saturating_sub(self.waiting.len());
        if room == 0 {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(room)
    }

    async fn end(&self) -> Result<Step, ControlError> {
        if self.read.done() != self.expected {
            return Err(ControlError::TableChanged(self.wish.table.clone()));
        }
        self.mark().await?;
        Ok(Step::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_a_batch_sort_by_row_and_are_drawn_from_it() {
        let ids: Vec<RunId> = (0..300).map(|row| run_of("b", 1_700_000_000_000, row)).collect();
        assert!(ids.is_sorted());
        assert_eq!(ids[7], run_of("b", 1_700_000_000_000, 7));
        assert_ne!(ids[7], run_of("c", 1_700_000_000_000, 7));
        assert_eq!(ids[7].0.timestamp_ms(), 1_700_000_000_000);
    }
}
