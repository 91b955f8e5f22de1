//! YAML -> a tree in which every key and value knows its place.
//!
//! Built from parser events, because a problem of the file must not stop at the first one: a duplicate key
//! is reported with both places and reading goes on. Scalars follow the YAML 1.2 core schema, so `no` is text.

use crate::code::Code;
use crate::diagnostic::{Diagnostic, Problems};
use crate::span::{Span, small};
use reelmill_model::limits::{PIPELINE_BYTES_MAX, YAML_DEPTH_MAX, YAML_NODES_MAX};
use serde_json::{Map, Number, Value};
use serde_yaml::granit_parser::{self as granit, Event, Parser, ScalarStyle};
use std::collections::HashMap;

/// A value of the file.
#[derive(Clone, PartialEq, Debug)]
pub struct Node {
    /// Where it stands.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
}

/// What a value is.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file, each key once.
    Map(Vec<Entry>),
}

/// A key of a map and its value.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => Value::Object(
                entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// The value of a key, when this is a map that has it.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A key and its value, when this is a map that has it.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// The entries of a map; none of anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    #[must_use]
    pub fn items(&self) -> &[Self] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The text, when this is one.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, when this is one that is not negative.
    #[must_use]
    pub fn unsigned(&self) -> Option<u64> {
        match &self.kind {
            Kind::Number(number) => number.as_u64(),
            _ => None,
        }
    }

    /// The JSON pointer of the innermost value at a byte of the file.
    #[must_use]
    pub fn pointer_at(&self, at: u32) -> String {
        let mut pointer = String::new();
        let mut node = self;
        loop {
            let step = match &node.kind {
                Kind::Map(entries) => entries
                    .iter()
                    .find(|e| covers(e.key_span, at) || covers(e.value.span, at))
                    .map(|e| (e.key.replace('~', "~0").replace('/', "~1"), &e.value, covers(e.key_span, at))),
                Kind::List(items) => items
                    .iter()
                    .enumerate()
                    .find(|(_, item)| covers(item.span, at))
                    .map(|(index, item)| (index.to_string(), item, false)),
                _ => None,
            };
            let Some((step, child, at_key)) = step else { return pointer };
            pointer.push('/');
            pointer.push_str(&step);
            if at_key {
                return pointer;
            }
            node = child;
        }
    }

    /// What it is, in words, with its article.
    #[must_use]
    pub fn what(&self) -> &'static str {
        match &self.kind {
            Kind::Null => "nothing",
            Kind::Bool(_) => "a bool",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a string",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }
}

fn covers(span: Span, at: u32) -> bool {
    span.start <= at && (at < span.end || (at == span.start && span.start == span.end))
}

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

/// A scalar that is written as a number.
enum Numeral {
    Fits(Number),
    TooLarge,
}

impl From<Option<Number>> for Numeral {
    fn from(number: Option<Number>) -> Self {
        number.map_or(Self::TooLarge, Self::Fits)
    }
}

/// A number of the core schema; none when the text is not written as one.
fn number(text: &str) -> Option<Numeral> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some((digits, radix)) = unsigned
        .strip_prefix("0x")
        .map(|digits| (digits, 16))
        .or_else(|| unsigned.strip_prefix("0o").map(|digits| (digits, 8)))
    {
        let is_number =
            !digits.is_empty() && unsigned.len() == text.len() && digits.chars().all(|c| c.is_digit(radix));
        return is_number.then(|| u64::from_str_radix(digits, radix).ok().map(Number::from).into());
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !unsigned.contains(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let whole = text.strip_prefix('+').unwrap_or(text);
        let parsed =
            whole.parse::<i64>().map(Number::from).or_else(|_| whole.parse::<u64>().map(Number::from));
        return Some(parsed.ok().into());
    }
    let exponent_or_digit = |c: char| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-');
    if !unsigned.chars().all(exponent_or_digit) {
        return None;
    }
    text.parse::<f64>().ok().map(|number| Number::from_f64(number).into())
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
