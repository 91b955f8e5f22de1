//! Evaluation by tables: expression and value, expression and what is said of it.

use super::Programs;
use crate::expr::names::{GLOBAL_FUNCTIONS, MEMBER_FUNCTIONS};
use crate::expr::{Bindings, Context, TypeEnv, fan_out_value, parse, stage_value, static_type};
use crate::graph::{Expr, Template, TextPart};
use indexmap::IndexMap;
use reelmill_model::{Failure, FailureClass, TaskState};
use serde_json::{Value, json};
use std::sync::Arc;

fn expr(source: &str) -> Expr {
    Expr { source: source.to_owned(), line: 7 }
}

fn context() -> Context {
    let some = |value: Value| Some(Arc::new(value));
    let scenes = vec![
        ("b".to_owned(), json!({"video": "2.mp4", "seconds": 2})),
        ("a".to_owned(), json!({"video": "1.mp4", "seconds": 3})),
    ];
    Context {
        inputs: some(json!({
            "topic": "Bergen", "n": 8, "x": 2.5, "two": 2.0, "publish": true, "nothing": null, "big": u64::MAX,
            "words": ["rain", "fjord"], "map": {"z": 1, "a": 2},
        })),
        vars: some(json!({"greeting": "hei"})),
        run: some(json!({"id": "01J", "name": "demo", "seed": 7, "started_at": "2026-11-21T10:00:00Z"})),
        stages: IndexMap::from([
            (
                "script".to_owned(),
                Arc::new(stage_value(TaskState::Succeeded, Some(json!({"scenes": [1, 2]})))),
            ),
            ("scene".to_owned(), Arc::new(fan_out_value(TaskState::Succeeded, scenes))),
            ("thumbnail".to_owned(), Arc::new(stage_value(TaskState::Failed, None))),
        ]),
        item: some(json!({"id": "s1", "keywords": ["sea", "rain"]})),
        index: Some(3),
        ..Context::default()
    }
}

fn evaluate(source: &str) -> Result<Value, String> {
    let expr = expr(source);
    let programs = Programs::of([&expr]).map_err(|error| error.message)?;
    let context = context();
    programs.evaluate(&expr, &Bindings::new(&context)).map_err(|error| error.message)
}

#[test]
fn values() {
    let table = [
        ("inputs.topic", json!("Bergen")),
        ("inputs.n", json!(8)),
        ("inputs.n + 1", json!(9)),
        ("inputs.n / 3", json!(2)),
        ("inputs.two", json!(2.0)),
        ("inputs.x * 2.0", json!(5.0)),
        ("inputs.big", json!(u64::MAX)),
        ("inputs.nothing", Value::Null),
        ("inputs.?music.orValue(null)", Value::Null),
        ("inputs.?topic", json!("Bergen")),
        ("has(inputs.music)", json!(false)),
        ("inputs.map", json!({"a": 2, "z": 1})),
        ("{'b': 1, 'a': [index]}", json!({"a": [3], "b": 1})),
        ("inputs.map.map(k, k)", json!(["a", "z"])),
        ("{'z': 1, 'y': 2, 'x': 3, 'w': 4}.map(k, k)", json!(["w", "x", "y", "z"])),
        ("inputs.words.join(', ')", json!("rain, fjord")),
        ("inputs.words.map(w, w.size())", json!([4, 5])),
        ("inputs.words.filter(w, w.contains('j'))", json!(["fjord"])),
        ("inputs.words.all(w, w.size() > 3)", json!(true)),
        ("inputs.words.exists_one(w, w == 'rain')", json!(true)),
        ("'rain' in inputs.words", json!(true)),
        ("'a' in inputs.map", json!(true)),
        ("inputs.map == {'a': 2, 'z': 1}", json!(true)),
        ("stages.scene.outputs.map(s, s.video)", json!(["2.mp4", "1.mp4"])),
        ("stages.scene.by_key.a.video", json!("1.mp4")),
        ("stages['scene'].outputs[0].seconds", json!(2)),
        ("stages.thumbnail.state", json!("failed")),
        ("stages.script.outputs.scenes.size()", json!(2)),
        ("stages.?script.?outputs.?none.orValue('-')", json!("-")),
        ("item.keywords.join(' ')", json!("sea rain")),
        ("index", json!(3)),
        ("vars.greeting + ' ' + inputs.topic", json!("hei Bergen")),
        ("'a-b-c'.replace('-', '+')", json!("a+b+c")),
        ("'a-b-c'.replace('-', '+', 1)", json!("a+b-c")),
        ("'ab'.replace('', '.')", json!(".a.b.")),
        ("'a,b'.split(',')", json!(["a", "b"])),
        ("timestamp(run.started_at).getFullYear()", json!(2026)),
        ("timestamp(run.started_at)", json!("2026-11-21T10:00:00+00:00")),
        ("duration('90s')", json!(90)),
        ("duration('1500ms')", json!(1.5)),
        ("type(inputs.n) == int", json!(true)),
        ("inputs.publish ? 1 : 2", json!(1)),
        ("optional.of(2).optMap(x, x + 1).orValue(0)", json!(3)),
        ("[?inputs.?topic, ?inputs.?music]", json!(["Bergen"])),
        ("inputs.words.map(w, inputs.words.map(v, w + v))[0][1]", json!("rainfjord")),
    ];
    for (source, value) in table {
        assert_eq!(evaluate(source), Ok(value), "{source}");
    }
}

