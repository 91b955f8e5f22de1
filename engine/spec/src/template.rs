//! Values with expressions in them, as they stand in the file: each expression knows its place.
//!
//! Splitting happens after YAML is parsed, so an expression can never break the file's structure.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Problems};
use crate::span::{Span, Spanned};
use crate::yaml::{Kind, Node};
use indexmap::IndexMap;
use reelmill_model::limits::EXPRESSION_CHARS_MAX;
use serde_json::Value;

/// An expression and its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expr {
    /// Its source, without `${{ }}` and the space around.
    pub source: String,
    /// Where it stands.
    pub span: Span,
    /// Whether the file has the very same characters there, so that an offset in the source is one in the file.
    pub exact: bool,
}

impl Expr {
    /// The place of a part of the source, as near as it is known.
    #[must_use]
    pub fn part(&self, range: std::ops::Range<usize>) -> Span {
        if !self.exact {
            return self.span;
        }
        let end = self.source.floor_char_boundary(range.end.max(range.start + 1));
        let start = self.source.floor_char_boundary(range.start.min(end));
        let from = self.span.first().after(&self.source[..start]);
        Span::between(from, from.after(&self.source[start..end]))
    }

    /// The secret's name when the expression is nothing but `secrets.NAME`.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        let name = self.source.strip_prefix("secrets.")?.trim();
        is_id(name).then_some(name)
    }
}

/// Whether a text is an id: `[a-z][a-z0-9_]*`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A value with expressions in it.
#[derive(Clone, PartialEq, Debug)]
pub struct Template {
    /// What it is.
    pub kind: TemplateKind,
    /// Where it stands.
    pub span: Span,
}

/// What a value with expressions is.
#[derive(Clone, PartialEq, Debug)]
pub enum TemplateKind {
    /// A scalar without expressions.
    Literal(Value),
    /// One expression; the value keeps its type.
    Expr(Expr),
    /// Text with expressions in it; the value is a string.
    Text(Vec<TextPart>),
    /// A list.
    List(Vec<Template>),
    /// A map.
    Map(Templates),
}

/// A part of a text with expressions in it.
#[derive(Clone, PartialEq, Debug)]
pub enum TextPart {
    /// Text as it is.
    Text(String),
    /// An expression, whose value is written out.
    Expr(Expr),
}

/// Named values with the places of their names.
pub type Templates = IndexMap<String, Spanned<Template>>;

impl Template {
    /// Every expression in it, in order.
    #[must_use]
    pub fn expressions(&self) -> Vec<&Expr> {
        fn walk<'a>(template: &'a Template, found: &mut Vec<&'a Expr>) {
            match &template.kind {
                TemplateKind::Literal(_) => {}
                TemplateKind::Expr(expr) => found.push(expr),
                TemplateKind::Text(parts) => found.extend(parts.iter().filter_map(|part| match part {
                    TextPart::Expr(expr) => Some(expr),
                    TextPart::Text(_) => None,
                })),
                TemplateKind::List(items) => items.iter().for_each(|item| walk(item, found)),
                TemplateKind::Map(map) => map.values().for_each(|value| walk(&value.value, found)),
            }
        }
        let mut found = Vec::new();
        walk(self, &mut found);
        found
    }
}

/// The template of a node of the file.
pub fn template(node: &Node, file: &str, problems: &mut Problems) -> Template {
    let kind = match &node.kind {
        Kind::Text(text) => text_template(text, node, file, problems),
        Kind::List(items) => {
            TemplateKind::List(items.iter().map(|item| template(item, file, problems)).collect())
        }
        Kind::Map(_) => TemplateKind::Map(templates(node, file, problems)),
        _ => TemplateKind::Literal(node.to_json()),
    };
    Template { kind, span: node.span }
}

/// The templates of a map of the file.
pub fn templates(node: &Node, file: &str, problems: &mut Problems) -> Templates {
    let one = |entry: &crate::yaml::Entry, problems: &mut Problems| {
        let value = template(&entry.value, file, problems);
        (entry.key.clone(), Spanned { value, span: entry.key_span })
    };
    node.entries().iter().map(|entry| one(entry, problems)).collect()
}

/// A bare expression: CEL as it is, or one whole `${{ }}`.
pub fn condition(node: &Node, file: &str, problems: &mut Problems) -> Option<Expr> {
    let text = match &node.kind {
        Kind::Text(text) => text.clone(),
        Kind::Bool(value) => value.to_string(),
        _ => return None,
    };
    if !text.contains("${{") {
        return bare(text.trim(), node, file, problems);
    }
    match text_template(text.trim(), node, file, problems) {
        TemplateKind::Expr(expr) => Some(expr),
        TemplateKind::Text(_) => {
            let message = "text around `${{ }}`: this must be one expression";
            problems.push(
                Diagnostic::error(Code::MixedCondition, node.span, message)
                    .help("write the whole as one expression, without `${{ }}`"),
            );
            None
        }
        _ => None,
    }
}

