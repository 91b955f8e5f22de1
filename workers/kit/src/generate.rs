//! Makes values from a schema: the smallest it asks for, everything it knows, and as much as it allows.

use serde_json::{Map, Number, Value, json};
use std::path::Path;

/// Bytes of a huge text.
const HUGE_TEXT: usize = 48 * 1024;
/// Items of a huge list.
const HUGE_ITEMS: u64 = 200;
/// Nesting that is followed.
const DEPTH_MAX: usize = 12;

/// How much to make.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Size {
    /// What is required, no more.
    Least,
    /// Every property, of ordinary size.
    Ordinary,
    /// Every property, as large as the schema lets it be.
    Huge,
}

/// Makes values that a schema should accept. It does not know every keyword, so the result is to be checked.
pub struct Generator<'a> {
    root: &'a Value,
    size: Size,
    /// A readable file that stands for artifacts and paths.
    file: &'a Path,
}

impl<'a> Generator<'a> {
    /// For a schema.
    pub fn new(root: &'a Value, size: Size, file: &'a Path) -> Self {
        Self { root, size, file }
    }

    /// One value.
    pub fn value(&self) -> Value {
        self.of(self.root, DEPTH_MAX)
    }

    fn of(&self, schema: &Value, depth: usize) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        if let Some(value) = schema.get("const").or_else(|| schema.get("enum")?.get(0)) {
            return value.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|place| self.follow(place))
        {
            return self.of(target, depth - 1);
        }
        if schema.get("x-artifact").is_some() {
            return self.artifact();
        }
        match schema.get("x-path").and_then(Value::as_str) {
            // The folder that the bench keeps beside its sample file.
            Some("write") => return self.file.with_file_name("kept").to_string_lossy().into(),
            Some(_) => return self.file.to_string_lossy().into(),
            None => {}
        }
        if let Some(value) = schema.get("default").filter(|_| self.size != Size::Huge) {
            return value.clone();
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(first) = schema.get(key).and_then(|list| list.get(0)) {
                return self.of(first, depth - 1);
            }
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "string" => self.text(schema).into(),
            "integer" => self.number(schema, true),
            "number" => self.number(schema, false),
            "boolean" => Value::Bool(self.size == Size::Huge),
            _ => Value::Null,
        }
    }

    fn follow(&self, place: &str) -> Option<&'a Value> {
        self.root.pointer(place.strip_prefix('#')?)
    }

    fn object(&self, schema: &Value, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array);
        let is_required = |name: &str| required.is_some_and(|list| list.iter().any(|item| item == name));
        let mut object = Map::new();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            if self.size != Size::Least || is_required(name) {
                object.insert(name.clone(), self.of(property, depth - 1));
            }
        }
        Value::Object(object)
    }

    fn array(&self, schema: &Value, depth: usize) -> Value {
        let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        let most = schema.get("maxItems").and_then(Value::as_u64).unwrap_or(HUGE_ITEMS);
        let count = match self.size {
            Size::Least => least,
            Size::Ordinary => least.max(1).min(most),
            Size::Huge => most.min(HUGE_ITEMS).max(least),
        };
        // Large things within a large list would be over the limit of a payload.
        let items = Self { size: if self.size == Size::Huge { Size::Ordinary } else { self.size }, ..*self };
        let item = schema.get("items").map_or(Value::Null, |schema| items.of(schema, depth - 1));
        Value::Array(vec![item; usize::try_from(count).unwrap_or(0)])
    }

    fn text(&self, schema: &Value) -> String {
        let bound = |key| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let least = bound("minLength").unwrap_or(0);
        let most = bound("maxLength").unwrap_or(HUGE_TEXT);
        let length = match self.size {
            Size::Least => least,
            Size::Ordinary => most.min(least.max(12)),
            Size::Huge => most.min(HUGE_TEXT).max(least),
        };
        // Words, a quote, a backslash, a line break, and letters of more than one byte.
        let sample = "Words, \"quoted\" \\ and\nbroken: æøå 漢字 😀. ";
        if self.size == Size::Huge {
            sample.chars().cycle().take(length).collect()
        } else {
            "sample text ".chars().cycle().take(length).collect()
        }
    }

    fn number(&self, schema: &Value, whole: bool) -> Value {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let low = bound("minimum")
            .or_else(|| bound("exclusiveMinimum").map(|n| n + if whole { 1.0 } else { 1e-3 }));
        let high = bound("maximum")
            .or_else(|| bound("exclusiveMaximum").map(|n| n - if whole { 1.0 } else { 1e-3 }));
        let value = match self.size {
            Size::Huge => high.unwrap_or(1e9).max(low.unwrap_or(f64::MIN)),
            _ => low.unwrap_or(0.0).max(1.0).min(high.unwrap_or(f64::MAX)),
        };
        #[expect(clippy::cast_possible_truncation, reason = "bounds of integer schemas are far below 2^53")]
        if whole {
            Value::from(value.ceil() as i64)
        } else {
            Number::from_f64(value).map_or(Value::Null, Value::Number)
        }
    }

    fn artifact(&self) -> Value {
        json!({
            "$artifact": format!("blake3:{}", "0".repeat(64)),
            "path": self.file,
            "name": self.file.file_name().unwrap_or_default().to_string_lossy(),
            "size": self.file.metadata().map_or(0, |meta| meta.len()),
            "media_type": "text/plain"
        })
    }
}

/// The type of a schema; of several, the first that is not null.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|k| *k != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ => "null",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_required_properties_and_references_are_kept() {
        let schema = json!({
            "type": "object",
            "properties": {
                "text": { "type": "string", "minLength": 3, "maxLength": 20 },
                "count": { "type": "integer", "minimum": 2, "maximum": 5 },
                "kind": { "enum": ["a", "b"] },
                "items": { "type": "array", "items": { "$ref": "#/$defs/item" }, "minItems": 1, "maxItems": 4 }
            },
            "required": ["text", "items"],
            "$defs": { "item": { "type": ["null", "number"], "exclusiveMinimum": 0 } }
        });
        let file = Path::new("/f.txt");
        let least = Generator::new(&schema, Size::Least, file).value();
        assert_eq!(least, json!({ "text": "sam", "items": [1.0] }));
        let huge = Generator::new(&schema, Size::Huge, file).value();
        assert_eq!(huge["text"].as_str().unwrap().chars().count(), 20);
        assert_eq!((&huge["count"], huge["items"].as_array().unwrap().len()), (&json!(5), 4));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({ "type": "object", "properties": { "next": { "$ref": "#" } } });
        Generator::new(&schema, Size::Huge, Path::new("/f")).value();
    }
}