#[test]
fn what_cannot_be_evaluated_is_said_plainly() {
    let table = [
        ("inputs.music", "`inputs.music` is missing; where it may be, write `inputs.?music.orValue(…)`"),
        ("inputs.map.b", "`inputs.map.b` is missing"),
        ("stages.other.outputs", "`stages.other` is missing"),
        ("stages.thumbnail.outputs.image", "`stages.thumbnail.outputs` is missing"),
        ("matrix.aspect", "`matrix` does not exist here"),
        ("inputs.?music", "there is no value"),
        ("inputs.topic + 1", "a text and a whole number cannot be added"),
        ("inputs.n + inputs.x", "a whole number and a number with a fraction cannot be added"),
        ("inputs.topic > 1", "`>` does not work on a text and a whole number"),
        ("!inputs.n", "`!` does not work on a whole number"),
        ("inputs.n && true", "`&&` does not work on a whole number and a bool"),
        ("inputs.n ? 1 : 2", "a bool is needed, this is a whole number"),
        ("inputs.n.map(x, x)", "a list or a map is needed, this is a whole number"),
        ("inputs.words + inputs.map", "a map cannot be added"),
        ("inputs.words[0.5]", "an element is named by a whole number, this is a number with a fraction"),
        ("inputs.n / 0", "division by zero"),
        ("9223372036854775807 + 1", "too large for a whole number"),
        ("inputs.words[7]", "no element at this place"),
        ("{'a': 1, 'a': 2}", "the same key twice"),
        ("inputs.words.map(w, 1).join(',')", "`join`: not all of the list is text"),
        ("inputs.n.size()", "`size` does not work on a whole number"),
        ("b'abc'", "bytes cannot be passed on"),
        ("1.0 / 0.0", "is not a finite number"),
        ("int('x')", "`int`"),
        ("inputs.topic.matches('(')", "`matches`"),
    ];
    for (source, message) in table {
        let said = evaluate(source).expect_err(source);
        assert!(said.contains(message), "{source}: {said}");
    }
}

#[test]
fn every_function_of_the_list_exists() {
    let calls = |name: &str| match name {
        "has" => "has(inputs.a)".to_owned(),
        "of" | "none" | "quote" => String::new(),
        "map" | "filter" | "exists" | "all" | "exists_one" | "existsOne" | "optMap" | "optFlatMap" => {
            format!("[1].{name}(x, x == 1)")
        }
        _ if GLOBAL_FUNCTIONS.contains(&name) => format!("{name}('1')"),
        _ => format!("inputs.n.{name}('1')"),
    };
    for source in
        GLOBAL_FUNCTIONS.iter().chain(&MEMBER_FUNCTIONS).map(|name| calls(name)).filter(|s| !s.is_empty())
    {
        if let Err(message) = evaluate(&source) {
            assert!(!message.contains("does not exist"), "{source}: {message}");
        }
    }
    assert_eq!(evaluate("optional.none().orValue(strings.quote('a'))"), Ok(json!("\"a\"")));
    assert_eq!(evaluate("optional.ofNonZeroValue(0).hasValue()"), Ok(json!(false)));
}

