//! Unique: of runs whose pipeline says that they are the same, one is submitted.
//!
//! A key is claimed by one operation of the store, and everything after it may be done again: whoever dies between
//! claiming and submitting leaves an id under which the next one submits.

use crate::{Control, ControlError, Submitted};
use reelmill_context::{RunFacts, limit_key};
use reelmill_graph::expr::Bindings;
use reelmill_graph::{OnConflict, Unique};
use reelmill_model::limits::UNIQUE_KEPT_MS;
use reelmill_model::{RunId, RunState};
use reelmill_ports::{NewRun, StoreError};
use std::sync::Arc;

/// Age from which a run that has a key and is not there has ended and was moved or deleted; a younger one is about to be
/// submitted.
const SUBMITTING_MS_MAX: u64 = 600_000;
/// Times a key is claimed again because its owner has changed meanwhile.
const ROUNDS_MAX: usize = 32;

/// What the owner of a key means for a new run.
enum Owner {
    /// It is about to be submitted.
    Coming,
    /// It is there, and counts.
    There,
    /// It counts no more.
    Over,
}

impl Control {
    /// Submits a run, or finds the one that is the same. Its graph was put into the store before.
    pub(crate) async fn submit_once(&self, mut new: NewRun) -> Result<Submitted, ControlError> {
        let compiled = self.runs.graphs().get(new.graph).await?;
        let Some(rule) = compiled.graph.unique.clone() else { return self.submit_new(new).await };
        let facts = RunFacts::new(Arc::new(new.clone()), compiled);
        let context = facts.context()?;
        let key = limit_key(&facts, &rule.key, &Bindings::new(&context)).map_err(ControlError::Key)?;
        // No namespace has a colon: these keys are none of those that people give.
        let name = format!("unique:{}/{}/{key}", new.namespace, facts.compiled.graph.name);
        let kept_ms = rule.window_ms.unwrap_or(UNIQUE_KEPT_MS);
        let mut instead_of = None;
        for _ in 0..ROUNDS_MAX {
            let owner = self.fleet.claim(&name, new.id, kept_ms, instead_of).await?;
            if owner == new.id {
                return self.submit_new(new).await;
            }
            match (self.owner(owner, &rule, new.created_ms).await?, rule.on_conflict) {
                (Owner::Coming, _) => {
                    new.id = owner;
                    return self.submit_new(new).await;
                }
                (Owner::Over, _) => {}
                (Owner::There, OnConflict::Existing) => {
                    return Ok(Submitted { run: owner, resumed: false, existing: true });
                }
                (Owner::There, OnConflict::Reject) => {
                    return Err(ControlError::NotUnique { run: owner, key });
                }
                (Owner::There, OnConflict::Replace) => self.give_way(owner, new.id).await?,
            }
            instead_of = Some(owner);
        }
        Err(StoreError::Refused(format!("the key `{key}` changed hands too often; submit it again")).into())
    }

    async fn submit_new(&self, new: NewRun) -> Result<Submitted, ControlError> {
        let run = new.id;
        let resumed = !self.queue.submit(new).await?;
        Ok(Submitted { run, resumed, existing: false })
    }

    async fn owner(&self, run: RunId, rule: &Unique, now_ms: u64) -> Result<Owner, ControlError> {
        let Some(view) = self.store.run(run).await? else {
            let old = run.0.timestamp_ms() + SUBMITTING_MS_MAX < now_ms;
            return Ok(match (old, rule.window_ms) {
                (false, _) => Owner::Coming,
                (true, Some(_)) => Owner::There,
                (true, None) => Owner::Over,
            });
        };
        // What came to nothing may be tried again.
        let over = match view.state {
            RunState::Running => false,
            RunState::Succeeded => rule.window_ms.is_none(),
            RunState::Failed | RunState::Cancelled => true,
        };
        Ok(if over { Owner::Over } else { Owner::There })
    }

    async fn give_way(&self, run: RunId, to: RunId) -> Result<(), ControlError> {
        match self.queue.cancel(run, &format!("run {to} replaces it: `unique` says so")).await {
            Ok(_) | Err(StoreError::NoSuchRun(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
