//! Values against JSON Schema, with messages for people.

use crate::check::shown;
use crate::suggest;
use jsonschema::error::{TypeKind, ValidationErrorKind as Rule};
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// A JSON Schema, ready to check values.
///
/// Patterns run on an engine without backtracking, so that no pattern and text can make it hang.
#[derive(Debug)]
pub struct ValueChecker {
    schema: Value,
    validator: Validator,
}

/// What is wrong with a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ValueProblem {
    /// JSON pointer within the value.
    pub pointer: String,
    /// What is wrong, without the name of the value: `must be a string, this is 5`.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// The schema's keyword that was not kept.
    pub keyword: String,
    /// The property that is missing or not known, where it is about one.
    pub property: Option<String>,
}

/// The schema itself is broken.
#[derive(Debug, thiserror::Error)]
#[error("the schema cannot be used: {0}")]
pub struct BadSchema(String);

impl ValueChecker {
    /// A checker for a schema (draft 2020-12 unless it says otherwise).
    pub fn new(schema: &Value) -> Result<Self, BadSchema> {
        jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex())
            .build(schema)
            .map(|validator| Self { schema: schema.clone(), validator })
            .map_err(|error| BadSchema(error.to_string()))
    }

    /// Everything that is wrong with a value.
    #[must_use]
    pub fn check(&self, value: &Value) -> Vec<ValueProblem> {
        self.validator.iter_errors(value).flat_map(|error| self.problems(&error)).collect()
    }

    fn problems(&self, error: &ValidationError<'_>) -> Vec<ValueProblem> {
        let pointer = error.instance_path().to_string();
        let keyword = error.kind().keyword().to_owned();
        let problem = |message: String, help: Option<String>, property: Option<String>| ValueProblem {
            pointer: pointer.clone(),
            message,
            help,
            keyword: keyword.clone(),
            property,
        };
        match error.kind() {
            Rule::AdditionalProperties { unexpected } | Rule::UnevaluatedProperties { unexpected } => {
                let known = self.properties(&pointer);
                let one = |name: &String| {
                    let help = suggest::or_list(name, known.iter().map(String::as_str), "");
                    problem(format!("has no property `{}`", shown(name)), help, Some(name.clone()))
                };
                unexpected.iter().map(one).collect()
            }
            Rule::Required { property } => {
                let name = property.as_str().unwrap_or_default().to_owned();
                let help = self.description(&pointer, &name);
                vec![problem(format!("needs the property `{name}`"), help, Some(name))]
            }
            Rule::Type { kind } => {
                vec![problem(
                    format!("must be {}, this is {}", types(kind), said(error.instance())),
                    None,
                    None,
                )]
            }
            Rule::Enum { options } => {
                let words: Vec<&str> =
                    options.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                let near = error.instance().as_str().and_then(|text| suggest::nearest(text, words));
                let all = options.as_array().into_iter().flatten().map(said).collect::<Vec<_>>().join(", ");
                let help = near.map(|word| format!("did you mean `{word}`?"));
                vec![problem(format!("must be one of {all}, this is {}", said(error.instance())), help, None)]
            }
            _ => vec![problem(shown_long(&error.to_string()), None, None)],
        }
    }

    /// The names of the properties that the schema knows at a place; through `properties` and `items` only.
    fn properties(&self, pointer: &str) -> Vec<String> {
        let properties = schema_at(&self.schema, pointer).and_then(|schema| schema.get("properties"));
        properties.and_then(Value::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
    }

    fn description(&self, pointer: &str, property: &str) -> Option<String> {
        let schema = schema_at(&self.schema, &format!("{pointer}/{property}"))?;
        schema.get("description")?.as_str().map(|text| format!("{property}: {}", shown_long(text)))
    }
}

/// The part of a schema that speaks of a place in its values; none where that depends on the value.
#[must_use]
pub fn schema_at<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut at = resolve(schema, schema)?;
    for step in pointer.split('/').skip(1) {
        let step = step.replace("~1", "/").replace("~0", "~");
        let next = match at.get("properties").and_then(|properties| properties.get(&step)) {
            Some(property) => property,
            None if step.parse::<usize>().is_ok() => at.get("items")?,
            None => at.get("additionalProperties")?,
        };
        at = resolve(schema, next)?;
    }
    Some(at)
}

/// Follows `$ref`s within the schema.
fn resolve<'a>(root: &'a Value, mut at: &'a Value) -> Option<&'a Value> {
    const HOPS: usize = 16;
    for _ in 0..HOPS {
        match at.get("$ref").and_then(Value::as_str) {
            Some(reference) => at = root.pointer(reference.strip_prefix('#')?)?,
            None => return Some(at),
        }
    }
    None
}

fn types(kind: &TypeKind) -> String {
    let names: Vec<&str> = match kind {
        TypeKind::Single(one) => vec![one.as_str()],
        TypeKind::Multiple(many) => many.iter().map(jsonschema::JsonType::as_str).collect(),
    };
    let with_article = |name: &str| match name {
        "null" => "null".to_owned(),
        "integer" => "a whole number".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a map".to_owned(),
        "boolean" => "a bool".to_owned(),
        other => format!("a {other}"),
    };
    names.into_iter().map(with_article).collect::<Vec<_>>().join(" or ")
}

/// A value as it stands in a message: short, on one line.
fn said(value: &Value) -> String {
    match value {
        Value::Object(_) => "a map".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => format!("`{}`", shown(&other.as_str().map_or_else(|| other.to_string(), str::to_owned))),
    }
}

fn shown_long(text: &str) -> String {
    const CHARS: usize = 200;
    let clean: String = text.chars().take(CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().count() > CHARS { format!("{clean}…") } else { clean }
}
