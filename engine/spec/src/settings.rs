//! The modifiers of a stage as typed values. The compiled graph carries the same types.

use reelmill_model::limits::ESCALATION_MAX;
use reelmill_model::{FailureClass, Requirements};
use serde::{Deserialize, Serialize};

/// What happens to the other items when one fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemFailure {
    /// Waiting items are cancelled and ready tasks of running ones too; the fan-out fails.
    FailFast,
    /// They go on; `min_success` judges at the end.
    Continue,
}

/// How many items must succeed.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MinSuccess {
    /// So many.
    Count(u32),
    /// Such a part of them, 0 to 1.
    Ratio(f64),
}

/// Time limits of an attempt, in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Timeout {
    /// From start to answer.
    pub run_ms: Option<u64>,
    /// Time a ready task may wait for a worker before it fails.
    pub queue_ms: Option<u64>,
    /// Time without progress or log.
    pub idle_ms: Option<u64>,
}

/// What happens after a failed attempt.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Retry {
    /// Attempts in all; 1 means no retry.
    pub max_attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// First delay, in milliseconds.
    pub initial_ms: u64,
    /// Largest delay, in milliseconds.
    pub max_ms: u64,
    /// How the delay is spread.
    pub jitter: Jitter,
    /// Classes that are tried again; empty means those for which it can help.
    pub on: Vec<FailureClass>,
    /// What the next attempt has more of when one failed for want of it.
    #[serde(default, skip_serializing_if = "Escalate::is_empty")]
    pub escalate: Escalate,
}

/// By what resources are multiplied after an attempt that failed for want of some (`oom`, `resource`, `timeout`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Escalate {
    /// CPU cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<u32>,
    /// Memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u32>,
    /// Memory of each GPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vram: Option<u32>,
    /// `timeout.run`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
}

impl Escalate {
    /// The resources and their factors, by the words of the language.
    #[must_use]
    pub fn factors(&self) -> [(&'static str, Option<u32>); 4] {
        [("cpu", self.cpu), ("memory", self.memory), ("vram", self.vram), ("timeout", self.timeout)]
    }

    /// Whether nothing grows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.factors().iter().all(|(_, factor)| factor.is_none())
    }

    /// By what a resource is multiplied when attempts failed so many times for want of some.
    #[must_use]
    pub fn times(factor: Option<u32>, failures: u32) -> u64 {
        let factor = u64::from(factor.unwrap_or(1).max(1));
        factor.saturating_pow(failures).min(ESCALATION_MAX)
    }
}

/// How the delay between attempts grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// Always `initial`.
    Constant,
    /// `initial`, twice `initial`, three times …
    Linear,
    /// `initial`, twice that, four times …
    Exponential,
}

/// How a delay is spread, so that failed tasks do not come back all at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Jitter {
    /// Not at all.
    None,
    /// Between half the delay and the delay.
    Equal,
    /// Between zero and the delay.
    Full,
}

/// What becomes of an approval that nobody decides in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnTimeout {
    /// It is rejected.
    Reject,
    /// It is approved.
    Approve,
}

/// What happens to whoever finds every place of a limit taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnLimit {
    /// It waits; who came first goes first.
    #[default]
    Queue,
    /// It waits; owners take turns, and of one owner who came first goes first.
    RoundRobin,
    /// It is refused.
    Reject,
    /// The one that has held a place longest is cancelled and loses it.
    CancelOldest,
}

/// What happens when a run is submitted whose key another one has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnConflict {
    /// The run that is there is the answer.
    #[default]
    Existing,
    /// The new one is refused.
    Reject,
    /// The run that is there is cancelled.
    Replace,
}

/// Whether the result cache is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    /// Read and written.
    Auto,
    /// Written, not read.
    Refresh,
    /// Neither.
    Never,
}

impl MinSuccess {
    /// A percentage: `90%`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let number = text.trim().strip_suffix('%')?.trim();
        let plain = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let percent: f64 = number.parse().ok().filter(|_| plain)?;
        (0.0..=100.0).contains(&percent).then_some(Self::Ratio(percent / 100.0))
    }
}

