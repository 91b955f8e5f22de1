//! Values against the schemas of a manifest. Messages name the place and the rule, never the value: it may be a
//! secret.

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;
use std::fmt::Write as _;

/// Problems named in one message; the rest is counted.
const PROBLEMS_SHOWN: usize = 5;

/// Compiles a schema. References to other documents are refused, and patterns take linear time.
pub fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| error.masked().to_string())
}

/// What is wrong with a value, in one sentence; none when nothing is.
pub fn problems(validator: &Validator, value: &Value) -> Option<String> {
    if validator.is_valid(value) {
        return None;
    }
    let mut errors = validator.iter_errors(value);
    let mut text = String::new();
    for error in errors.by_ref().take(PROBLEMS_SHOWN) {
        let separator = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{separator}{}: {}", place(&error), error.masked_with("the value"));
    }
    match errors.count() {
        0 => {}
        more => {
            let _ = write!(text, "; and {more} more");
        }
    }
    Some(text)
}

fn place(error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().to_string();
    if pointer.is_empty() { "the whole".to_owned() } else { format!("`{}`", pointer.trim_start_matches('/')) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: &Value) -> Option<String> {
        let schema = json!({
            "type": "object",
            "properties": { "key": { "type": "integer" }, "list": { "items": { "type": "string" } } },
            "required": ["key"],
            "additionalProperties": false
        });
        problems(&compile(&schema).unwrap(), value)
    }

    #[test]
    fn every_problem_is_named_with_its_place() {
        assert_eq!(check(&json!({ "key": 1, "list": ["a"] })), None);
        let text = check(&json!({ "key": 1, "list": ["a", 2] })).unwrap();
        assert!(text.contains("`list/1`"), "{text}");
        let text = check(&json!({ "kee": 1 })).unwrap();
        assert!(text.contains("kee") && text.contains("required"), "{text}");
    }

    #[test]
    fn a_message_never_shows_the_value() {
        let text = check(&json!({ "key": "sk-very-secret" })).unwrap();
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_schema_that_refers_elsewhere_is_refused() {
        assert!(compile(&json!({ "$ref": "https://example.org/schema.json" })).is_err());
    }
}
