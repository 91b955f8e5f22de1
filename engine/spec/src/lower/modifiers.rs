//! `timeout`, `retry` and the other modifiers.

use super::Lower;
use crate::code::Code;
use crate::settings::{Escalate, Modifiers, RetryParts, Timeout};
use crate::units::duration_ms;
use crate::yaml::{Kind, Node};
use reelmill_model::FailureClass;
use serde::de::DeserializeOwned;
use serde_json::Value;

impl Lower<'_> {
    /// The modifiers in a stage or in `defaults`.
    pub(super) fn modifiers(&mut self, node: &Node) -> Modifiers {
        Modifiers {
            priority: node.get("priority").and_then(Node::unsigned).and_then(|n| u8::try_from(n).ok()),
            queue: node.get("queue").and_then(Node::text).map(str::to_owned),
            timeout: node.get("timeout").map(timeout).unwrap_or_default(),
            retry: node.get("retry").map(|retry| self.retry(retry)).unwrap_or_default(),
            cache: node.get("cache").and_then(word),
            allow_failure: matches!(node.get("allow_failure").map(|n| &n.kind), Some(Kind::Bool(true))),
        }
    }

    fn retry(&mut self, node: &Node) -> RetryParts {
        if let Some(attempts) = count(node) {
            return RetryParts { max_attempts: Some(attempts), ..RetryParts::default() };
        }
        let parts = RetryParts {
            max_attempts: node.get("max_attempts").and_then(count),
            backoff: node.get("backoff").and_then(word),
            initial_ms: duration(node.get("initial")),
            max_ms: duration(node.get("max")),
            jitter: node.get("jitter").and_then(word),
            escalate: node.get("escalate").map(|escalate| Escalate {
                memory: escalate.get("memory").and_then(count),
                timeout: escalate.get("timeout").and_then(count),
            }),
            on: node.get("on").map(|on| {
                on.items().iter().filter_map(Node::text).filter_map(FailureClass::from_word).collect()
            }),
        };
        if let (Some(initial), Some(max)) = (parts.initial_ms, parts.max_ms)
            && initial > max
        {
            let span = node.get("max").map_or(node.span, |max| max.span);
            self.error(
                Code::BadValue,
                span,
                "`max` is smaller than `initial`",
                "make `max` at least `initial`",
            );
        }
        if let (Some(entry), Some(on)) = (node.entry("escalate"), &parts.on)
            && !on.iter().any(|class| class.is_want())
        {
            let message = "`escalate` has no meaning: no class is tried again that it answers";
            self.error(Code::Conflict, entry.key_span, message, "add `oom`, `resource` or `timeout` to `on`");
        }
        parts
    }
}

fn timeout(node: &Node) -> Timeout {
    match &node.kind {
        Kind::Map(_) => Timeout {
            run_ms: duration(node.get("run")),
            queue_ms: duration(node.get("queue")),
            idle_ms: duration(node.get("idle")),
        },
        _ => Timeout { run_ms: duration(Some(node)), ..Timeout::default() },
    }
}

fn duration(node: Option<&Node>) -> Option<u64> {
    duration_ms(node?.text()?)
}

/// A count that fits; what does not was refused by the grammar.
pub(super) fn count(node: &Node) -> Option<u32> {
    node.unsigned().and_then(|n| u32::try_from(n).ok())
}

/// A word of an enum whose serde names are the words of the language.
pub(super) fn word<T: DeserializeOwned>(node: &Node) -> Option<T> {
    serde_json::from_value(Value::String(node.text()?.to_owned())).ok()
}