#[test]
fn templates_keep_types_and_texts_read_plainly() {
    let whole = |source: &str| Template::Expr(expr(source));
    let text = |parts: &[&str]| {
        let part = |(at, part): (usize, &&str)| {
            if at % 2 == 0 { TextPart::Text((*part).to_owned()) } else { TextPart::Expr(expr(part)) }
        };
        Template::Text(parts.iter().enumerate().map(part).collect())
    };
    let template = Template::Map(IndexMap::from([
        ("z_literal".to_owned(), Template::Literal(json!([1, null]))),
        ("n".to_owned(), whole("inputs.n")),
        (
            "title".to_owned(),
            text(&["About ", "inputs.topic", ": ", "inputs.two", ", ", "inputs.publish", ""]),
        ),
        ("list".to_owned(), Template::List(vec![whole("index"), text(&["", "inputs.words"])])),
        ("key".to_owned(), Template::Secret("tts_key".to_owned())),
    ]));
    let Template::Map(members) = &template else { unreachable!() };
    let mut sources = Vec::new();
    super::expressions(&template, &mut sources);
    let programs = Programs::of(sources).unwrap();
    let context = context();
    let bindings = Bindings::new(&context);
    assert_eq!(
        programs.render_all(members, &bindings).unwrap().to_string(),
        concat!(
            r#"{"z_literal":[1,null],"n":8,"title":"About Bergen: 2, true","#,
            r#""list":[3,"[\"rain\",\"fjord\"]"],"key":{"$secret":"tts_key"}}"#
        )
    );
    let null = text(&["x", "inputs.nothing"]);
    let nothing = expr("inputs.nothing");
    let error = Programs::of([&nothing]).unwrap().render(&null, &bindings).unwrap_err();
    assert_eq!(error.expression, "inputs.nothing");
    assert_eq!(error.line, 7);
    assert!(error.message.contains("null"), "{error}");
    let failure = Failure::from(error);
    assert_eq!(failure.class, FailureClass::Expression);
    assert!(failure.message.contains("(line 7)"), "{failure}");
}

#[test]
fn a_condition_is_a_bool() {
    let (yes, no) = (expr("inputs.n > 3"), expr("inputs.topic"));
    let programs = Programs::of([&yes, &no]).unwrap();
    let context = context();
    let bindings = Bindings::new(&context);
    assert_eq!(programs.condition(&yes, &bindings), Ok(true));
    let error = programs.condition(&no, &bindings).unwrap_err();
    assert_eq!(error.message, "a condition is true or false, this is a text");
}

#[test]
fn vars_see_those_before_them() {
    let (a, b) = (expr("inputs.n + 1"), expr("vars.a * 2"));
    let programs = Programs::of([&a, &b]).unwrap();
    let vars = IndexMap::from([("a".to_owned(), Template::Expr(a)), ("b".to_owned(), Template::Expr(b))]);
    let mut context = context();
    programs.set_vars(&vars, &mut context).unwrap();
    assert_eq!(context.vars.as_deref(), Some(&json!({"a": 9, "b": 18})));
}

/// Each of these would take minutes or all memory.
#[test]
fn work_and_memory_are_bounded() {
    let many = json!((0..10_000).collect::<Vec<_>>());
    let text = json!("x".repeat(200_000));
    let context = Context { inputs: Some(Arc::new(json!({"l": many, "t": text}))), ..Context::default() };
    let bindings = Bindings::new(&context);
    let grow = |step: &str| format!("[inputs.t]{}", format!(".map(x, {step})").repeat(20));
    let sources = [
        "inputs.l.map(x, inputs.l.map(y, x + y))".to_owned(),
        "inputs.l.map(x, inputs.l)".to_owned(),
        "inputs.l.filter(x, inputs.l == inputs.l)".to_owned(),
        "inputs.l.filter(x, -1 in inputs.l)".to_owned(),
        "inputs.l.all(x, inputs.?l.hasValue())".to_owned(),
        "inputs.t.replace('', inputs.t)".to_owned(),
        "inputs.l.map(x, 'a').join(inputs.t)".to_owned(),
        "inputs.l.map(x, inputs.t.split(''))".to_owned(),
        "inputs.l.map(x, inputs.t.upperAscii())".to_owned(),
        "inputs.l.filter(x, 'a'.matches('b{100}'))".to_owned(),
        "inputs.l.map(x, {'a': inputs.l})".to_owned(),
        grow("x + x"),
        grow("[x, x, x]"),
        grow("'%s%s'.format([x, x])"),
    ];
    for source in sources {
        let expr = expr(&source);
        let error = Programs::of([&expr]).unwrap().evaluate(&expr, &bindings).expect_err(&source);
        assert!(error.message.contains("takes more than"), "{source}: {error}");
    }
    for source in ["inputs.l.map(x, x + 1).filter(x, x > 5).size()", "inputs.t.replace('x', 'yy').size()"] {
        let expr = expr(source);
        let value = Programs::of([&expr]).unwrap().evaluate(&expr, &bindings);
        assert!(value.is_ok(), "{source}: {value:?}");
    }
}

/// The deepest expressions that are let through, on the stack of a test thread.
#[test]
fn the_deepest_expressions_fit_the_stack() {
    for source in [
        format!("1{}", "+1".repeat(200)),
        format!("{}1{}", "[".repeat(32), "]".repeat(32)),
        format!("inputs.words{}", "[0]".repeat(199)),
        format!("inputs.words{}", ".filter(w, true)".repeat(66)),
        format!("{}1{}", "[1].map(x,[".repeat(16), "])".repeat(16)),
    ] {
        let _ = evaluate(&source);
        let _ = static_type(&parse(&source).unwrap(), &TypeEnv::new());
    }
}
