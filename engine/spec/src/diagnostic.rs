//! Diagnostics: what is wrong with a pipeline file, where, and what to do about it.

use crate::code::Code;
use crate::files::FileText;
use crate::span::Span;
use crate::yaml::Node;
use reelmill_model::limits::DIAGNOSTICS_MAX;
use serde::Serialize;
use std::sync::Arc;

/// How much a diagnostic matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The pipeline cannot be run.
    Error,
    /// The pipeline can be run, but likely does not do what was meant.
    Warning,
}

/// One problem of a pipeline file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// Its kind.
    pub code: Code,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What stands there, in a few words; may be empty.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that belong to the problem.
    pub related: Vec<(Span, String)>,
    /// JSON pointer of the value the problem is at; empty for the file as a whole.
    pub pointer: String,
    /// The file it is in, when that is not the one that was checked but one that it names.
    pub file: Option<Arc<FileText>>,
}

impl Diagnostic {
    /// An error.
    #[must_use]
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            label: String::new(),
            help: None,
            related: Vec::new(),
            pointer: String::new(),
            file: None,
        }
    }

    /// A warning.
    #[must_use]
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// The same with a few words at the marked place.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// The same with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with a remedy, if there is one.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// The same with another place that belongs to it.
    #[must_use]
    pub fn related(mut self, span: Span, label: impl Into<String>) -> Self {
        self.related.push((span, label.into()));
        self
    }

    /// The form that the API and `-o json` give out.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let mut json = serde_json::json!({
            "code": self.code.id(),
            "severity": self.severity,
            "message": self.message,
            "line": self.span.line,
            "column": self.span.column,
            "end_line": self.span.end_line,
            "end_column": self.span.end_column,
            "pointer": self.pointer,
            "help": self.help,
        });
        if let Some(file) = &self.file {
            json["file"] = file.name.as_str().into();
        }
        json
    }
}

impl Serialize for Diagnostic {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

/// Collects the problems of one file and of those that it names.
#[derive(Debug, Default)]
pub struct Problems {
    list: Vec<Diagnostic>,
    /// The file that is looked at.
    file: Option<Arc<FileText>>,
    // Invariant: counts every error ever reported, those beyond the limit included.
    errors: usize,
    beyond: usize,
}

impl Problems {
    /// Adds a problem.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        diagnostic.file = diagnostic.file.or_else(|| self.file.clone());
        // A file that is named twice is looked at twice, and would be complained of twice.
        let again = diagnostic.file.is_some() && self.list.contains(&diagnostic);
        self.errors += usize::from(diagnostic.severity == Severity::Error);
        if again {
            return;
        }
        if self.list.len() < DIAGNOSTICS_MAX {
            self.list.push(diagnostic);
        } else {
            self.beyond += 1;
        }
    }

    /// Looks at another file: problems pushed from now on are in it. None is the first file.
    pub fn enter(&mut self, file: Option<Arc<FileText>>) {
        self.file = file;
    }

    /// How many problems keep the pipeline from being run, those beyond the limit included.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether further problems are only counted. Looking for remedies for them would be wasted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.list.len() >= DIAGNOSTICS_MAX
    }

    /// The problems in the order of the file, each with its pointer.
    #[must_use]
    pub fn finish(mut self, tree: Option<&Node>) -> Vec<Diagnostic> {
        self.list.sort_by(in_order);
        for diagnostic in self.list.iter_mut().filter(|diagnostic| diagnostic.file.is_none()) {
            diagnostic.pointer = tree.map(|t| t.pointer_at(diagnostic.span.start)).unwrap_or_default();
        }
        if self.beyond > 0 {
            let last = self.list.last().cloned();
            let span = last.as_ref().map(|d| d.span).unwrap_or_default();
            let message = format!("{} more problems are not shown", self.beyond);
            let mut more =
                Diagnostic::error(Code::LimitExceeded, span, message).help("correct the first ones");
            more.file = last.and_then(|last| last.file);
            self.list.push(more);
        }
        self.list
    }
}

/// The order in which problems are told: the first file before those that it names, each from its top.
#[must_use]
pub fn in_order(one: &Diagnostic, other: &Diagnostic) -> std::cmp::Ordering {
    fn key(d: &Diagnostic) -> (Option<&str>, u32, Code) {
        (d.file.as_ref().map(|file| file.name.as_str()), d.span.start, d.code)
    }
    key(one).cmp(&key(other))
}
