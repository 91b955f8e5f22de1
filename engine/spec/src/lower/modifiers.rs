//! `timeout`, `retry` and the other modifiers.

use super::Lower;
use crate::code::Code;
use crate::settings::{Escalate, Modifiers, RetryParts, Timeout};
use crate::span::Span;
use crate::units::{bytes, duration_ms};
use crate::yaml::{Kind, Node};
use reelmill_model::limits::{ID_CHARS_MAX, WORKER_LABELS_MAX};
use reelmill_model::{FailureClass, Requirements};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

impl Lower<'_> {
    /// The modifiers in a stage or in `defaults`.
    pub(super) fn modifiers(&mut self, node: &Node) -> Modifiers {
        Modifiers {
            priority: node.get("priority").and_then(Node::unsigned).and_then(|n| u8::try_from(n).ok()),
            queue: node.get("queue").and_then(Node::text).map(str::to_owned),
            timeout: node.get("timeout").map(timeout).unwrap_or_default(),
            retry: node.get("retry").map(|retry| self.retry(retry)).unwrap_or_default(),
            cache: node.get("cache").and_then(word),
            runs_on: node.get("runs_on").map(|runs_on| self.runs_on(runs_on)),
            allow_failure: matches!(node.get("allow_failure").map(|n| &n.kind), Some(Kind::Bool(true))),
        }
    }

    /// The modifiers in a stage: what they are about must stand there too.
    pub(super) fn stage_modifiers(&mut self, node: &Node) -> Modifiers {
        let modifiers = self.modifiers(node);
        let grows = node.get("retry").and_then(|retry| retry.get("escalate")?.entry("vram"));
        if let Some(entry) = grows
            && modifiers.runs_on.as_ref().is_none_or(|needs| needs.vram_bytes == 0)
        {
            let help = "ask for `vram` in `runs_on`, or remove it";
            self.error(Code::Conflict, entry.key_span, "`vram` cannot grow: none is asked for", help);
        }
        modifiers
    }

    fn runs_on(&mut self, node: &Node) -> Requirements {
        let size = |key: &str| node.get(key).and_then(Node::text).and_then(bytes).unwrap_or(0);
        let number = |key: &str| node.get(key).and_then(count);
        let vram_bytes = size("vram");
        if let (Some(entry), Some(0)) = (node.entry("vram"), number("gpu")) {
            self.error(
                Code::Conflict,
                entry.key_span,
                "`vram` without a GPU",
                "ask for a `gpu`, or remove it",
            );
        }
        let needs = Requirements {
            cpus: number("cpu").unwrap_or(0),
            memory_bytes: size("memory"),
            scratch_bytes: size("scratch"),
            gpus: number("gpu").unwrap_or_else(|| u32::from(vram_bytes > 0)),
            vram_bytes,
            encoder: node.get("encoder").and_then(Node::text).map(str::to_owned),
            labels: self.worker_labels(node.get("labels")),
            plugin: None,
            fallback_cpu: node.get("fallback").and_then(Node::text) == Some("cpu"),
        };
        if needs.fallback_cpu && needs.gpus == 0 && needs.encoder.is_none() {
            let span = node.entry("fallback").map_or(node.span, |entry| entry.key_span);
            let help = "ask for a `gpu` or an `encoder`, or remove it";
            self.error(Code::Conflict, span, "`fallback` has nothing to fall back from", help);
        }
        needs
    }

    fn worker_labels(&mut self, node: Option<&Node>) -> BTreeMap<String, String> {
        let all: BTreeMap<String, String> = super::labels(node).into_iter().collect();
        let long = |text: &String| text.chars().count() > ID_CHARS_MAX;
        if all.len() > WORKER_LABELS_MAX || all.iter().any(|(label, value)| long(label) || long(value)) {
            let span = node.map_or_else(Span::default, |node| node.span);
            let message =
                format!("at most {WORKER_LABELS_MAX} labels of {ID_CHARS_MAX} characters can be asked for");
            self.error(Code::LimitExceeded, span, message, "give the workers one short label");
        }
        all
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
                cpu: escalate.get("cpu").and_then(count),
                memory: escalate.get("memory").and_then(count),
                vram: escalate.get("vram").and_then(count),
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
