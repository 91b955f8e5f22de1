//! The key of a limit, evaluated.

use crate::facts::RunFacts;
use reelmill_graph::Template;
use reelmill_graph::expr::Bindings;
use reelmill_model::limits::LIMIT_KEY_BYTES_MAX;
use reelmill_model::{Failure, FailureClass};
use serde_json::Value;

/// The key that `unique`, `concurrency` or `rate_limit` of a run's pipeline has now.
///
/// # Errors
/// It has no value, or one that is no key.
pub fn limit_key(facts: &RunFacts, written: &Template, bindings: &Bindings<'_>) -> Result<String, Failure> {
    let key = match facts.compiled.programs.render(written, bindings)? {
        Value::String(text) => text,
        number @ Value::Number(_) => number.to_string(),
        other => return Err(bad(format!("the key of a limit is {other}; it must be a text or a number"))),
    };
    if key.is_empty() || key.len() > LIMIT_KEY_BYTES_MAX {
        let bytes = key.len();
        return Err(bad(format!(
            "the key of a limit has {bytes} bytes; it must have 1 to {LIMIT_KEY_BYTES_MAX}"
        )));
    }
    Ok(key)
}

fn bad(message: String) -> Failure {
    Failure::new(FailureClass::Expression, message).with_code("limit_key")
}
