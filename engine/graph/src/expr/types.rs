//! Types, as far as they are known before a run: from JSON Schemas of inputs and outputs.
//!
//! A type is a promise only where it says something: [`Type::Any`] is "not known", never "wrong".

use indexmap::IndexMap;
use reelmill_spec::suggest::or_list;
use serde_json::Value;
use std::sync::Arc;

/// What is known of a value.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Type {
    /// Nothing.
    #[default]
    Any,
    /// It is null.
    Null,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A number that is written with a fraction.
    Double,
    /// A number of either kind.
    Number,
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A moment.
    Timestamp,
    /// A length of time.
    Duration,
    /// A list of one type.
    List(Box<Type>),
    /// A map.
    Object(Arc<Object>),
    /// A value that may be missing, as `.?name` gives.
    Optional(Box<Type>),
}

/// What is known of a map.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Object {
    /// What its members are, for messages: `output of script.write`.
    pub what: String,
    /// The members that are known.
    pub members: IndexMap<String, Type>,
    /// Whether it may have others.
    pub open: bool,
}

/// `$ref`s followed within one schema; more is a circle.
const REFS_MAX: usize = 16;

impl Type {
    /// A map with these members and no others. `what` names one of them: `input of this pipeline`.
    pub fn object(what: impl Into<String>, members: impl IntoIterator<Item = (String, Type)>) -> Self {
        let members = members.into_iter().collect();
        Self::Object(Arc::new(Object { what: what.into(), members, open: false }))
    }

    /// A map of which nothing is known.
    pub fn open_object() -> Self {
        Self::Object(Arc::new(Object { what: "member".to_owned(), members: IndexMap::new(), open: true }))
    }

    /// A list of a type.
    pub fn list(of: Type) -> Self {
        Self::List(Box::new(of))
    }

    /// The same map with a name for its members; any other type as it is.
    #[must_use]
    pub fn named(self, what: impl Into<String>) -> Self {
        match self {
            Self::Object(object) => {
                Self::Object(Arc::new(Object { what: what.into(), ..Arc::unwrap_or_clone(object) }))
            }
            other => other,
        }
    }

    /// The type of the values that a JSON Schema (2020-12) accepts. An object that lists properties has no others
    /// unless the schema says so: reading what nobody declared is a mistake.
    pub fn from_schema(schema: &Value) -> Self {
        Self::within(schema, schema, REFS_MAX)
    }

    fn within(schema: &Value, root: &Value, refs: usize) -> Self {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            let found = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return found.filter(|_| refs > 0).map_or(Self::Any, |found| Self::within(found, root, refs - 1));
        }
        if let Some(constant) = schema.get("const") {
            return Self::of(constant);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().map(Self::of).reduce(Self::join).unwrap_or_default();
        }
        for any in ["anyOf", "oneOf"] {
            if let Some(choices) = schema.get(any).and_then(Value::as_array) {
                return Self::one_of(choices.iter().map(|choice| Self::within(choice, root, refs)));
            }
        }
        match schema.get("type") {
            Some(Value::String(name)) => Self::of_name(name, schema, root, refs),
            Some(Value::Array(names)) => Self::one_of(
                names.iter().filter_map(Value::as_str).map(|name| Self::of_name(name, schema, root, refs)),
            ),
            _ if schema.get("properties").is_some() => Self::of_name("object", schema, root, refs),
            _ => Self::Any,
        }
    }

    fn of_name(name: &str, schema: &Value, root: &Value, refs: usize) -> Self {
        match name {
            "null" => Self::Null,
            "boolean" => Self::Bool,
            "integer" => Self::Int,
            "number" => Self::Number,
            "string" => Self::String,
            "array" => {
                Self::list(schema.get("items").map_or(Self::Any, |items| Self::within(items, root, refs)))
            }
            "object" => Self::object_schema(schema, root, refs),
            _ => Self::Any,
        }
    }

    fn object_schema(schema: &Value, root: &Value, refs: usize) -> Self {
        let listed = schema.get("properties").and_then(Value::as_object);
        let members: IndexMap<String, Type> = listed
            .into_iter()
            .flatten()
            .map(|(name, property)| (name.clone(), Self::within(property, root, refs)))
            .collect();
        let others = schema.get("additionalProperties").or_else(|| schema.get("patternProperties"));
        let open = match others {
            Some(Value::Bool(open)) => *open,
            Some(_) => true,
            None => members.is_empty() || schema.get("allOf").is_some(),
        };
        Self::Object(Arc::new(Object { what: "member".to_owned(), members, open }))
    }

    /// One of several; a choice with null keeps what is known of a map or list, for the members it may have.
    fn one_of(choices: impl Iterator<Item = Type>) -> Self {
        let choices: Vec<Type> = choices.collect();
        let mut values = choices.iter().filter(|choice| **choice != Self::Null);
        match (values.next(), values.next()) {
            (Some(only @ (Self::Object(_) | Self::List(_))), None) => only.clone(),
            _ => choices.into_iter().reduce(Self::join).unwrap_or_default(),
        }
    }

    /// The type of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Bool,
            Value::Number(number) if number.is_f64() => Self::Double,
            Value::Number(_) => Self::Int,
            Value::String(_) => Self::String,
            Value::Array(items) => {
                Self::list(items.iter().map(Self::of).reduce(Self::join).unwrap_or_default())
            }
            Value::Object(members) => {
                Self::object("member", members.iter().map(|(name, value)| (name.clone(), Self::of(value))))
            }
        }
    }

    /// What is known of a value that is of one type or the other.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Int | Self::Double | Self::Number, Self::Int | Self::Double | Self::Number) => {
                Self::Number
            }
            (Self::List(a), Self::List(b)) => Self::list(a.join(*b)),
            (Self::Object(a), Self::Object(b)) => Self::Object(Arc::new(a.join(&b))),
            (Self::Optional(a), Self::Optional(b)) => Self::Optional(Box::new(a.join(*b))),
            _ => Self::Any,
        }
    }

    /// Whether a value of this type can be passed where `wanted` is asked for. False only when it never can.
    pub fn could_be(&self, wanted: &Type) -> bool {
        match (self, wanted) {
            (Self::Any, _)
            | (_, Self::Any)
            | (Self::Object(_), Self::Object(_))
            // A moment leaves an expression as a text, a length of time as a number of seconds.
            | (Self::Timestamp, Self::String)
            | (Self::Int | Self::Double | Self::Duration, Self::Number)
            | (Self::Number | Self::Duration, Self::Int | Self::Double) => true,
            (Self::Optional(inner), wanted) => inner.could_be(wanted),
            (own, Self::Optional(inner)) => own.could_be(inner),
            (Self::List(own), Self::List(wanted)) => own.could_be(wanted),
            (own, wanted) => own == wanted,
        }
    }

    /// The type in the words of messages: "a text".
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Any => "a value",
            Self::Null => "null",
            Self::Bool => "a bool",
            Self::Int => "a whole number",
            Self::Double => "a number with a fraction",
            Self::Number => "a number",
            Self::String => "a text",
            Self::Bytes => "bytes",
            Self::Timestamp => "a moment",
            Self::Duration => "a length of time",
            Self::List(_) => "a list",
            Self::Object(_) => "a map",
            Self::Optional(_) => "a value that may be missing",
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Number)
    }
}