/// Retry as a pipeline may write it: what it leaves out is filled in from `defaults`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct RetryParts {
    /// Attempts in all.
    pub max_attempts: Option<u32>,
    /// How the delay grows.
    pub backoff: Option<Backoff>,
    /// First delay, in milliseconds.
    pub initial_ms: Option<u64>,
    /// Largest delay, in milliseconds.
    pub max_ms: Option<u64>,
    /// How the delay is spread.
    pub jitter: Option<Jitter>,
    /// Classes that are tried again.
    pub on: Option<Vec<FailureClass>>,
    /// What the next attempt has more of.
    pub escalate: Option<Escalate>,
}

/// The modifiers of a stage as far as they are written, or the pipeline's `defaults`.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Modifiers {
    /// Larger is leased first; 0 to 9.
    pub priority: Option<u8>,
    /// The queue.
    pub queue: Option<String>,
    /// Time limits.
    pub timeout: Timeout,
    /// What happens after a failed attempt.
    pub retry: RetryParts,
    /// Whether the result cache is used.
    pub cache: Option<CacheMode>,
    /// Whether the run may succeed although this failed.
    pub allow_failure: bool,
    /// What the machine must have.
    pub runs_on: Option<Requirements>,
}

impl Modifiers {
    /// Priority of a stage that says nothing.
    pub const PRIORITY: u8 = 5;
    /// Queue of a stage that says nothing.
    pub const QUEUE: &'static str = "default";

    /// These, with what they leave out taken from the pipeline's `defaults`.
    #[must_use]
    pub fn over(&self, defaults: &Self) -> Self {
        let (r, d) = (&self.retry, &defaults.retry);
        Self {
            priority: self.priority.or(defaults.priority),
            queue: self.queue.clone().or_else(|| defaults.queue.clone()),
            timeout: Timeout {
                run_ms: self.timeout.run_ms.or(defaults.timeout.run_ms),
                queue_ms: self.timeout.queue_ms.or(defaults.timeout.queue_ms),
                idle_ms: self.timeout.idle_ms.or(defaults.timeout.idle_ms),
            },
            retry: RetryParts {
                max_attempts: r.max_attempts.or(d.max_attempts),
                backoff: r.backoff.or(d.backoff),
                initial_ms: r.initial_ms.or(d.initial_ms),
                max_ms: r.max_ms.or(d.max_ms),
                jitter: r.jitter.or(d.jitter),
                on: r.on.clone().or_else(|| d.on.clone()),
                escalate: r.escalate.or(d.escalate),
            },
            cache: self.cache.or(defaults.cache),
            allow_failure: self.allow_failure,
            runs_on: self.runs_on.clone(),
        }
    }
}

impl RetryParts {
    /// The whole rule: without any word of the pipeline, one attempt; with a map, exponential from one second
    /// to one minute with full jitter.
    #[must_use]
    pub fn finish(&self) -> Retry {
        Retry {
            max_attempts: self.max_attempts.unwrap_or(1),
            backoff: self.backoff.unwrap_or(Backoff::Exponential),
            initial_ms: self.initial_ms.unwrap_or(1_000),
            max_ms: self.max_ms.unwrap_or(60_000).max(self.initial_ms.unwrap_or(0)),
            jitter: self.jitter.unwrap_or(Jitter::Full),
            on: self.on.clone().unwrap_or_default(),
            escalate: self.escalate.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Escalate;

    #[test]
    fn resources_grow_with_every_failure_up_to_a_limit() {
        for (factor, failures, times) in
            [(None, 3, 1), (Some(2), 0, 1), (Some(2), 1, 2), (Some(2), 3, 8), (Some(16), 99, 1_024)]
        {
            assert_eq!(Escalate::times(factor, failures), times, "{factor:?} {failures}");
        }
    }
}
