//! One thing to be done, in one run: what every transition of the store is made of. A deed may be decided again, when
//! the run has moved on meanwhile; so it is never used up.

use crate::error::Trouble;
use crate::source::Rows;
use reelmill_graph::Graph;
use reelmill_lifecycle::{Admission, Edits, RetryScope, RunRow, Transaction};
use reelmill_model::{Decision, Parked, RunId, RunState, TaskRef, TaskState, Token, WorkerId};
use reelmill_ports::{NewRun, Rejected, Settle};
use std::sync::Arc;

/// Why a run is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Somebody deleted it: its events are passed over from now on.
    Deleted,
    /// An archive keeps it.
    Archived,
}

/// One thing to be done.
#[derive(Clone, Debug)]
pub enum Deed {
    /// Start a run of a graph.
    Submit(Arc<NewRun>, Arc<Graph>),
    /// Settle an attempt.
    Settle(Settle),
    /// Settle a lease that had ended at this moment.
    Expire(TaskRef, u64),
    /// Ready a delayed task, or fail one that no worker took in time.
    Promote(TaskRef),
    /// Settle the lease of a worker that is dead.
    Release(TaskRef, WorkerId),
    /// Ask for a run to be cancelled.
    Cancel(RunId, String),
    /// Pause a run for a reason, or let it go on.
    Pause(RunId, Option<String>),
    /// End an approval as a person says.
    Approve(TaskRef, Decision),
    /// Let a leased task wait for a limit, until a moment at most.
    Park(TaskRef, Token, Parked, u64),
    /// Ready a task that waits for a limit.
    Unpark(TaskRef),
    /// Send an ended run around again.
    Retry(RunId, RetryScope, Edits),
    /// Remove an ended run.
    Remove(RunId, Removal),
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub enum Done {
    /// Whether the run is new.
    Submitted(bool),
    /// The state afterwards, or why it was refused.
    Settled(Result<TaskState, Rejected>),
    /// Whether there was something to do.
    Did(bool),
    /// The state the run is in.
    State(RunState),
    /// Whether a pause changed anything, or why it may not.
    Paused(Result<bool, String>),
    /// The state an approval ended in, or why it was not decided.
    Decided(Result<TaskState, String>),
    /// Tasks that were reset, or why none may be.
    Reset(Result<usize, String>),
    /// There is no such run.
    NoSuchRun,
}

impl Done {
    /// Whether nothing was changed: then what was remembered must not have been the reason.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Settled(Err(_))
                | Self::Did(false)
                | Self::State(_)
                | Self::Paused(Ok(false) | Err(_))
                | Self::Decided(Err(_))
                | Self::Reset(Err(_))
                | Self::NoSuchRun
        )
    }
}

impl Deed {
    /// The run it is about.
    pub fn run(&self) -> RunId {
        match self {
            Self::Submit(new, _) => new.id,
            Self::Settle(settle) => settle.task.run,
            Self::Expire(task, _)
            | Self::Promote(task)
            | Self::Release(task, _)
            | Self::Approve(task, _)
            | Self::Park(task, ..)
            | Self::Unpark(task) => task.run,
            Self::Cancel(run, _) | Self::Pause(run, _) | Self::Retry(run, ..) | Self::Remove(run, _) => *run,
        }
    }

    /// Decides what follows; the transaction keeps the changes.
    pub fn decide(&self, tx: &mut Transaction<Rows<'_>>) -> Result<Done, Trouble> {
        Ok(match self {
            Self::Submit(new, graph) => {
                let seq = tx.source().book.number();
                let batch = new.batch.as_ref().map(|(batch, _)| batch.clone());
                let row = RunRow { priority: new.priority, ..RunRow::new(seq, new.id, new.graph, batch) };
                tx.submit(row, Arc::clone(graph))?;
                Done::Submitted(true)
            }
            Self::Settle(Settle { task, token, outcome, usage }) => {
                Done::Settled(tx.settle(*task, *token, outcome.clone(), usage)?)
            }
            Self::Expire(task, _) => Done::Did(tx.lose_lease(*task, |_| true)?),
            Self::Promote(task) => Done::Did(tx.promote_task(*task)?),
            Self::Release(task, worker) => {
                Done::Did(tx.lose_lease(*task, |row| row.worker.as_ref() == Some(worker))?)
            }
            Self::Cancel(run, reason) => tx.cancel(*run, reason)?.map_or(Done::NoSuchRun, Done::State),
            Self::Pause(run, reason) => match tx.pause(*run, reason.as_deref())? {
                None => Done::NoSuchRun,
                Some(changed) => Done::Paused(changed.map_err(|refused| refused.to_string())),
            },
            Self::Approve(task, decision) => match tx.approve(*task, decision)? {
                None => Done::NoSuchRun,
                Some(ended) => Done::Decided(ended.map_err(|refused| refused.to_string())),
            },
            Self::Park(task, token, why, until_ms) => {
                let admission = tx.park(*task, *token, why.clone(), *until_ms)?;
                Done::Did(matches!(admission, Admission::Parked(_)))
            }
            Self::Unpark(task) => Done::Did(tx.unpark(*task)?),
            Self::Retry(run, scope, set) => match tx.retry(*run, scope, set)? {
                None => Done::NoSuchRun,
                Some(reset) => Done::Reset(reset.map_err(|refused| refused.to_string())),
            },
            Self::Remove(run, _) => {
                let known = tx.knows(*run)?;
                let over = tx.source().book.page(*run).is_some_and(|page| page.run.state.is_terminal());
                Done::Did(known && over)
            }
        })
    }
}
