//! Tree -> [`Spec`]. The shapes were checked before: what is malformed is reported already and left out here.
//! This room reports only what takes more than one key to see.

mod input;
mod limits;
mod modifiers;
mod stage;
mod trigger;

use crate::check::{check_record, shown};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Problems};
use crate::grammar::PIPELINE;
use crate::span::{Span, Spanned};
use crate::spec::{Spec, Stages};
use crate::template::{Templates, is_id, templates};
use crate::yaml::{Kind, Node};
use indexmap::IndexMap;

/// The spec of a file and everything that is wrong with it.
///
/// There is a spec whenever the text is a YAML map, so that later checks can report their problems too;
/// [`Spec::complete`] says whether it is whole.
#[must_use]
pub fn parse(text: &str) -> (Option<Spec>, Vec<Diagnostic>) {
    let mut problems = Problems::default();
    let Some(tree) = crate::yaml::read(text, &mut problems) else {
        return (None, problems.finish(None));
    };
    check_record(&tree, &PIPELINE, &mut problems);
    if !matches!(tree.kind, Kind::Map(_)) {
        return (None, problems.finish(Some(&tree)));
    }
    let mut lower = Lower { file: text, problems: &mut problems, stages: 0, cleanup: false };
    let mut spec = lower.pipeline(tree);
    spec.complete = problems.errors() == 0;
    let found = problems.finish(Some(&spec.tree));
    (Some(spec), found)
}

struct Lower<'a> {
    file: &'a str,
    problems: &'a mut Problems,
    stages: usize,
    /// Whether the stages of `on_failure` or `finally` of the pipeline are looked at.
    cleanup: bool,
}

impl Lower<'_> {
    fn pipeline(&mut self, tree: Node) -> Spec {
        if let Some(entry) = tree.entry("stages")
            && matches!(&entry.value.kind, Kind::Map(entries) if entries.is_empty())
        {
            let message = "the pipeline has no stages";
            self.problems
                .push(Diagnostic::error(Code::BadValue, entry.key_span, message).help("add one with `uses`"));
        }
        let defaults = tree.get("defaults").map(|node| self.modifiers(node)).unwrap_or_default();
        let inputs = self.inputs(tree.get("inputs"));
        let mut spec = Spec {
            triggers: self.triggers(&tree, &inputs),
            unique: tree.get("unique").and_then(|node| self.unique(node)),
            concurrency: tree.get("concurrency").and_then(|node| self.concurrency(node)),
            name: tree.get("name").and_then(Node::text).unwrap_or_default().to_owned(),
            labels: labels(tree.get("labels")),
            inputs,
            vars: self.templates(tree.get("vars")),
            secrets: self.secrets(tree.get("secrets")),
            defaults,
            stages: self.stages(tree.get("stages"), 0),
            on_failure: self.cleanup(tree.get("on_failure")),
            finally: self.cleanup(tree.get("finally")),
            outputs: self.templates(tree.get("outputs")),
            stage_count: 0,
            complete: false,
            tree,
        };
        spec.stage_count = self.stages;
        spec
    }

    fn stages(&mut self, node: Option<&Node>, depth: usize) -> Stages {
        node.map(Node::entries).unwrap_or_default().iter().filter_map(|e| self.stage(e, depth)).collect()
    }

    fn cleanup(&mut self, node: Option<&Node>) -> Stages {
        self.cleanup = true;
        let stages = self.stages(node, 0);
        self.cleanup = false;
        stages
    }

    fn templates(&mut self, node: Option<&Node>) -> Templates {
        node.map(|node| templates(node, self.file, self.problems)).unwrap_or_default()
    }

    fn secrets(&mut self, node: Option<&Node>) -> Vec<Spanned<String>> {
        let mut names: Vec<Spanned<String>> = Vec::new();
        for name in ids(node) {
            if let Some(first) = names.iter().find(|known| known.value == name.value) {
                let message = format!("secret `{}` is listed twice", shown(&name.value));
                let twice = Diagnostic::error(Code::DuplicateKey, name.span, message)
                    .related(first.span, "first here");
                self.problems.push(twice.help("remove one of them"));
            } else {
                names.push(name);
            }
        }
        names
    }

    fn error(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Diagnostic::error(code, span, message).help(help));
    }
}

fn labels(node: Option<&Node>) -> IndexMap<String, String> {
    let text = |node: &Node| match &node.kind {
        Kind::Text(text) => text.clone(),
        _ => node.to_json().to_string(),
    };
    node.map(Node::entries).unwrap_or_default().iter().map(|e| (e.key.clone(), text(&e.value))).collect()
}

/// The well-formed ids of a list.
fn ids(node: Option<&Node>) -> Vec<Spanned<String>> {
    let items = node.map(Node::items).unwrap_or_default();
    let id = |item: &Node| item.text().filter(|text| is_id(text)).map(str::to_owned);
    items.iter().filter_map(|item| Some(Spanned { value: id(item)?, span: item.span })).collect()
}
