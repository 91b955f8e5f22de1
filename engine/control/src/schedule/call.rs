//! Calls of webhooks: what becomes of one whose signature was found to be right.

use super::ports::{Launch, LaunchError, Launched, Launcher};
use crate::Control;
use reelmill_graph::compile::Trigger;
use reelmill_model::limits::{CLAIM_KEPT_MS, WEBHOOK_CLOCK_MS_MAX};
use reelmill_model::{PipelineName, RunId};
use reelmill_ports::StoreError;
use reelmill_spec::trigger::Overlap;
use reelmill_triggers::{Firing, Mark, Source, Told, call_run_id, decide};
use serde_json::Value;
use std::sync::Arc;

/// How often what is noted of a call is written again because another one was faster.
const TRIES_MAX: u32 = 20;

/// A call.
#[derive(Debug)]
pub struct Call {
    /// Whose trigger.
    pub id: PipelineName,
    /// What no other call has: its signature.
    pub fingerprint: String,
    /// When it came, in milliseconds since the epoch.
    pub at_ms: u64,
    /// What expressions read as `trigger`.
    pub about: Value,
}

/// What became of a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Called {
    /// It started this run.
    Started(RunId),
    /// It came before, and this is its run.
    Known(RunId),
    /// It came before, and its run is not here any more.
    Stale(RunId),
    /// The run before has not ended; with `overlap: queue` it may come again.
    Busy {
        /// Whether it may come again.
        again: bool,
    },
    /// The trigger is paused.
    Paused,
}

/// A call that started nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The run cannot be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// Takes calls.
#[derive(Clone)]
pub struct Calls {
    /// Who starts runs.
    pub launcher: Arc<dyn Launcher>,
    /// What is remembered of triggers and of calls, and which runs there are.
    pub control: Control,
}

impl Calls {
    /// Starts the run of a call, once however often it comes.
    pub async fn take(&self, call: Call, trigger: &Trigger) -> Result<Called, CallError> {
        let source = Source::of(&call.id, &trigger.name);
        // A namespace has no colon: no other key of the store begins like this one.
        let claim = format!("hook:{}:{}", source.key(), call.fingerprint);
        let known = self.control.fleet.claimed(&claim).await?;
        if let Some(run) = known {
            if self.control.store.run(run).await?.is_some() {
                return Ok(Called::Known(run));
            }
            // The run was not started when the call came first, or it is gone. A caller that did not get through
            // calls again soon.
            if call.at_ms.saturating_sub(run.0.timestamp_ms()) > WEBHOOK_CLOCK_MS_MAX {
                return Ok(Called::Stale(run));
            }
        }
        let mark = Mark::parse(self.control.marks.mark(&source.key()).await?.as_deref()).unwrap_or_default();
        if mark.paused {
            return Ok(Called::Paused);
        }
        let Some(cancelled) = self.overlap(trigger.overlap, &mark, call.at_ms).await? else {
            return Ok(Called::Busy { again: trigger.overlap == Overlap::Queue });
        };
        let inputs = trigger.inputs(call.about);
        let inputs = inputs.map_err(|error| LaunchError { retry: false, message: error.to_string() })?;
        let drawn = call_run_id(&source, &call.fingerprint, call.at_ms);
        let run = match known {
            Some(run) => run,
            None => self.control.fleet.claim(&claim, drawn, CLAIM_KEPT_MS, None).await?,
        };
        // The same call, a moment ago, may have started it already.
        if let Some(last) = cancelled.filter(|last| *last != run) {
            let reason = format!("trigger `{}` fired again", trigger.name);
            self.launcher.cancel(last, &reason).await?;
        }
        let PipelineName { namespace, name: pipeline } = call.id;
        let launch =
            Launch { run, namespace, pipeline, trigger: trigger.name.clone(), at_ms: call.at_ms, inputs };
        let Launched { run, new } = self.launcher.launch(launch).await?;
        self.note(&source.key(), Told::started(call.at_ms, run)).await?;
        Ok(if new { Called::Started(run) } else { Called::Known(run) })
    }

    /// Whether a call may start a run now, and which one is cancelled for it.
    async fn overlap(
        &self,
        overlap: Overlap,
        mark: &Mark,
        at_ms: u64,
    ) -> Result<Option<Option<RunId>>, StoreError> {
        let last = mark.last.filter(|_| overlap != Overlap::Allow);
        let last_runs = match last {
            Some(run) => self.launcher.is_running(run).await?,
            None => false,
        };
        let decision = decide(overlap, Vec::new(), vec![Firing { at_ms, file: None }], last_runs);
        Ok((!decision.start.is_empty()).then(|| last.filter(|_| decision.cancel_last)))
    }

    /// Notes what a call did. What was noted meanwhile of others stays.
    async fn note(&self, key: &str, told: Told) -> Result<(), StoreError> {
        for _ in 0..TRIES_MAX {
            let before = self.control.marks.mark(key).await?;
            let mut mark = Mark::parse(before.as_deref()).unwrap_or_default();
            mark.tell(told.clone());
            if self.control.marks.set_mark(key, before.as_deref(), &mark.text()).await? {
                return Ok(());
            }
        }
        tracing::warn!(trigger = key, "what a call did could not be noted: too many come at once");
        Ok(())
    }
}
