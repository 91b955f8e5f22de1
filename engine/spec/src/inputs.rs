//! The inputs of a pipeline: their definitions, and what a run gives, checked and completed.

use crate::check::shown;
use crate::suggest;
use crate::units;
use crate::values::ValueChecker;
use indexmap::IndexMap;
use reelmill_model::limits::RUN_INPUTS_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One input of a pipeline.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct InputDef {
    /// Its type.
    pub r#type: InputType,
    /// Whether a run must give it. An input with a default is never required.
    pub required: bool,
    /// The value when a run gives none.
    pub default: Option<Value>,
    /// Short label for people.
    pub title: Option<String>,
    /// Longer text for people.
    pub description: Option<String>,
    /// JSON Schema 2020-12 of the value, limits and `enum` included.
    pub schema: Value,
    /// Of a `file`: the media types it takes (`audio/*`); empty means any.
    pub accept: Vec<String>,
}

/// The type of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputType {
    /// Text.
    String,
    /// A whole number.
    Int,
    /// A number.
    Number,
    /// `true` or `false`.
    Bool,
    /// `90s`, `10m`, `1h30m`; in expressions a number of seconds.
    Duration,
    /// `6Gi`, `500M`; in expressions a number of bytes.
    Bytes,
    /// An absolute URL.
    Url,
    /// A file, given by path or as an artifact reference; in expressions an artifact reference.
    File,
    /// A list.
    Array,
    /// A map.
    Object,
}

impl InputType {
    /// The type of its word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        serde_json::from_value(Value::String(word.to_owned())).ok()
    }

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Number => "number",
            Self::Bool => "bool",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
            Self::Url => "url",
            Self::File => "file",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