fn bare(text: &str, node: &Node, file: &str, problems: &mut Problems) -> Option<Expr> {
    if text.is_empty() {
        problems.push(Diagnostic::error(Code::BadTemplate, node.span, "there is no expression"));
        return None;
    }
    let mut finder = Finder { node, file, from: 0, place: node.span.first() };
    sized(finder.expr(text), problems)
}

fn text_template(text: &str, node: &Node, file: &str, problems: &mut Problems) -> TemplateKind {
    if !text.contains("${{") {
        return TemplateKind::Literal(Value::String(text.to_owned()));
    }
    let mut finder = Finder { node, file, from: 0, place: node.span.first() };
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${{") {
        if at > 0 {
            parts.push(TextPart::Text(rest[..at].to_owned()));
        }
        let inner = &rest[at + 3..];
        let Some(end) = closing(inner) else {
            problems.push(
                Diagnostic::error(Code::BadTemplate, finder.expr("${{").span, "`${{` without its `}}`")
                    .label("opened here")
                    .help("close it with `}}`; for the characters themselves write `${{ '${{' }}`"),
            );
            return TemplateKind::Literal(Value::String(text.to_owned()));
        };
        let source = inner[..end].trim();
        if source.is_empty() {
            let span = finder.expr("${{").span;
            problems.push(Diagnostic::error(Code::BadTemplate, span, "`${{ }}` without an expression"));
        } else if let Some(expr) = sized(finder.expr(source), problems) {
            parts.push(TextPart::Expr(expr));
        }
        rest = &inner[end + 2..];
    }
    if !rest.is_empty() {
        parts.push(TextPart::Text(rest.to_owned()));
    }
    match parts.as_slice() {
        [TextPart::Expr(expr)] => TemplateKind::Expr(expr.clone()),
        _ => TemplateKind::Text(parts),
    }
}

fn sized(expr: Expr, problems: &mut Problems) -> Option<Expr> {
    let chars = expr.source.chars().count();
    if chars <= EXPRESSION_CHARS_MAX {
        return Some(expr);
    }
    let message =
        format!("the expression has {chars} characters, at most {EXPRESSION_CHARS_MAX} are allowed");
    problems.push(
        Diagnostic::error(Code::LimitExceeded, expr.span, message)
            .help("split it with `vars`, or let a stage do the work"),
    );
    None
}

/// Bytes before the `}}` that closes an expression; braces of maps and quoted text do not close it.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut open) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' => open += 1,
            b'}' if open > 0 => open -= 1,
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Finds expressions in the raw text of a scalar, one after the other: quoting, escapes and line folding make
/// offsets of the value differ from those of the file.
struct Finder<'a> {
    node: &'a Node,
    file: &'a str,
    from: usize,
    place: crate::span::Place,
}

impl Finder<'_> {
    fn expr(&mut self, source: &str) -> Expr {
        let raw = self.file.get(self.node.span.range()).unwrap_or_default();
        let rest = raw.get(self.from..).unwrap_or_default();
        let Some(at) = rest.find(source) else {
            // Searching on for the others would take the square of the scalar's length.
            self.from = raw.len();
            return Expr { source: source.to_owned(), span: self.node.span, exact: false };
        };
        let start = self.place.after(&rest[..at]);
        let end = start.after(source);
        self.from += at + source.len();
        self.place = end;
        Expr { source: source.to_owned(), span: Span::between(start, end), exact: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> (Template, Vec<Diagnostic>) {
        let mut problems = Problems::default();
        let node = crate::yaml::read(yaml, &mut problems).expect("YAML");
        let template = template(&node, yaml, &mut problems);
        (template, problems.finish(None))
    }

    #[test]
    fn an_expression_ends_at_its_own_braces() {
        let (template, problems) = read(r#""${{ {'a': {'b': '}}'}} }} and ${{ x }}""#);
        assert!(problems.is_empty(), "{problems:?}");
        let sources: Vec<_> =
            template.expressions().iter().map(|e| (e.source.as_str(), e.span.column)).collect();
        assert_eq!(sources, [("{'a': {'b': '}}'}}", 6), ("x", 36)]);
    }

    #[test]
    fn a_whole_expression_keeps_its_type_and_an_embedded_one_is_text() {
        assert!(matches!(read("'${{ a }}'").0.kind, TemplateKind::Expr(_)));
        assert!(matches!(read("' ${{ a }}'").0.kind, TemplateKind::Text(parts) if parts.len() == 2));
        assert!(matches!(read("'a'").0.kind, TemplateKind::Literal(_)));
    }

    #[test]
    fn an_escaped_value_marks_the_whole_scalar() {
        let (template, _) = read(r#""${{ 'a\nb' }}""#);
        let expr = template.expressions()[0];
        assert!(!expr.exact && expr.span == template.span, "{expr:?}");
    }
}
