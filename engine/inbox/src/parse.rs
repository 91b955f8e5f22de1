//! Bytes -> [`Envelope`], or everything that is wrong with them, each with its JSON pointer. Pure.

use crate::envelope::{self, Envelope};
use reelmill_model::limits::{DIAGNOSTICS_MAX, ENVELOPE_BYTES_MAX};
use reelmill_spec::values::{ValueChecker, ValueProblem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::LazyLock;

/// One thing that is wrong with an envelope, or with the submission it asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Problem {
    /// JSON pointer into the envelope; empty for the envelope as a whole.
    pub pointer: String,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Problem {
    /// A problem of the envelope as a whole.
    #[must_use]
    pub fn whole(message: impl Into<String>) -> Self {
        Self::at("", message)
    }

    /// A problem at a place.
    #[must_use]
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), help: None }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "the envelope" } else { &self.pointer };
        write!(f, "{place}: {}", self.message)
    }
}

/// An envelope that cannot be read: every problem of it, at most `DIAGNOSTICS_MAX`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct BadEnvelope(pub Vec<Problem>);

/// Reads an envelope.
pub fn parse(bytes: &[u8]) -> Result<Envelope, BadEnvelope> {
    let value = json(bytes).map_err(|problem| BadEnvelope(vec![problem]))?;
    let mut problems: Vec<Problem> =
        CHECKER.iter().flat_map(|checker| checker.check(&value)).map(Problem::from).collect();
    problems.extend(one_pipeline(&value));
    problems.truncate(DIAGNOSTICS_MAX);
    if !problems.is_empty() {
        return Err(BadEnvelope(problems));
    }
    // The schema is made from the type, so this only fails where the two disagree.
    serde_json::from_value(value).map_err(|error| BadEnvelope(vec![Problem::whole(error.to_string())]))
}

/// Made once; none if the schema of our own type were broken, which a test excludes.
static CHECKER: LazyLock<Option<ValueChecker>> = LazyLock::new(|| ValueChecker::new(&envelope::parts()).ok());

