//! Diagnostics as people read them in a terminal: code, place, the source line with the place marked, remedy.

use crate::diagnostic::{Diagnostic, Severity};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};
use std::borrow::Cow;
use std::ops::Range;

/// Lines longer than this are cut around the mark by the renderer; beyond the next figure we cut them first,
/// because its work grows with the line.
const LINE_BYTES_SHOWN: usize = 4_096;

/// The diagnostics of a file and of those that it names, one below the other, with a closing count.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], source: &str, file_name: &str, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.decor_style(DecorStyle::Ascii);
    let mut text = String::new();
    for diagnostic in diagnostics {
        let (source, name) = match &diagnostic.file {
            Some(file) => (file.text.as_str(), file.name.as_str()),
            None => (source, file_name),
        };
        text.push_str(&one(&renderer, diagnostic, source, name));
        text.push_str("\n\n");
    }
    text.push_str(&count(diagnostics));
    text
}

fn one(renderer: &Renderer, diagnostic: &Diagnostic, source: &str, file_name: &str) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.id());
    let mut report = vec![];
    let mut group = Group::with_title(title);
    let window = window(source, diagnostic);
    let base = window.start;
    let shown = source.get(window).unwrap_or_default();
    let inside = |range: Range<usize>| {
        let start = range.start.saturating_sub(base).min(shown.len());
        start..range.end.saturating_sub(base).clamp(start, shown.len())
    };
    let line = source.get(..base).map_or(1, |before| before.bytes().filter(|b| *b == b'\n').count() + 1);
    let mut snippet = Snippet::source(shown).line_start(line).path(file_name);
    let mark = AnnotationKind::Primary.span(inside(first_line(source, diagnostic.span.range())));
    snippet = snippet.annotation(mark.label(label(&diagnostic.label)));
    for (span, label) in &diagnostic.related {
        let range = first_line(source, span.range());
        snippet = snippet.annotation(AnnotationKind::Context.span(inside(range)).label(label.as_str()));
    }
    group = group.element(snippet);
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    report.push(group);
    renderer.render(&report)
}

fn label(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

/// The part of the file that the marks stand in, whole lines where they are short.
fn window(source: &str, diagnostic: &Diagnostic) -> Range<usize> {
    let spans = || std::iter::once(diagnostic.span).chain(diagnostic.related.iter().map(|(span, _)| *span));
    let first = spans().map(|s| s.start as usize).min().unwrap_or(0).min(source.len());
    let last =
        spans().map(|s| first_line(source, s.range()).end).max().unwrap_or(0).clamp(first, source.len());
    let (first, last) = (source.floor_char_boundary(first), source.floor_char_boundary(last));
    let start = source[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = source[last..].find('\n').map_or(source.len(), |at| last + at);
    let start = start.max(source.floor_char_boundary(first.saturating_sub(LINE_BYTES_SHOWN)));
    let end = end.min(source.floor_char_boundary(last + LINE_BYTES_SHOWN));
    start..end.max(start)
}

/// A mark over many lines hides the point: only its first line is marked.
fn first_line(source: &str, range: Range<usize>) -> Range<usize> {
    let start = source.floor_char_boundary(range.start.min(source.len()));
    let end = source.floor_char_boundary(range.end.clamp(start, source.len()));
    let line_end = source[start..end].find('\n').map_or(end, |at| start + at);
    start..line_end
}

fn count(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
    let warnings = diagnostics.len() - errors;
    let plural = |n: usize, word: &str| if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") };
    match (errors, warnings) {
        (0, 0) => String::new(),
        (0, _) => format!("{}\n", plural(warnings, "warning")),
        (_, 0) => format!("{}\n", plural(errors, "error")),
        _ => format!("{}, {}\n", plural(errors, "error"), plural(warnings, "warning")),
    }
}
