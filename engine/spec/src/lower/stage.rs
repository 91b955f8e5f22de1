//! Stages: what they do, and which keys go together.

use super::modifiers::{count, word};
use super::{Lower, ids};
use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::settings::{ItemFailure, MinSuccess, OnTimeout};
use crate::span::Spanned;
use crate::spec::{Approval, Compensate, FanOut, ForEach, Matrix, Stage, StageBody, Stages, Uses};
use crate::template::{Templates, condition, is_id, template};
use crate::units::duration_ms;
use crate::yaml::{Entry, Kind, Node};
use reelmill_model::limits::{APPROVAL_ROLES_MAX, FAN_OUT_MAX, STAGE_DEPTH_MAX, STAGES_MAX};
use serde_json::{Map, Value};

/// The keys of which a stage has exactly one.
const KINDS: [&str; 4] = ["uses", "stages", "pipeline", "approval"];

/// Keys that say how an attempt is made; a group makes none.
const OF_ATTEMPTS: &[&str] = &["timeout", "retry", "cache", "queue", "priority", "runs_on"];

/// Keys that limit attempts, over all runs; `defaults` has none of them.
const LIMITS: &[&str] = &["rate_limit", "concurrency"];

impl Lower<'_> {
    pub(super) fn stage(&mut self, entry: &Entry, depth: usize) -> Option<(String, Stage)> {
        self.stages += 1;
        if self.stages > STAGES_MAX {
            // Said once, at the first stage too many.
            if self.stages == STAGES_MAX + 1 {
                let message = format!("the pipeline has more than {STAGES_MAX} stages");
                self.error(
                    Code::LimitExceeded,
                    entry.key_span,
                    message,
                    "use `for_each` for stages that are alike",
                );
            }
            return None;
        }
        let node = &entry.value;
        if !is_id(&entry.key) || !matches!(node.kind, Kind::Map(_)) {
            return None;
        }
        let body = self.body(entry, depth);
        self.misplaced(node, &body);
        let compensate = self.compensate(node, &body);
        let stage = Stage {
            name: Spanned { value: entry.key.clone(), span: entry.key_span },
            body,
            needs: ids(node.get("needs")),
            condition: node.get("if").and_then(|node| condition(node, self.file, self.problems)),
            fan_out: self.fan_out(node),
            outputs: self.templates(node.get("outputs")),
            modifiers: self.stage_modifiers(node),
            concurrency: node.get("concurrency").and_then(|node| self.concurrency(node)),
            rate_limit: node.get("rate_limit").and_then(|node| self.rate_limit(node)),
            compensate,
            on_failure: self.inner(entry, "on_failure", depth),
            finally: self.inner(entry, "finally", depth),
        };
        Some((entry.key.clone(), stage))
    }

    fn body(&mut self, entry: &Entry, depth: usize) -> StageBody {
        let node = &entry.value;
        let present: Vec<&Entry> =
            node.entries().iter().filter(|e| KINDS.contains(&e.key.as_str())).collect();
        if present.is_empty() {
            let message = format!("stage `{}` does nothing", entry.key);
            let help = "give it exactly one of `uses`, `stages`, `pipeline` or `approval`";
            self.error(Code::StageKind, entry.key_span, message, help);
        }
        if let [first, second, ..] = present.as_slice() {
            let message = format!("stage `{}` has both `{}` and `{}`", entry.key, first.key, second.key);
            self.problems.push(
                Diagnostic::error(Code::StageKind, second.key_span, message)
                    .related(first.key_span, "the first")
                    .help("a stage has exactly one of `uses`, `stages`, `pipeline` and `approval`; make two stages"),
            );
            return StageBody::Unknown;
        }
        if node.get("stages").is_some() {
            return StageBody::Group(self.inner(entry, "stages", depth));
        }
        if let Some(approval) = node.get("approval").filter(|approval| matches!(approval.kind, Kind::Map(_)))
        {
            return StageBody::Approval(Box::new(self.approval(approval)));
        }
        if let Some(file) = node.get("pipeline") {
            let Some(name) = file.text().filter(|name| !name.trim().is_empty()) else {
                return StageBody::Unknown;
            };
            let file = Spanned { value: name.trim().to_owned(), span: file.span };
            let with_span = node.entry("with").map_or(file.span, |with| with.key_span);
            let with = Spanned { value: self.templates(node.get("with")), span: with_span };
            return StageBody::Pipeline { file, with };
        }
        let Some((uses, with)) = self.call(node) else { return StageBody::Unknown };
        StageBody::Uses { uses, with }
    }

    fn compensate(&mut self, node: &Node, body: &StageBody) -> Option<Box<Compensate>> {
        let entry = node.entry("compensate")?;
        let found = self.call(&entry.value);
        if self.cleanup {
            let message = "`compensate` has no meaning in the pipeline's `on_failure` and `finally`";
            self.error(
                Code::Conflict,
                entry.key_span,
                message,
                "they run after everything was undone; remove it",
            );
            return None;
        }
        if !matches!(body, StageBody::Uses { .. } | StageBody::Unknown) {
            let help = "put it on the stages inside that have effects";
            self.error(Code::Conflict, entry.key_span, "`compensate` belongs to a stage with `uses`", help);
            return None;
        }
        let (uses, with) = found?;
        Some(Box::new(Compensate { uses, with, modifiers: self.stage_modifiers(&entry.value) }))
    }

    /// `uses` and `with`.
    fn call(&mut self, node: &Node) -> Option<(Spanned<Uses>, Spanned<Templates>)> {
        let uses = node.get("uses")?;
        let (value, span) = (Uses::parse(uses.text()?)?, uses.span);
        let with_span = node.entry("with").map_or(span, |with| with.key_span);
        let with = Spanned { value: self.templates(node.get("with")), span: with_span };
        Some((Spanned { value, span }, with))
    }

    fn approval(&mut self, node: &Node) -> Approval {
        if let (Some(entry), None) = (node.entry("on_timeout"), node.get("timeout")) {
            let help = "add a `timeout`, or remove it: without one it waits until someone decides";
            self.error(Code::Conflict, entry.key_span, "`on_timeout` has no meaning without `timeout`", help);
        }
        let roles = ids(node.get("roles"));
        if let Some(extra) = roles.get(APPROVAL_ROLES_MAX) {
            let message = format!("an approval names at most {APPROVAL_ROLES_MAX} roles");
            self.error(Code::LimitExceeded, extra.span, message, "give the people one role");
        }
        Approval {
            roles,
            timeout_ms: node.get("timeout").and_then(Node::text).and_then(duration_ms),
            on_timeout: node.get("on_timeout").and_then(word).unwrap_or(OnTimeout::Reject),
            message: node.get("message").map(|message| template(message, self.file, self.problems)),
        }
    }

    /// The stages inside a stage, under one of its keys.
    fn inner(&mut self, entry: &Entry, key: &str, depth: usize) -> Stages {
        let Some(inner) = entry.value.entry(key) else { return Stages::new() };
        if depth + 1 >= STAGE_DEPTH_MAX {
            let message = format!("stages are nested deeper than {STAGE_DEPTH_MAX} levels");
            self.error(Code::LimitExceeded, inner.key_span, message, "flatten the inner groups");
            return Stages::new();
        }
        if matches!(&inner.value.kind, Kind::Map(entries) if entries.is_empty()) {
            let message = format!("`{key}` of stage `{}` has no stages", entry.key);
            self.error(Code::BadValue, inner.key_span, message, "add one with `uses`, or remove the key");
        }
        self.stages(Some(&inner.value), depth + 1)
    }

    /// Keys that have no meaning for what the stage does.
    fn misplaced(&mut self, node: &Node, body: &StageBody) {
        let (what, keys, help) = match body {
            StageBody::Group(_) => (
                "a group",
                &[&["with"], OF_ATTEMPTS].concat()[..],
                "put it on the stages inside, or into the pipeline's `defaults`",
            ),
            StageBody::Pipeline { .. } => (
                "another pipeline",
                OF_ATTEMPTS,
                "put it on the stages of that pipeline, or into its `defaults`",
            ),
            StageBody::Approval(_) => (
                "an approval",
                &[&["with"], OF_ATTEMPTS].concat()[..],
                "remove it; how long it waits is said by `approval.timeout`",
            ),
            StageBody::Uses { .. } | StageBody::Unknown => ("", &[][..], ""),
        };
        for entry in node.entries().iter().filter(|e| keys.contains(&e.key.as_str())) {
            let message = format!("`{}` has no meaning for {what}", entry.key);
            self.error(Code::Conflict, entry.key_span, message, help);
        }
        if !what.is_empty() {
            for entry in node.entries().iter().filter(|e| LIMITS.contains(&e.key.as_str())) {
                let message = format!("`{}` has no meaning for {what}", entry.key);
                let help = "put it on a stage with `uses`: that is what starts";
                self.error(Code::Conflict, entry.key_span, message, help);
            }
        }
        let whose = match body {
            StageBody::Uses { .. } => "the plugin",
            StageBody::Pipeline { .. } => "that pipeline",
            StageBody::Approval(_) => "the person's answer: `approved`, `by` and `reason`",
            StageBody::Group(_) | StageBody::Unknown => return,
        };
        if let Some(entry) = node.entry("outputs") {
            let help =
                format!("its outputs are those of {whose}; remove the key, or make a group with `stages`");
            self.error(Code::Conflict, entry.key_span, "`outputs` belongs to a stage with `stages`", help);
        }
    }

    fn fan_out(&mut self, node: &Node) -> Option<FanOut> {
        match (node.entry("for_each"), node.entry("matrix")) {
            (Some(each), Some(matrix)) => {
                self.problems.push(
                    Diagnostic::error(
                        Code::Conflict,
                        matrix.key_span,
                        "`for_each` and `matrix` on one stage",
                    )
                    .related(each.key_span, "the other one")
                    .help("make a group with one of them around a stage with the other"),
                );
                None
            }
            (Some(each), None) => self.for_each(&each.value).map(|each| FanOut::ForEach(Box::new(each))),
            (None, Some(matrix)) => Some(FanOut::Matrix(self.matrix(matrix))),
            (None, None) => None,
        }
    }

    fn for_each(&mut self, node: &Node) -> Option<ForEach> {
        let min_success = node.get("min_success").and_then(|share| match &share.kind {
            Kind::Text(text) => MinSuccess::parse(text),
            _ => count(share).map(MinSuccess::Count),
        });
        let on_item_failure = node.get("on_item_failure").and_then(word).unwrap_or(ItemFailure::FailFast);
        if let (Some(entry), ItemFailure::FailFast) = (node.entry("min_success"), on_item_failure) {
            let help = "add `on_item_failure: continue`, or remove it";
            self.error(Code::Conflict, entry.key_span, "`min_success` has no meaning with `fail_fast`", help);
        }
        let each = ForEach {
            items: condition(node.get("in")?, self.file, self.problems)?,
            key: node.get("key").and_then(|key| condition(key, self.file, self.problems)),
            max_parallel: node.get("max_parallel").and_then(count),
            max_items: node
                .get("max_items")
                .and_then(count)
                .map(|n| n.min(u32::try_from(FAN_OUT_MAX).unwrap_or(n))),
            on_item_failure,
            min_success,
        };
        Some(each)
    }

    fn matrix(&mut self, entry: &Entry) -> Matrix {
        let rows =
            |key: &str| entry.value.get(key).map(Node::items).unwrap_or_default().iter().filter_map(row);
        let mut matrix = Matrix {
            span: entry.key_span,
            dimensions: indexmap::IndexMap::new(),
            include: rows("include").collect(),
            exclude: rows("exclude").collect(),
        };
        for dimension in entry.value.entries() {
            if matches!(dimension.key.as_str(), "include" | "exclude") {
                continue;
            }
            let values = dimension.value.items().iter().map(Node::to_json).collect();
            matrix.dimensions.insert(dimension.key.clone(), values);
        }
        if let Some(at) = with_expression(&entry.value) {
            let help = "write the values out; for values known only at run time use `for_each`";
            self.error(Code::BadMatrix, at.span, "a matrix cannot have expressions", help);
        }
        matrix
    }
}

fn row(node: &Node) -> Option<Map<String, Value>> {
    match node.to_json() {
        Value::Object(row) => Some(row),
        _ => None,
    }
}

/// The first text with an expression in it.
fn with_expression(node: &Node) -> Option<&Node> {
    match &node.kind {
        Kind::Text(text) if text.contains("${{") => Some(node),
        Kind::List(items) => items.iter().find_map(with_expression),
        Kind::Map(entries) => entries.iter().find_map(|entry| with_expression(&entry.value)),
        _ => None,
    }
}