impl Object {
    /// What both have, and open for what only one has.
    fn join(&self, other: &Self) -> Self {
        let shared = |(name, own): (&String, &Type)| {
            let theirs = other.members.get(name)?;
            Some((name.clone(), own.clone().join(theirs.clone())))
        };
        let members: IndexMap<_, _> = self.members.iter().filter_map(shared).collect();
        let alike = members.len() == self.members.len() && members.len() == other.members.len();
        Self { what: self.what.clone(), members, open: self.open || other.open || !alike }
    }

    /// The type of a member, or what is to be said of a name it cannot have.
    pub(super) fn member(&self, name: &str) -> Result<Type, String> {
        if let Some(known) = self.members.get(name) {
            return Ok(known.clone());
        }
        if self.open {
            return Ok(Type::Any);
        }
        let names = self.members.keys().map(String::as_str);
        let rest = or_list(name, names, "there is none").unwrap_or_default();
        Err(format!("`{name}` is no {}; {rest}", self.what))
    }
}

#[cfg(test)]
mod tests {
    use super::Type;
    use serde_json::{Value, json};

    fn show(kind: &Type) -> String {
        match kind {
            Type::List(of) => format!("[{}]", show(of)),
            Type::Object(object) => {
                let members = object.members.iter().map(|(name, kind)| format!("{name}: {}", show(kind)));
                let open = object.open.then(|| "…".to_owned());
                format!("{{{}}}", members.chain(open).collect::<Vec<_>>().join(", "))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn schemas_become_types() {
        let point = json!({"type": "object", "properties": {"x": {"type": "number"}}});
        let table: [(Value, &str); 15] = [
            (json!({"type": "string"}), "String"),
            (json!({"type": "integer"}), "Int"),
            (json!({"type": "number"}), "Number"),
            (json!({"type": "boolean"}), "Bool"),
            (json!({"type": ["string", "null"]}), "Any"),
            (json!({"enum": ["a", "b"]}), "String"),
            (json!({"const": 2.5}), "Double"),
            (json!({"type": "array", "items": {"type": "string"}}), "[String]"),
            (json!({"type": "object"}), "{…}"),
            (point.clone(), "{x: Number}"),
            (
                json!({"type": "object", "properties": {"a": true}, "additionalProperties": true}),
                "{a: Any, …}",
            ),
            (json!({"$ref": "#/$defs/p", "$defs": {"p": point}}), "{x: Number}"),
            (
                json!({"anyOf": [{"$ref": "#/$defs/p"}, {"type": "null"}], "$defs": {"p": point}}),
                "{x: Number}",
            ),
            (json!({"$ref": "#"}), "Any"),
            (json!(true), "Any"),
        ];
        for (schema, expected) in table {
            assert_eq!(show(&Type::from_schema(&schema)), expected, "{schema}");
        }
    }

    #[test]
    fn only_what_never_fits_is_refused() {
        let list = Type::list;
        assert!(Type::Any.could_be(&Type::Bool));
        assert!(Type::Int.could_be(&Type::Number));
        assert!(Type::Number.could_be(&Type::Int));
        assert!(Type::Optional(Box::new(Type::String)).could_be(&Type::String));
        assert!(Type::Timestamp.could_be(&Type::String));
        assert!(list(Type::Any).could_be(&list(Type::Int)));
        assert!(!Type::String.could_be(&Type::Int));
        assert!(!list(Type::String).could_be(&list(Type::Int)));
        assert!(!Type::Null.could_be(&Type::String));
        assert!(!Type::Double.could_be(&Type::Int));
    }
}
