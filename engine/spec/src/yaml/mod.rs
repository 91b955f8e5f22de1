//! YAML -> a tree in which every key and value knows its place.

mod number;
mod reader;

pub use reader::read;

use crate::span::Span;
use serde_json::{Map, Number, Value};

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
