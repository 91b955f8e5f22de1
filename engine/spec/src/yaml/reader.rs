//! Builds the tree from parser events, because a problem of the file must not stop at the first one: a
//! duplicate key is reported with both places and reading goes on. Scalars follow the core schema of YAML 1.2,
//! so `no` is text.

use super::number::{Numeral, number};
use super::{Entry, Kind, Node};
use crate::code::Code;
use crate::diagnostic::{Diagnostic, Problems};
use crate::span::{Span, small};
use reelmill_model::limits::{PIPELINE_BYTES_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX};
use serde_json::Number;
use serde_yaml::granit_parser::{self as granit, Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// Reads the only document of a text. None when it is no YAML or over a limit: then the rest is not known.
pub fn read(text: &str, problems: &mut Problems) -> Option<Node> {
    if text.len() > PIPELINE_BYTES_MAX {
        let message = format!("the file has {} bytes, at most {PIPELINE_BYTES_MAX} are allowed", text.len());
        problems.push(
            Diagnostic::error(Code::LimitExceeded, Span::default(), message)
                .help("move large data into files and pass them as inputs"),
        );
        return None;
    }
    let options = granit::options! { emit_comments: false };
    let reader = Reader {
        parser: Parser::new_from_str_with_options(text, options),
        text,
        problems,
        anchors: HashMap::new(),
        nodes: 0,
        scalar_bytes: 0,
    };
    reader.document()
}

/// Reading stops here; the reason is reported already.
struct Stop;

struct Reader<'a> {
    parser: Parser<'a, granit::StrInput<'a>>,
    text: &'a str,
    problems: &'a mut Problems,
    anchors: HashMap<usize, Anchored>,
    nodes: usize,
    scalar_bytes: usize,
}

/// A value with a name, and what a copy of it costs.
struct Anchored {
    node: Node,
    nodes: usize,
    scalar_bytes: usize,
    depth: usize,
}

type Next<'a> = (Event<'a>, Span);

impl<'a> Reader<'a> {
    fn document(mut self) -> Option<Node> {
        let Some(node) = self.first_document().ok()? else {
            return Some(Node { span: Span::default(), kind: Kind::Null });
        };
        // What follows the document: nothing, or a second one.
        loop {
            match self.next().ok()? {
                (Event::DocumentEnd, _) => {}
                (Event::StreamEnd, _) => return Some(node),
                (_, span) => {
                    let message = "the file has a second document";
                    self.problems.push(
                        Diagnostic::error(Code::Unsupported, span, message)
                            .help("write one pipeline a file; remove what follows `---`"),
                    );
                    return Some(node);
                }
            }
        }
    }

    /// None when there is no document at all.
    fn first_document(&mut self) -> Result<Option<Node>, Stop> {
        loop {
            match self.next()? {
                (Event::StreamStart | Event::DocumentStart(..), _) => {}
                (Event::StreamEnd, _) => return Ok(None),
                next => return self.node(next, 0).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<Next<'a>, Stop> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, place(span))),
            Some(Err(error)) => {
                let mark = *error.marker();
                let at = self.text.floor_char_boundary(mark.byte_offset().unwrap_or(0));
                let next = self.text[at..].chars().next().map_or(0, char::len_utf8);
                let span = place(granit::Span::empty(mark)).part(self.text, 0..0);
                let span = Span { end: span.start + small(next), end_column: span.column + 1, ..span };
                let message = format!("this is not YAML: {}", error.info());
                self.problems.push(
                    Diagnostic::error(Code::Syntax, span, message)
                        .label("reading stopped here")
                        .help("check indentation, quotes and brackets here and in the line above"),
                );
                Err(Stop)
            }
            None => Err(Stop),
        }
    }

    fn node(&mut self, (event, span): Next<'a>, depth: usize) -> Result<Node, Stop> {
        self.count(span, 1, 0, depth)?;
        let (nodes, bytes) = (self.nodes, self.scalar_bytes);
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(span, 0, text.len(), depth)?;
                if let Some(tag) = tag.as_deref().filter(|tag| tag.core_suffix() != Some("str")) {
                    self.unsupported_tag(span, &tag.original());
                }
                let plain = style == ScalarStyle::Plain && tag.is_none();
                let kind = if plain { self.scalar(&text, span) } else { Kind::Text(text.into_owned()) };
                (anchor, Node { span, kind })
            }
            Event::SequenceStart(_, anchor, tag) => {
                if let Some(tag) = tag.as_deref() {
                    self.unsupported_tag(span, &tag.original());
                }
                (anchor, self.list(span, depth)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                if let Some(tag) = tag.as_deref() {
                    self.unsupported_tag(span, &tag.original());
                }
                (anchor, self.map(span, depth)?)
            }
            Event::Alias(id) => (0, self.alias(id, span, depth)?),
            _ => (0, Node { span, kind: Kind::Null }),
        };
        if anchor > 0 {
            let depth = depth_of(&node);
            let (nodes, scalar_bytes) = (self.nodes - nodes + 1, self.scalar_bytes - bytes);
            self.anchors.insert(anchor, Anchored { node: node.clone(), nodes, scalar_bytes, depth });
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Node, Stop> {
        let Some(Anchored { nodes, scalar_bytes, depth: inner, .. }) = self.anchors.get(&id) else {
            let message = "an alias inside the value that it names";
            self.problems.push(Diagnostic::error(Code::Unsupported, span, message));
            return Err(Stop);
        };
        let (nodes, scalar_bytes, inner) = (*nodes, *scalar_bytes, *inner);
        self.count(span, nodes, scalar_bytes, depth + inner)?;
        Ok(Node { span, kind: self.anchors[&id].node.kind.clone() })
    }

    fn list(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, end) => {
                    let span = until(start, end, items.last().map(|item| item.span));
                    return Ok(Node { span, kind: Kind::List(items) });
                }
                next => items.push(self.node(next, depth + 1)?),
            }
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        loop {
            let next = match self.next()? {
                (Event::MappingEnd, end) => {
                    let span = until(start, end, entries.last().map(|entry| entry.value.span));
                    return Ok(Node { span, kind: Kind::Map(entries) });
                }
                next => next,
            };
            let key_node = self.node(next, depth + 1)?;
            let next = self.next()?;
            let value = self.node(next, depth + 1)?;
            let Some(key) = self.key(&key_node) else { continue };
            if let Some(first) = seen.get(&key) {
                self.problems.push(
                    Diagnostic::error(
                        Code::DuplicateKey,
                        key_node.span,
                        format!("key `{key}` is written twice"),
                    )
                    .label("again here")
                    .related(*first, "first here")
                    .help("remove or rename one of them"),
                );
                continue;
            }
            seen.insert(key.clone(), key_node.span);
            entries.push(Entry { key, key_span: key_node.span, value });
        }
    }