fn json(bytes: &[u8]) -> Result<Value, Problem> {
    if bytes.len() > ENVELOPE_BYTES_MAX {
        let message = format!("has {} bytes, at most {ENVELOPE_BYTES_MAX} are allowed", bytes.len());
        return Err(Problem::whole(message).help("give large data as a file, by reference"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        Problem::whole(format!("is not JSON: {error}")).help("write the whole envelope as one JSON object")
    })
}

fn one_pipeline(value: &Value) -> Option<Problem> {
    let map = value.as_object()?;
    match (map.contains_key("pipeline"), map.contains_key("yaml")) {
        (true, true) => Some(
            Problem::at("/yaml", "stands beside `pipeline`: a run has one pipeline")
                .help("remove one of them"),
        ),
        (false, false) => Some(
            Problem::whole("names no pipeline")
                .help("give `pipeline`, the name of a registered one, or `yaml`, the text of one"),
        ),
        _ => None,
    }
}

impl From<ValueProblem> for Problem {
    fn from(problem: ValueProblem) -> Self {
        // A property too many is pointed at itself, so that whoever reads the pointer finds what to remove.
        let pointer = match (&problem.property, problem.keyword.as_str()) {
            (Some(name), "additionalProperties") => {
                format!("{}/{}", problem.pointer, name.replace('~', "~0").replace('/', "~1"))
            }
            _ => problem.pointer,
        };
        Self { pointer, message: problem.message, help: problem.help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(envelope: &str, expected: &Expect) {
        let text = match parse(envelope.as_bytes()) {
            Ok(envelope) => serde_json::to_string(&envelope).expect("an envelope is JSON"),
            Err(BadEnvelope(problems)) => problems
                .iter()
                .map(|p| format!("{:?} {}{}", p.pointer, p.message, help(p)))
                .collect::<Vec<_>>()
                .join("\n"),
        };
        expected.assert_eq(&text);
    }

    fn help(problem: &Problem) -> String {
        problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default()
    }

    #[test]
    fn the_schema_is_sound_and_says_that_there_is_one_pipeline() {
        assert!(CHECKER.is_some());
        let whole = ValueChecker::new(&envelope::schema()).expect("it is a schema");
        let named = json!({"version": 1, "id": "a", "pipeline": "demo@3"});
        assert_eq!(whole.check(&named), []);
        assert_eq!(whole.check(&json!({"version": 1, "id": "a"})).len(), 1);
        assert_eq!(whole.check(&json!({"version": 1, "id": "a", "pipeline": "a", "yaml": "b"})).len(), 1);
    }

    #[test]
    fn the_least_and_the_most_one_can_say() {
        check(
            r#"{"version": 1, "id": "order-17", "pipeline": "demo"}"#,
            &expect![[
                r#"{"version":1,"id":"order-17","pipeline":"demo","namespace":"default","priority":5}"#
            ]],
        );
        check(
            r#"{"version": 1, "id": "x", "yaml": "version: 1\n", "inputs": {"topic": "Tides", "n": [1, 2.5]},
                "name": "a video", "labels": {"team": "growth"}, "namespace": "acme", "priority": 0, "seed": 7}"#,
            &expect![[
                r#"{"version":1,"id":"x","yaml":"version: 1\n","inputs":{"topic":"Tides","n":[1,2.5]},"name":"a video","labels":{"team":"growth"},"namespace":"acme","priority":0,"seed":7}"#
            ]],
        );
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_and_where() {
        check(
            r#"{"version": 2, "id": "", "pipline": "demo", "inputs": [], "labels": {"a": 1}, "namespace": "A b",
                "priority": 10, "seed": -1}"#,
            &expect![[r#"
                "/version" 1 was expected
                "/id" "" is shorter than 1 character
                "/inputs" must be a map, this is a list
                "/labels/a" must be a string, this is `1`
                "/namespace" "A b" does not match "^[a-z][a-z0-9_]*$"
                "/priority" 10 is greater than the maximum of 9
                "/seed" -1 is less than the minimum of 0
                "/pipline" has no property `pipline` (did you mean `pipeline`?)
                "" names no pipeline (give `pipeline`, the name of a registered one, or `yaml`, the text of one)"#]],
        );
        check(
            r#"{"version": 1, "id": "x", "pipeline": "demo@x", "yaml": "stages: {}"}"#,
            &expect![[r#"
                "/pipeline" "demo@x" does not match "^[a-z][a-z0-9_]*(@[0-9]{1,9})?$"
                "/yaml" stands beside `pipeline`: a run has one pipeline (remove one of them)"#]],
        );
    }

    #[test]
    fn what_is_no_json_object() {
        check(
            "{\"version\": 1,",
            &expect![[
                r#""" is not JSON: EOF while parsing a value at line 1 column 14 (write the whole envelope as one JSON object)"#
            ]],
        );
        check("[1]", &expect![[r#""" must be a map, this is a list"#]]);
        check(
            "\u{0}",
            &expect![[
                r#""" is not JSON: expected value at line 1 column 1 (write the whole envelope as one JSON object)"#
            ]],
        );
    }

    #[test]
    fn nulls_are_not_values() {
        check(
            r#"{"version": 1, "id": "x", "pipeline": "demo", "yaml": null, "seed": null}"#,
            &expect![[r#"
            "/yaml" must be a string, this is `null`
            "/seed" must be a whole number, this is `null`
            "/yaml" stands beside `pipeline`: a run has one pipeline (remove one of them)"#]],
        );
    }

    #[test]
    fn too_many_bytes_and_too_many_problems() {
        let long = " ".repeat(ENVELOPE_BYTES_MAX + 1);
        check(
            &long,
            &expect![[
                r#""" has 4194305 bytes, at most 4194304 are allowed (give large data as a file, by reference)"#
            ]],
        );
        let labels: serde_json::Map<String, Value> =
            (0..10_000).map(|n| (format!("l{n}"), Value::from(n))).collect();
        let many = json!({"version": 1, "id": "x", "pipeline": "demo", "labels": labels}).to_string();
        assert_eq!(parse(many.as_bytes()).expect_err("it is bad").0.len(), DIAGNOSTICS_MAX);
    }
}
