//! What a run gives, against the inputs of a pipeline.

use reelmill_spec::{parse_flag, resolve};
use serde_json::{Value, json};

fn defs(inputs: &str) -> indexmap::IndexMap<String, reelmill_spec::InputDef> {
    let yaml = format!("version: 1\nname: p\ninputs:\n{inputs}\nstages: {{ s: {{ uses: x.y@1 }} }}\n");
    let (spec, found) = reelmill_spec::parse(&yaml);
    assert!(found.is_empty(), "{}", reelmill_spec::render(&found, &yaml, "p.yaml", false));
    spec.expect("a spec").inputs
}

fn resolved(inputs: &str, given: &Value) -> Value {
    resolve(&defs(inputs), given.as_object().expect("a map")).expect("good inputs")
}

fn refused(inputs: &str, given: &Value) -> Vec<String> {
    let problems = resolve(&defs(inputs), given.as_object().expect("a map")).expect_err("bad inputs");
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn defaults_are_filled_in_and_units_converted() {
    let inputs = "
  pause: { type: duration, default: 1m30s }
  short: { type: duration, max: 1s }
  size: { type: bytes, default: 6Ki }
  list: { type: array, items: { type: duration }, default: [1s, 500ms] }
  map: { type: object, properties: { wait: { type: duration }, more: { type: int, required: false } } }
  name: { type: string, default: x }
  left: { type: int, required: false }";
    let given = json!({ "short": 0.25, "map": { "wait": "2m" }, "name": "y" });
    let expected = json!({
        "pause": 90, "short": 0.25, "size": 6144, "list": [1, 0.5], "map": { "wait": 120 }, "name": "y",
    });
    assert_eq!(resolved(inputs, &given), expected);
}

#[test]
fn every_problem_is_named_with_its_input() {
    let inputs = "
  topic: { type: string, min_length: 3, description: What it is about. }
  count: { type: int, min: 1, max: 5, default: 1 }
  language: { type: string, enum: [en, zh], default: en }
  wait: { type: duration, max: 1m, default: 1s }
  feed: { type: url, required: false }
  clip: { type: file, required: false }
  tags: { type: array, items: { type: string }, max_items: 1, required: false }";
    let given = json!({
        "cuont": 1, "count": 9, "language": "eng", "wait": "2h", "feed": "example.org", "clip": {}, "tags": ["a", 2],
    });
    let expected = [
        "input `cuont` is not an input of the pipeline (did you mean `count`?)",
        "input `topic` is missing (give it with `--input topic=…`: What it is about.)",
        "input `count` 9 is greater than the maximum of 5",
        "input `language` must be one of `en`, `zh`, this is `eng` (did you mean `en`?)",
        "input `wait` 7200 is greater than the maximum of 60",
        "input `feed` must be an absolute URL, this is `example.org` (for example `https://example.org/clip.mp4`)",
        "input `clip` needs the property `$artifact`",
        "input `tags` [\"a\",2] has more than 1 item",
        "input `tags` at /1: must be a string, this is `2`",
    ];
    assert_eq!(refused(inputs, &given), expected);
}

#[test]
fn a_number_is_never_whole_so_that_it_can_be_reckoned_with() {
    let defs = defs(
        "\n  x: { type: number, default: 1 }\n  many: { type: array, items: { type: number }, default: [2] }",
    );
    let resolved = resolve(&defs, &serde_json::Map::new()).expect("both have defaults");
    assert_eq!(resolved.to_string(), r#"{"x":1.0,"many":[2.0]}"#);
}

#[test]
fn inputs_as_flags() {
    let inputs = "
  n: { type: int, default: 1 }
  x: { type: number, default: 1 }
  b: { type: bool, default: true }
  s: { type: string, default: a }
  d: { type: duration, default: 1s }
  words: { type: array, items: { type: string }, default: [a] }
  numbers: { type: array, items: { type: int }, default: [1] }
  map: { type: object, required: false }
  file: { type: file, required: false }";
    let defs = defs(inputs);
    for (name, text, value) in [
        ("n", "5", json!(5)),
        ("n", "five", json!("five")),
        ("x", "2.5", json!(2.5)),
        ("b", "true", json!(true)),
        ("b", "yes", json!("yes")),
        ("s", "5", json!("5")),
        ("d", "10m", json!("10m")),
        ("words", "a, b,5", json!(["a", "b", "5"])),
        ("words", "[\"a, b\"]", json!(["a, b"])),
        ("words", "[\"a", json!("[\"a")),
        ("numbers", "1,2", json!([1, 2])),
        ("map", "{\"a\": 1}", json!({ "a": 1 })),
        ("file", "music/a.mp3", json!("music/a.mp3")),
    ] {
        assert_eq!(parse_flag(&defs[name], text), value, "{name}={text}");
    }
}

#[test]
fn all_inputs_together_are_limited() {
    let given = json!({ "text": "x".repeat(1 << 20) });
    let found = refused("  text: { type: string }", &given);
    assert!(found[0].starts_with("input `text` is too large"), "{found:?}");
}
