//! What a run is given, on the real binaries: inputs of every type, their defaults and refusals, vars, outputs.

use reelmill_tests::Place;
use reelmill_tests::engine::pipeline;
use serde_json::json;

/// Inputs of every type, put out as a stage saw them.
const EVERY_TYPE: &str = r#"
inputs:
  text: { type: string, min_length: 2, default: plain }
  word: { type: string, enum: [one, two], default: one }
  whole: { type: int, min: 1, max: 9, default: 3 }
  part: { type: number, max: 1, default: 0.5 }
  flag: { type: bool, default: true }
  pause: { type: duration, max: 1h, default: 90s }
  size: { type: bytes, default: 2Ki }
  link: { type: url, default: "https://example.org/a" }
  words: { type: array, items: { type: string }, max_items: 3, default: [a, b] }
  shape: { type: object, properties: { sides: { type: int } }, default: { sides: 4 } }
stages:
  see:
    uses: probe.echo@1
    with:
      text: "${{ inputs.text }}"
      word: "${{ inputs.word }}"
      whole: "${{ inputs.whole }}"
      part: "${{ inputs.part }}"
      flag: "${{ inputs.flag }}"
      pause: "${{ inputs.pause }}"
      size: "${{ inputs.size }}"
      link: "${{ inputs.link }}"
      words: "${{ inputs.words }}"
      shape: "${{ inputs.shape }}"
outputs: { seen: "${{ stages.see.outputs }}" }
"#;

#[test]
fn inputs_have_defaults_of_their_types() {
    let place = Place::new();
    let status = place.run(&pipeline(EVERY_TYPE), &[]).expect(0).json();
    let seen = json!({
        "text": "plain", "word": "one", "whole": 3, "part": 0.5, "flag": true, "pause": 90, "size": 2048,
        "link": "https://example.org/a", "words": ["a", "b"], "shape": { "sides": 4 }
    });
    assert_eq!(status["outputs"]["seen"], seen);
}

#[test]
fn inputs_are_given_by_flags_and_files_and_flags_stand_over_files() {
    let place = Place::new();
    place.write("given.yaml", "text: from the file\nwhole: 7\nshape: { sides: 3 }\nwords: [no, yes]\n");
    let flags = [
        "--inputs",
        "given.yaml",
        "--input",
        "whole=8",
        "--input",
        "word=two",
        "--input",
        "part=0.25",
        "--input",
        "flag=false",
        "--input",
        "pause=1m30s",
        "--input",
        "size=1Mi",
        "--input",
        "link=ftp://host/x",
    ];
    let status = place.run(&pipeline(EVERY_TYPE), &flags).expect(0).json();
    let seen = json!({
        "text": "from the file", "word": "two", "whole": 8, "part": 0.25, "flag": false, "pause": 90,
        "size": 1_048_576, "link": "ftp://host/x", "words": ["no", "yes"], "shape": { "sides": 3 }
    });
    assert_eq!(status["outputs"]["seen"], seen);
    assert_eq!(status["inputs"]["whole"], 8, "the status shows what the run was given");
}

#[test]
fn every_refused_input_is_told_and_nothing_starts() {
    let place = Place::new();
    let flags = [
        "--input",
        "text=x",
        "--input",
        "word=three",
        "--input",
        "whole=10",
        "--input",
        "part=2",
        "--input",
        "flag=maybe",
        "--input",
        "pause=2h",
        "--input",
        "size=large",
        "--input",
        "link=example.org",
        "--input",
        "words=a,b,c,d",
        "--input",
        r#"shape={"sides":"many"}"#,
    ];
    let told = place.run(&pipeline(EVERY_TYPE), &flags).expect(78).json();
    let message = told["error"]["message"].as_str().expect("a message");
    for name in ["text", "word", "whole", "part", "flag", "pause", "size", "link", "words", "shape"] {
        assert!(message.contains(&format!("`{name}`")), "{name} is not told in {message}");
    }
    assert_eq!(
        place.ask(&["status", "-o", "json"]).expect(0).json()["runs"],
        json!([]),
        "nothing was started"
    );
}

#[test]
fn a_required_input_must_be_given_and_an_optional_one_may_be_missing() {
    let place = Place::new();
    let text = pipeline(
        r#"
inputs:
  topic: { type: string, description: What it is about }
  extra: { type: string, required: false }
stages:
  see: { uses: probe.echo@1, with: { topic: "${{ inputs.topic }}", extra: "${{ inputs.?extra.orValue('none') }}" } }
outputs: { seen: "${{ stages.see.outputs }}" }
"#,
    );
    let told = place.run(&text, &[]).expect(78).json();
    let message = told["error"]["message"].as_str().expect("a message");
    assert!(message.contains("`topic`") && message.contains("What it is about"), "{message}");
    let status = place.run(&text, &["--input", "topic=tides"]).expect(0).json();
    assert_eq!(status["outputs"]["seen"], json!({ "topic": "tides", "extra": "none" }));
}

#[test]
fn a_file_input_becomes_an_artifact_that_stages_read() {
    let place = Place::new();
    let text = pipeline(
        r#"
inputs: { paper: { type: file, accept: ["text/*"] } }
stages:
  read: { uses: probe.read@1, with: { file: "${{ inputs.paper }}" } }
outputs: { text: "${{ stages.read.outputs.text }}" }
"#,
    );
    place.write("notes.txt", "the tide is high");
    let status = place.run(&text, &["--input", "paper=notes.txt"]).expect(0).json();
    assert_eq!(status["outputs"]["text"], "the tide is high");
    assert_eq!(status["inputs"]["paper"]["size"], 16);

    let missing = place.run(&text, &["--input", "paper=nothing.txt"]).expect(78).json();
    let message = missing["error"]["message"].as_str().expect("a message");
    assert!(message.contains("`paper`") && message.contains("nothing.txt"), "{message}");
    place.write("photo.png", "\u{89}PNG");
    let wrong = place.run(&text, &["--input", "paper=photo.png"]).expect(78).json();
    let message = wrong["error"]["message"].as_str().expect("a message");
    assert!(message.contains("image/png") && message.contains("text/*"), "{message}");
}

#[test]
fn vars_are_computed_from_inputs_run_and_earlier_vars() {
    let place = Place::new();
    let text = pipeline(
        r#"
inputs: { name: { type: string, default: sea } }
vars:
  upper: "${{ inputs.name + '!' }}"
  both: "${{ [inputs.name, vars.upper] }}"
  text: "about ${{ vars.both.size() }} of ${{ run.name }}"
stages:
  see: { uses: probe.echo@1, with: { both: "${{ vars.both }}", text: "${{ vars.text }}", seed: "${{ run.seed }}" } }
outputs:
  seen: "${{ stages.see.outputs }}"
  plain: fixed
  nested: { list: ["${{ inputs.name }}", 2] }
"#,
    );
    let outputs = place.run(&text, &["--name", "trip"]).expect(0).json()["outputs"].clone();
    assert_eq!(outputs["seen"]["both"], json!(["sea", "sea!"]));
    assert_eq!(outputs["seen"]["text"], "about 2 of trip");
    assert!(outputs["seen"]["seed"].is_u64(), "{outputs}");
    assert_eq!((&outputs["plain"], &outputs["nested"]), (&json!("fixed"), &json!({ "list": ["sea", 2] })));
}
