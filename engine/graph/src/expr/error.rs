//! What went wrong during an evaluation, in words for the person who wrote the pipeline.

use super::parse::Parsed;
use crate::graph::Expr;
use cel::ExecutionError;
use reelmill_model::limits::EVALUATION_STEPS_MAX;
use reelmill_model::{Failure, FailureClass};

/// An expression that could not be evaluated with the values there were.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}`: {message}")]
pub struct EvalError {
    /// The expression.
    pub expression: String,
    /// Its line in the pipeline file; 0 when unknown.
    pub line: u32,
    /// What is wrong with it or with the values.
    pub message: String,
}

impl EvalError {
    pub(crate) fn new(expr: &Expr, message: impl Into<String>) -> Self {
        Self { expression: expr.source.clone(), line: expr.line, message: message.into() }
    }

    pub(super) fn over_budget(expr: &Expr) -> Self {
        let message = format!(
            "it takes more than {EVALUATION_STEPS_MAX} steps; loop over fewer values, or leave the work to a stage"
        );
        Self::new(expr, message)
    }
}

impl From<EvalError> for Failure {
    fn from(error: EvalError) -> Self {
        let place = if error.line == 0 { String::new() } else { format!(" (line {})", error.line) };
        Self::new(FailureClass::Expression, format!("{error}{place}"))
    }
}

/// Characters kept of what a function of the evaluator says: it repeats its argument.
const MESSAGE_CHARS_MAX: usize = 200;

/// What the evaluator says, in words for people.
pub(super) fn reword(parsed: &Parsed, error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(name) => missing(parsed, name),
        ExecutionError::UndeclaredReference(name) => format!("`{name}` does not exist here"),
        ExecutionError::NoSuchOverload(overload) => unsuitable(
            overload.function(),
            &overload.argument_types().iter().map(|name| type_name(name)).collect::<Vec<_>>(),
        ),
        ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
            let names = [left, right].map(|value| type_name(&value.type_of().to_string()));
            unsuitable(operator, &names)
        }
        ExecutionError::ValuesNotComparable(left, right) => {
            let [left, right] = [left, right].map(|value| type_name(&value.type_of().to_string()));
            format!("{left} and {right} cannot be compared")
        }
        ExecutionError::UnexpectedType { got, want } => {
            let want = if want == "iterable" { "a list or a map".to_owned() } else { type_name(want) };
            format!("{want} is needed, this is {}", type_name(got))
        }
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".to_owned()
        }
        ExecutionError::Overflow(..) => "the result is too large for a whole number".to_owned(),
        ExecutionError::IndexOutOfBounds(_) => "the list has no element at this place".to_owned(),
        ExecutionError::DuplicateKey(_) => "the map has the same key twice".to_owned(),
        ExecutionError::UnsupportedIndex(index, _) => {
            format!(
                "an element is named by a whole number, this is {}",
                type_name(&index.type_of().to_string())
            )
        }
        ExecutionError::UnsupportedKeyType(key) => {
            format!("{} cannot be the key of a map", type_name(&key.type_of().to_string()))
        }
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, here it has {actual}")
        }
        ExecutionError::FunctionError { function, message } => {
            format!("`{function}`: {}", message.chars().take(MESSAGE_CHARS_MAX).collect::<String>())
        }
        // The others print whole values, which have no place in a message.
        _ => "it cannot be evaluated with these values".to_owned(),
    }
}

/// Names the whole path to what is missing, when the expression spells it.
fn missing(parsed: &Parsed, name: &str) -> String {
    let path = parsed.references().iter().find_map(|reference| {
        let at = reference.path.iter().skip(1).position(|step| step.name == name && !step.optional)? + 1;
        Some(reference.names()[..=at].join("."))
    });
    let shown = path.as_deref().unwrap_or(name);
    match shown.rsplit_once('.') {
        Some((before, last)) => {
            format!("`{shown}` is missing; where it may be, write `{before}.?{last}.orValue(…)`")
        }
        None => format!("there is no `{shown}`"),
    }
}

fn unsuitable(function: &str, types: &[String]) -> String {
    let sign = function.trim_matches('_').trim_start_matches('@');
    let listed = types.join(" and ");
    match sign {
        "+" | "add" => {
            format!("{listed} cannot be added; `string(…)` makes a text, `double(…)` a number of another")
        }
        "." | "?." | "[" | "[_]" | "[?_]" => format!("{listed} has no members"),
        _ => format!("`{sign}` does not work on {listed}"),
    }
}

/// A CEL type in the words of the pipeline language.
fn type_name(name: &str) -> String {
    match name {
        "string" => "a text",
        "int" | "uint" => "a whole number",
        "double" | "float" => "a number with a fraction",
        "bool" => "a bool",
        "list" => "a list",
        "map" => "a map",
        "null_type" | "null" => "null",
        "optional_type" | "opaque" => "a value that may be missing",
        other => other,
    }
    .to_owned()
}
