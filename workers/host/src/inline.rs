//! Stages that run inside the worker: first-party ones whose work is smaller than the boundary. A panic becomes
//! a failure in the SDK; a crash is the worker's, which is why only trusted plugins come here.

use crate::host::{Host, Input, judge_outputs};
use crate::plugin::{Parts, Plugin};
use reelmill_loader::{Instance, Talk};
use reelmill_model::{CallInfo, Failure, FailureClass, Severity};
use serde_json::Value;
use std::sync::PoisonError;

/// Instances of one stage that are kept for the next calls.
const INSTANCES_KEPT: usize = 64;

impl Host {
    /// Runs an inline stage on this thread: no process, no files, no cancellation. Costs microseconds.
    pub fn run_inline(
        &self,
        plugin: &Plugin,
        stage: &str,
        with: &Value,
        call: &CallInfo,
    ) -> Result<Value, Failure> {
        run(plugin, stage, with, call).map_err(|failure| *failure)
    }
}

fn run(plugin: &Plugin, stage: &str, with: &Value, call: &CallInfo) -> Result<Value, Box<Failure>> {
    let (stage, parts) = plugin.require(stage)?;
    if !plugin.runs_inline(stage) {
        let message = format!("stage `{}` may not run inside the worker", stage.id);
        return Err(Box::new(Failure::new(FailureClass::InvalidConfig, message).with_code("not_inline")));
    }
    parts.check_input(stage, with)?;
    let input = serde_json::to_vec(&Input { with, call })
        .map_err(|error| Box::new(Failure::new(FailureClass::InvalidInput, error.to_string())))?;
    let mut instance = match take(parts) {
        Some(instance) => instance,
        None => plugin.library()?.open(&stage.id, &Quiet)?,
    };
    let result = instance.run(&input, &Quiet);
    // An instance that panicked may hold half a change.
    if !matches!(&result, Err(failure) if failure.class == FailureClass::Internal) {
        keep(parts, instance);
    }
    judge_outputs(stage, parts, &result?)
}

fn take(parts: &Parts) -> Option<Instance> {
    parts.instances.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn keep(parts: &Parts, instance: Instance) {
    let mut kept = parts.instances.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < INSTANCES_KEPT {
        kept.push(instance);
    }
}

/// Inline stages have nothing to say that is not in their outputs; what they log goes to the worker's own log.
struct Quiet;

impl Talk for Quiet {
    fn cancelled(&self) -> bool {
        false
    }

    fn log(&self, severity: Severity, text: &str) {
        tracing::debug!(%severity, "inline stage: {text}");
    }

    fn progress(&self, _: &[u8]) {}
}