    fn key(&mut self, node: &Node) -> Option<String> {
        let key = match &node.kind {
            Kind::Text(text) => text.clone(),
            Kind::Bool(value) => value.to_string(),
            Kind::Number(number) => number.to_string(),
            Kind::Null | Kind::List(_) | Kind::Map(_) => {
                let message = format!("a key must be a word, this is {}", node.what());
                self.problems.push(Diagnostic::error(Code::WrongType, node.span, message));
                return None;
            }
        };
        if key == "<<" || key.contains("${{") {
            let (what, help) = if key == "<<" {
                ("merge keys (`<<`) are not part of the language", "use `defaults` for what stages share")
            } else {
                ("a key cannot have an expression", "write expressions in values only")
            };
            self.problems.push(Diagnostic::error(Code::Unsupported, node.span, what).help(help));
            return None;
        }
        Some(key)
    }

    fn unsupported_tag(&mut self, span: Span, tag: &str) {
        let message = format!("YAML tags are not part of the language: `{tag}`");
        self.problems.push(
            Diagnostic::error(Code::Unsupported, span, message)
                .help("remove the tag; quote the value to make it text"),
        );
    }

    fn count(&mut self, span: Span, nodes: usize, bytes: usize, depth: usize) -> Result<(), Stop> {
        self.nodes += nodes;
        self.scalar_bytes += bytes;
        let message = if depth >= YAML_DEPTH_MAX {
            format!("values are nested deeper than {YAML_DEPTH_MAX} levels")
        } else if self.nodes > YAML_NODES_MAX {
            format!("the file has more than {YAML_NODES_MAX} values once its aliases are followed")
        } else if self.scalar_bytes > PIPELINE_BYTES_MAX {
            format!("the file has more than {PIPELINE_BYTES_MAX} bytes of text once its aliases are followed")
        } else {
            return Ok(());
        };
        self.problems.push(
            Diagnostic::error(Code::LimitExceeded, span, message)
                .help("move large data into files and pass them as inputs"),
        );
        Err(Stop)
    }

    fn scalar(&mut self, text: &str, span: Span) -> Kind {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            _ => match number(text) {
                Some(Numeral::Fits(number)) => Kind::Number(number),
                Some(Numeral::TooLarge) => {
                    let message = format!("`{text}` is a number too large to be kept");
                    self.problems.push(
                        Diagnostic::error(Code::BadValue, span, message)
                            .help("quote it if it is meant as text"),
                    );
                    // Near enough for what else there is to say of it.
                    text.parse().ok().and_then(Number::from_f64).map_or(Kind::Null, Kind::Number)
                }
                None => Kind::Text(text.to_owned()),
            },
        }
    }
}

fn depth_of(node: &Node) -> usize {
    let inner = match &node.kind {
        Kind::List(items) => items.iter().map(depth_of).max(),
        Kind::Map(entries) => entries.iter().map(|e| depth_of(&e.value)).max(),
        _ => None,
    };
    inner.map_or(0, |depth| depth + 1)
}

fn place(span: granit::Span) -> Span {
    let point = |mark: granit::Marker| {
        (small(mark.byte_offset().unwrap_or(0)), small(mark.line()), small(mark.col() + 1))
    };
    let ((start, line, column), (end, end_line, end_column)) = (point(span.start), point(span.end));
    Span { start, end, line, column, end_line, end_column }
}

/// From the start of a collection to its closing bracket. One without brackets ends, for the parser, where the
/// next thing begins; people see its end at its last value.
fn until(start: Span, end: Span, last: Option<Span>) -> Span {
    let end =
        if end.start < end.end { end } else { last.filter(|last| last.end > start.start).unwrap_or(start) };
    Span { end: end.end, end_line: end.end_line, end_column: end.end_column, ..start }
}
