//! The grammar as JSON Schema 2020-12, for editors (yaml-language-server) and other tools.
//!
//! Stricter than the language nowhere, so that an editor never marks what the engine takes.

use crate::grammar::{Key, PIPELINE, Record, Shape};
use reelmill_model::limits::ID_CHARS_MAX;
use serde_json::{Map, Value, json};

/// JSON Schema of a pipeline file.
#[must_use]
pub fn schema() -> Value {
    let mut records = Records { done: Map::new() };
    let Value::Object(mut root) = records.body(&PIPELINE) else { return Value::Null };
    let mut schema = Map::new();
    schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    schema.insert("title".to_owned(), json!("Reelmill pipeline"));
    schema.append(&mut root);
    schema.insert("$defs".to_owned(), Value::Object(records.done));
    Value::Object(schema)
}

/// Records that stand in `$defs`, so that stages within stages do not repeat forever.
struct Records {
    done: Map<String, Value>,
}

impl Records {
    fn reference(&mut self, record: &'static Record) -> Value {
        let name = record.what.trim_start_matches("a ").trim_start_matches("an ").replace('`', "");
        if !self.done.contains_key(&name) {
            // Taken first: a record that contains itself finds its own name.
            self.done.insert(name.clone(), Value::Null);
            let body = self.body(record);
            self.done.insert(name.clone(), body);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }

    fn body(&mut self, record: &'static Record) -> Value {
        let properties: Map<String, Value> =
            record.keys.iter().map(|key| (key.name.to_owned(), self.property(key))).collect();
        let required: Vec<&str> = record.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        })
    }

    fn property(&mut self, key: &Key) -> Value {
        let mut schema = self.shape(key.shape);
        let doc = if key.available { key.doc.to_owned() } else { format!("{} Not available yet.", key.doc) };
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), json!(doc));
        }
        schema
    }

    fn shape(&mut self, shape: Shape) -> Value {
        match shape {
            Shape::Value | Shape::Literal => json!({}),
            Shape::Text | Shape::TextTemplate => json!({ "type": "string", "minLength": 1 }),
            Shape::Id => json!({ "type": "string", "pattern": ID, "maxLength": ID_CHARS_MAX }),
            Shape::Uses => json!({
                "type": "string",
                "pattern": "^[a-z][a-z0-9_]*\\.[a-z][a-z0-9_]*@[0-9]+$",
                "examples": ["video.clip@1"],
            }),
            Shape::Expr => json!({ "type": ["string", "boolean"] }),
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::Int(min, max) if min == max => json!({ "const": min }),
            Shape::Int(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
            Shape::Duration => {
                json!({ "type": "string", "pattern": "^([0-9]+(d|h|m|s|ms))+$", "examples": ["10m", "1h30m"] })
            }
            Shape::Bound => json!({ "type": ["number", "string"] }),
            Shape::Bytes => json!({ "type": "string", "examples": ["500M", "6Gi"] }),
            Shape::Share => {
                json!({ "type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9.]+ ?%$", "examples": ["90%"] })
            }
            Shape::Word(words) => json!({ "enum": words }),
            Shape::List(item) => json!({ "type": "array", "items": self.shape(*item) }),
            Shape::Record(record) => self.reference(record),
            Shape::Table(value) => json!({
                "type": "object",
                "propertyNames": { "pattern": ID, "maxLength": ID_CHARS_MAX },
                "additionalProperties": self.shape(*value),
            }),
            Shape::Labels => json!({
                "type": "object",
                "additionalProperties": { "type": ["string", "number", "boolean"] },
            }),
            Shape::Values => json!({ "type": "object" }),
            Shape::Matrix => matrix(),
            Shape::Either(scalar, record) => {
                json!({ "anyOf": [self.shape(*scalar), self.reference(record)] })
            }
        }
    }
}

const ID: &str = "^[a-z][a-z0-9_]*$";

fn matrix() -> Value {
    let rows = |doc: &str| json!({ "type": "array", "items": { "type": "object" }, "description": doc });
    json!({
        "type": "object",
        "properties": {
            "include": rows("Combinations to add, or values to add to those that they match."),
            "exclude": rows("Combinations, or parts of them, to leave out."),
        },
        "propertyNames": { "pattern": ID, "maxLength": ID_CHARS_MAX },
        "additionalProperties": { "type": "array", "minItems": 1 },
    })
}