/// What is wrong with one input of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, thiserror::Error)]
#[error("input `{input}` {message}{}", help.as_ref().map(|text| format!(" ({text})")).unwrap_or_default())]
pub struct InputProblem {
    /// The input's name.
    pub input: String,
    /// What is wrong, without the name: `must be a string, this is 5`.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// The keyword in the schema of an input that names the type of a value that is converted.
pub(crate) const TYPE_KEYWORD: &str = "x-type";

/// Checks what a run gives, fills in defaults and converts durations to seconds and sizes to bytes.
/// The result has every input; one that is not required and not given is left out.
pub fn resolve(
    defs: &IndexMap<String, InputDef>,
    given: &Map<String, Value>,
) -> Result<Value, Vec<InputProblem>> {
    let mut problems = Vec::new();
    for name in given.keys().filter(|name| !defs.contains_key(*name)) {
        let help = suggest::or_list(name, defs.keys().map(String::as_str), "the pipeline has no inputs");
        problems.push(InputProblem {
            input: shown(name),
            message: "is not an input of the pipeline".to_owned(),
            help,
        });
    }
    let mut resolved = Map::new();
    for (name, def) in defs {
        match given.get(name).or(def.default.as_ref()) {
            Some(value) => match convert_and_check(def, value) {
                Ok(value) => {
                    resolved.insert(name.clone(), value);
                }
                Err(found) => problems.extend(found.into_iter().map(|(message, help)| InputProblem {
                    input: name.clone(),
                    message,
                    help,
                })),
            },
            None if def.required => problems.push(InputProblem {
                input: name.clone(),
                message: "is missing".to_owned(),
                help: Some(format!("give it with `--input {name}=…`{}", about(def))),
            }),
            None => {}
        }
    }
    let resolved = Value::Object(resolved);
    let bytes = resolved.to_string().len();
    if bytes > RUN_INPUTS_BYTES_MAX {
        problems.push(InputProblem {
            input: largest(&resolved),
            message: format!("is too large: all inputs together have {bytes} bytes, at most {RUN_INPUTS_BYTES_MAX} are allowed"),
            help: Some("put large data into a file and give a `file` input".to_owned()),
        });
    }
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

/// The same for a pipeline that another one runs: a null stands for an input that is not given, and a file is an
/// artifact already, because its path would mean nothing within the other pipeline.
pub fn resolve_inner(
    defs: &IndexMap<String, InputDef>,
    mut given: Map<String, Value>,
) -> Result<Value, Vec<InputProblem>> {
    given.retain(|name, value| !value.is_null() || defs.get(name).is_none_or(|def| def.required));
    let resolved = resolve(defs, &given)?;
    let by_path = |(name, def): &(&String, &InputDef)| {
        def.r#type == InputType::File && resolved.get(name.as_str()).is_some_and(Value::is_string)
    };
    let problems: Vec<InputProblem> = defs.iter().filter(by_path).map(|(name, _)| no_path(name)).collect();
    if problems.is_empty() { Ok(resolved) } else { Err(problems) }
}

fn no_path(name: &str) -> InputProblem {
    InputProblem {
        input: name.to_owned(),
        message: "is a path; a pipeline within another one takes files that are stored".to_owned(),
        help: Some("give it a `file` input of the outer pipeline, or what a stage puts out".to_owned()),
    }
}

/// What is wrong with a value that is written out for an input; each with its remedy.
#[must_use]
pub fn check_literal(def: &InputDef, value: &Value) -> Vec<(String, Option<String>)> {
    if value.is_null() && !def.required {
        return Vec::new();
    }
    match convert_and_check(def, value) {
        Err(found) => found,
        Ok(Value::String(_)) if def.r#type == InputType::File => {
            let problem = no_path("");
            vec![(problem.message, problem.help)]
        }
        Ok(_) => Vec::new(),
    }
}

fn about(def: &InputDef) -> String {
    def.description
        .as_ref()
        .or(def.title.as_ref())
        .map_or_else(String::new, |text| format!(": {}", shown(text)))
}

fn largest(resolved: &Value) -> String {
    let sizes =
        resolved.as_object().into_iter().flatten().map(|(name, value)| (value.to_string().len(), name));
    sizes.max().map(|(_, name)| name.clone()).unwrap_or_default()
}

/// A problem of a value: what, and the remedy.
pub(crate) type Said = (String, Option<String>);

/// The value as expressions see it, or all that is wrong with it.
pub(crate) fn convert_and_check(def: &InputDef, value: &Value) -> Result<Value, Vec<Said>> {
    let mut problems = Vec::new();
    let value = convert(&def.schema, value, "", &mut problems);
    // A value that could not be converted would be refused a second time by its schema.
    if problems.is_empty() {
        match ValueChecker::new(&def.schema) {
            Ok(checker) => problems.extend(checker.check(&value).into_iter().map(|problem| {
                let place = if problem.pointer.is_empty() {
                    String::new()
                } else {
                    format!("at {}: ", problem.pointer)
                };
                (format!("{place}{}", problem.message), problem.help)
            })),
            Err(error) => problems.push((error.to_string(), None)),
        }
    }
    if problems.is_empty() { Ok(value) } else { Err(problems) }
}

/// Durations become seconds, sizes bytes, numbers that may be broken floats; other values stay.
fn convert(schema: &Value, value: &Value, pointer: &str, problems: &mut Vec<Said>) -> Value {
    let mut refuse = |what: &str, help: &str| {
        let place = if pointer.is_empty() { String::new() } else { format!("at {pointer}: ") };
        problems.push((
            format!("{place}must be {what}, this is `{}`", shown(&plain(value))),
            Some(help.to_owned()),
        ));
        value.clone()
    };
    match (schema.get(TYPE_KEYWORD).and_then(Value::as_str), value) {
        (Some("duration"), Value::String(text)) => match units::duration_ms(text) {
            Some(ms) => seconds(ms),
            None => refuse("a duration", "for example `90s`, `10m` or `1h30m`"),
        },
        (Some("bytes"), Value::String(text)) => match units::bytes(text) {
            Some(size) => Value::from(size),
            None => refuse("a size", "for example `500M` or `6Gi`"),
        },
        (Some("url"), Value::String(text)) if !is_url(text) => {
            refuse("an absolute URL", "for example `https://example.org/clip.mp4`")
        }
        // CEL does not mix whole and broken numbers: what may be broken always is, or `2` would fail in `x * 1.5`.
        (_, Value::Number(number)) if schema.get("type").is_some_and(|kind| kind == "number") => {
            number.as_f64().map_or_else(|| value.clone(), Value::from)
        }
        (_, Value::Array(items)) => {
            let inner = schema.get("items").unwrap_or(&Value::Null);
            let one = |(index, item)| convert(inner, item, &format!("{pointer}/{index}"), problems);
            Value::Array(items.iter().enumerate().map(one).collect())
        }
        (_, Value::Object(map)) => {
            let inner =
                |name: &String| schema.get("properties").and_then(|p| p.get(name)).unwrap_or(&Value::Null);
            let one = |(name, value): (&String, &Value)| {
                (name.clone(), convert(inner(name), value, &format!("{pointer}/{name}"), problems))
            };
            Value::Object(map.iter().map(one).collect())
        }
        _ => value.clone(),
    }
}

/// Whole seconds stay whole.
pub(crate) fn seconds(ms: u64) -> Value {
    if ms.is_multiple_of(1_000) { Value::from(ms / 1_000) } else { Value::from(ms as f64 / 1_000.0) }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a text is an absolute URL: a scheme, `://`, a host, no white space or control characters.
fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
        && !rest.split(['/', '?', '#']).next().unwrap_or_default().is_empty()
        && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The value of `--input name=text`: numbers and bools by the input's type, lists and maps as JSON.
/// What does not parse stays text, and [`resolve`] says what is wrong with it.
#[must_use]
pub fn parse_flag(def: &InputDef, text: &str) -> Value {
    let json = || serde_json::from_str::<Value>(text).ok();
    let parsed = match def.r#type {
        InputType::Int | InputType::Number | InputType::Duration | InputType::Bytes => {
            json().filter(Value::is_number)
        }
        InputType::Bool => json().filter(Value::is_boolean),
        InputType::Array => json()
            .filter(Value::is_array)
            .or_else(|| (!text.trim_start().starts_with('[')).then(|| list_of_words(def, text))),
        InputType::Object | InputType::File => json().filter(Value::is_object),
        InputType::String | InputType::Url => None,
    };
    parsed.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// `a,b,c` for a list whose items are text; items of other types are read as JSON.
fn list_of_words(def: &InputDef, text: &str) -> Value {
    let is_text = def.schema.pointer("/items/type").is_none_or(|kind| kind == "string");
    let item = |word: &str| match serde_json::from_str(word) {
        Ok(value) if !is_text => value,
        _ => Value::String(word.to_owned()),
    };
    Value::Array(text.split(',').map(str::trim).filter(|word| !word.is_empty()).map(item).collect())
}
