//! `unique`, `concurrency` and `rate_limit`.

use super::Lower;
use super::modifiers::{count, word};
use crate::code::Code;
use crate::spec::{Concurrency, RateLimit, Unique};
use crate::template::template;
use crate::units::duration_ms;
use crate::yaml::Node;
use reelmill_model::limits::{RATE_PER_MS_MAX, STARTS_PER_SECOND_MAX};

impl Lower<'_> {
    pub(super) fn unique(&mut self, node: &Node) -> Option<Unique> {
        Some(Unique {
            key: template(node.get("key")?, self.file, self.problems),
            window_ms: node.get("window").and_then(Node::text).and_then(duration_ms),
            on_conflict: node.get("on_conflict").and_then(word).unwrap_or_default(),
        })
    }

    /// The `concurrency` of a pipeline or of a stage.
    pub(super) fn concurrency(&mut self, node: &Node) -> Option<Concurrency> {
        Some(Concurrency {
            key: template(node.get("key")?, self.file, self.problems),
            limit: node.get("limit").and_then(count)?,
            on_limit: node.get("on_limit").and_then(word).unwrap_or_default(),
        })
    }

    pub(super) fn rate_limit(&mut self, node: &Node) -> Option<RateLimit> {
        let (limit, per) = (node.get("limit").and_then(count)?, node.get("per")?);
        let per_ms = per.text().and_then(duration_ms).filter(|ms| *ms > 0)?;
        if u64::from(limit).saturating_mul(1_000) > per_ms.saturating_mul(STARTS_PER_SECOND_MAX) {
            let message = format!("a rate of more than {STARTS_PER_SECOND_MAX} starts a second is no limit");
            self.error(Code::LimitExceeded, per.span, message, "make `per` longer, or remove `rate_limit`");
        }
        if per_ms > RATE_PER_MS_MAX {
            let days = RATE_PER_MS_MAX / (24 * 3_600_000);
            let message = format!("`per` is longer than {days} days");
            self.error(Code::LimitExceeded, per.span, message, "make it shorter, with a smaller `limit`");
        }
        let burst = node.get("burst").and_then(count).unwrap_or(limit);
        Some(RateLimit { key: template(node.get("key")?, self.file, self.problems), limit, per_ms, burst })
    }
}
