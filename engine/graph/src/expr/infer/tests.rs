//! Types by tables: expression and type, expression and problem with its place.

use super::{TypeEnv, TypeProblem, static_type};
use crate::expr::{Type, parse};
use serde_json::json;

fn env() -> TypeEnv {
    let script = Type::from_schema(&json!({
        "type": "object",
        "properties": {
            "scenes": {"type": "array", "items": {"type": "object", "properties": {
                "id": {"type": "string"}, "seconds": {"type": "number"}, "keywords": {"type": "array", "items": {"type": "string"}}
            }}},
            "title": {"type": "string"},
        }
    }));
    let stage = |outputs: Type| {
        Type::object("part of a stage", [("state".into(), Type::String), ("outputs".into(), outputs)])
    };
    TypeEnv::new()
        .with(
            "inputs",
            Type::object(
                "input of this pipeline",
                [
                    ("topic".into(), Type::String),
                    ("n".into(), Type::Int),
                    ("x".into(), Type::Double),
                    ("publish".into(), Type::Bool),
                    ("free".into(), Type::Any),
                    ("words".into(), Type::list(Type::String)),
                ],
            ),
        )
        .with(
            "stages",
            Type::object(
                "stage that can be read here",
                [("script".into(), stage(script.named("output of script.write")))],
            ),
        )
        .without("item", "only inside a `for_each`")
}

fn check(source: &str) -> Result<Type, TypeProblem> {
    static_type(&parse(source).unwrap_or_else(|error| panic!("{source}: {error:?}")), &env())
}

#[test]
fn types_are_found() {
    let list = Type::list;
    let table = [
        ("inputs.topic", Type::String),
        ("inputs['topic']", Type::String),
        ("inputs.n + 1", Type::Int),
        ("inputs.x * 2.0", Type::Double),
        ("inputs.topic + inputs.free", Type::String),
        ("inputs.free + 1", Type::Any),
        ("inputs.n > 3 && inputs.publish", Type::Bool),
        ("inputs.publish ? 1 : 2", Type::Int),
        ("inputs.publish ? 1 : 2.5", Type::Number),
        ("inputs.publish ? 1 : 'a'", Type::Any),
        ("inputs.words", list(Type::String)),
        ("inputs.words[0]", Type::String),
        ("inputs.words.map(w, w.size())", list(Type::Int)),
        ("inputs.words.filter(w, w == 'a')", list(Type::String)),
        ("inputs.words.map(w, w != '', w + '!')", list(Type::String)),
        ("inputs.words.exists(w, w == 'a')", Type::Bool),
        ("inputs.words.all(w, w == 'a')", Type::Bool),
        ("inputs.words.exists_one(w, w == 'a')", Type::Bool),
        ("inputs.words.join(' ')", Type::String),
        ("inputs.topic.split(',')", list(Type::String)),
        ("stages.script.outputs.scenes.map(s, s.seconds)", list(Type::Number)),
        ("stages.script.outputs.scenes[0].keywords", list(Type::String)),
        ("stages.script.outputs.scenes.map(s, s.keywords.join(' '))", list(Type::String)),
        ("inputs.?topic", Type::Optional(Box::new(Type::String))),
        ("inputs.?topic.orValue('-')", Type::String),
        ("inputs.?n.orValue(null)", Type::Any),
        ("inputs.?n.optMap(x, x + 1).hasValue()", Type::Bool),
        ("optional.of(1)", Type::Optional(Box::new(Type::Int))),
        ("has(inputs.topic)", Type::Bool),
        ("matrix.anything.at.all", Type::Any),
        ("timestamp(run.started_at).getHours()", Type::Int),
        ("string(inputs.n) + '!'", Type::String),
        ("-inputs.n", Type::Int),
        ("[1, 2.5]", list(Type::Number)),
        ("{'a': 1}.a", Type::Int),
    ];
    for (source, kind) in table {
        assert_eq!(check(source), Ok(kind), "{source}");
    }
}

#[test]
fn what_never_works_is_said_where_it_is() {
    let table = [
        ("inputs.topik", "`topik` is no input of this pipeline; did you mean `topic`?", "topik"),
        (
            "stages.script.outputs.clips",
            "`clips` is no output of script.write; known: `scenes`, `title`",
            "clips",
        ),
        ("stages.script.outputs.?clips", "`clips` is no output of script.write", "clips"),
        ("stages.script.outputs['clips']", "`clips` is no output of script.write", "clips']"),
        (
            "stages.scripd.outputs",
            "`scripd` is no stage that can be read here; did you mean `script`?",
            "scripd.outputs",
        ),
        ("stages.script.output", "`output` is no part of a stage; did you mean `outputs`?", "output"),
        (
            "stages.script.outputs.scenes.id",
            "a list has no member `id`; take one element, or `.map(x, x.id)`",
            "id",
        ),
        (
            "stages.script.outputs.scenes.map(s, s.ident)",
            "`ident` is no member; known: `id`, `seconds`, `keywords`",
            "ident)",
        ),
        ("inputs.topic.length", "a text has no member `length`", "length"),
        ("item.id", "`item` does not exist here: only inside a `for_each`", "item.id"),
        (
            "inputs.topic + 1",
            "`+` does not work on a text and a whole number; write the other with `string(…)`",
            "+ 1",
        ),
        (
            "inputs.n * 2.5",
            "`*` does not work on a whole number and a number with a fraction; make both alike",
            "* 2.5",
        ),
        ("inputs.n - 'a'", "`-` does not work on a whole number and a text", "- 'a'"),
        ("!inputs.topic", "a bool is needed here, this is a text", "inputs.topic"),
        ("inputs.publish && inputs.n", "a bool is needed here, this is a whole number", "inputs.n"),
        ("inputs.topic ? 1 : 2", "a bool is needed here, this is a text", "inputs.topic ? 1 : 2"),
        ("inputs.topic > 3", "a text and a whole number cannot be compared", "> 3"),
        (
            "inputs.n.map(x, x)",
            "a list or a map is needed here, this is a whole number",
            "inputs.n.map(x, x)",
        ),
        ("inputs.words.filter(w, w)", "a bool is needed here, this is a text", "w)"),
        ("inputs.n.size()", "`size` does not work on a whole number", "inputs.n.size()"),
        ("inputs.topic.orValue('')", "`orValue` does not work on a text", "inputs.topic.orValue('')"),
        (
            "inputs.?topic.trim()",
            "`trim` does not work on a value that may be missing; first say",
            "inputs.?topic.trim()",
        ),
        ("1 in inputs.n", "`in` looks into a list or a map, this is a whole number", "inputs.n"),
        ("inputs.n[0]", "a whole number has no elements", "inputs.n[0]"),
        ("-inputs.topic", "a number is needed here, this is a text", "inputs.topic"),
    ];
    for (source, message, place) in table {
        let problem = check(source).expect_err(source);
        assert!(problem.message.starts_with(message), "{source}: {problem}");
        assert_eq!(&source[problem.offset..], place, "{source}: {problem}");
    }
}
