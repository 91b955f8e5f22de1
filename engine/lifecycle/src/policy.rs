//! What follows a failed attempt: another one after a delay, or the end.

use reelmill_graph::{Backoff, Jitter, Node, NodeKind, Retry};
use reelmill_model::limits::{ATTEMPTS_MAX, LOST_ATTEMPTS_MAX};
use reelmill_model::{Failure, FailureClass};

/// A deterministic source of jitter (`SplitMix64`). The store seeds it; a simulation seeds it with its own seed.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// Dice that fall as the seed says.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number from 0 to `most`.
    pub fn up_to(&mut self, most: u64) -> u64 {
        let roll = self.roll();
        most.checked_add(1).map_or(roll, |bound| roll % bound)
    }
}

/// Whether another attempt may follow this failure. `attempts` counts those made under the policy so far.
#[must_use]
pub fn tries_again(node: &Node, class: FailureClass, attempts: u32) -> bool {
    // An approval is asked once; what goes wrong with asking would go wrong again.
    if matches!(node.kind, NodeKind::Approval(_)) {
        return false;
    }
    let retry = &node.settings.retry;
    let helps = if retry.on.is_empty() { class.is_retryable() } else { retry.on.contains(&class) };
    helps && may_repeat(node, class) && attempts < retry.max_attempts.min(ATTEMPTS_MAX)
}

/// Whether a task whose lease ran out is leased again. That is no fault of the stage, so it does not ask for a
/// retry in the pipeline; the cap stops a task that kills every worker it meets.
#[must_use]
pub fn survives_loss(node: &Node, attempts: u32) -> bool {
    let cap = node.settings.retry.max_attempts.clamp(LOST_ATTEMPTS_MAX, ATTEMPTS_MAX);
    may_repeat(node, FailureClass::WorkerLost) && attempts < cap
}

/// An external stage may have done its work before it was lost; only an idempotent one is repeated then.
fn may_repeat(node: &Node, class: FailureClass) -> bool {
    let NodeKind::Work { plugin, .. } = &node.kind else { return true };
    let unknown_end =
        matches!(class, FailureClass::WorkerLost | FailureClass::Crashed | FailureClass::Timeout);
    !(unknown_end && plugin.external && !plugin.idempotent)
}

/// The delay before the next attempt, in milliseconds, after `attempts` made under the policy.
#[must_use]
pub fn delay_ms(retry: &Retry, attempts: u32, failure: &Failure, dice: &mut Dice) -> u64 {
    let step = attempts.max(1);
    let grown = match retry.backoff {
        Backoff::Constant => retry.initial_ms,
        Backoff::Linear => retry.initial_ms.saturating_mul(u64::from(step)),
        Backoff::Exponential => {
            retry.initial_ms.saturating_mul(1_u64.checked_shl(step - 1).unwrap_or(u64::MAX))
        }
    };
    let full = grown.min(retry.max_ms.max(retry.initial_ms));
    let spread = match retry.jitter {
        Jitter::None => full,
        Jitter::Equal => full / 2 + dice.up_to(full - full / 2),
        Jitter::Full => dice.up_to(full),
    };
    spread.max(failure.retry_after_ms.unwrap_or(0))
}
