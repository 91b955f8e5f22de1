//! Properties of whole expressions, made at random over known inputs.

use super::{Bindings, Context, Programs, Type, TypeEnv, parse, static_type};
use crate::graph::Expr;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

fn inputs() -> Value {
    json!({
        "t": "fjord", "n": 3, "x": 2.5, "yes": true, "none": null, "words": ["a", "bb"], "numbers": [1, 2, 3],
        "map": {"k": 1, "l": "m"}, "rows": [{"id": "r1", "size": 4}, {"id": "r2", "size": 5}],
    })
}

const BINARY: &[&str] = &["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "&&", "||", "in"];
const CALLS: &[&str] = &[
    "size()",
    "trim()",
    "join(',')",
    "split('')",
    "upperAscii()",
    "orValue(1)",
    "value()",
    "hasValue()",
    "contains('a')",
    "reverse()",
    "substring(1)",
    "charAt(9)",
    "getHours()",
    "map(v, v)",
    "map(v, v + 1)",
    "filter(v, v != 'a')",
    "exists(v, v == 1)",
    "all(v, v > 1)",
    "optMap(v, v)",
    "map(v, [v, v])",
    "map(v, v.size)",
    "format([1])",
    "replace('', '-')",
    "matches('[a-z]+')",
    "indexOf('r', 2)",
    "lastIndexOf('', 99)",
];

/// An expression that parses; whether it can be evaluated is left to chance.
fn expression() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "inputs.t",
        "inputs.n",
        "inputs.x",
        "inputs.yes",
        "inputs.none",
        "inputs.words",
        "inputs.numbers",
        "inputs.map",
        "inputs.rows",
        "inputs.?t",
        "inputs.?gone",
        "inputs.gone",
        "1",
        "-2",
        "0.5",
        "'s'",
        "true",
        "null",
        "[]",
        "{}",
        "3u",
        "b'x'",
        "timestamp('2026-11-21T10:00:00Z')",
        "duration('90s')",
        "9223372036854775807",
        "inputs.rows[0].id",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            (inner.clone(), proptest::sample::select(BINARY), inner.clone())
                .prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
            (inner.clone(), proptest::sample::select(CALLS)).prop_map(|(a, call)| format!("({a}).{call}")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a})[{b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{'a': {a}, 'b': {b}}}")),
            (
                proptest::sample::select(vec![
                    "!", "-", "string", "int", "double", "bool", "size", "type", "dyn"
                ]),
                inner
            )
                .prop_map(|(function, a)| format!("{function}({a})")),
        ]
    })
}

fn evaluate(source: &str, inputs: Value) -> Result<Value, String> {
    let expr = Expr { source: source.to_owned(), line: 1 };
    let context = Context { inputs: Some(Arc::new(inputs)), ..Context::default() };
    let programs = Programs::of([&expr]).map_err(|error| error.message)?;
    programs.evaluate(&expr, &Bindings::new(&context)).map_err(|error| error.message)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    /// What evaluates is of the type that was found; two evaluations agree to the byte.
    #[test]
    fn types_hold_and_results_repeat(source in expression()) {
        let Ok(parsed) = parse(&source) else { return Ok(()) };
        let found = static_type(&parsed, &TypeEnv::new().with("inputs", Type::of(&inputs())));
        let value = evaluate(&source, inputs());
        if let (Ok(kind), Ok(value)) = (&found, &value) {
            prop_assert!(kind.could_be(&Type::of(value)), "{source} gives {value}, found {kind:?}");
        }
        prop_assert_eq!(value.map(|v| v.to_string()), evaluate(&source, inputs()).map(|v| v.to_string()));
    }
}
