//! Pipelines that run other pipelines, on the real binaries.

use reelmill_tests::Place;
use reelmill_tests::engine::pipeline;
use serde_json::json;

const INNER: &str = r#"version: 1
name: inner
inputs:
  value: { type: int }
  factor: { type: int, default: 10 }
  note: { type: string, required: false }
vars: { product: "${{ inputs.value * inputs.factor }}" }
stages:
  work: { uses: probe.echo@1, with: { value: "${{ vars.product }}" } }
  group:
    stages:
      deep: { uses: probe.echo@1, with: { value: "${{ inputs.value + stages.work.outputs.value }}" } }
    outputs: { sum: "${{ stages.deep.outputs.value + inputs.factor }}" }
outputs:
  product: "${{ stages.work.outputs.value }}"
  sum: "${{ stages.group.outputs.sum }}"
"#;

#[test]
fn a_pipeline_has_its_own_inputs_and_gives_its_outputs() {
    let place = Place::new();
    place.write("lib/inner.yaml", INNER);
    let text = pipeline(
        r#"
inputs: { value: { type: int, default: 1000 } }
stages:
  first: { uses: probe.echo@1, with: { value: 3 } }
  one:
    pipeline: lib/inner.yaml
    with: { value: "${{ stages.first.outputs.value }}", note: "${{ null }}" }
  many:
    for_each: { in: "[1, 2, 3]", key: string(item) }
    pipeline: lib/inner.yaml
    with: { value: "${{ item }}", factor: 2 }
outputs:
  one: "${{ stages.one.outputs }}"
  sums: "${{ stages.many.outputs.map(m, m.sum) }}"
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"], json!({ "one": { "product": 30, "sum": 43 }, "sums": [5, 8, 11] }));
    let events = place.events();
    for path in ["one", "one.work", "one.group.deep", "many", "many[2]", "many[2].work", "many[3].group.deep"]
    {
        assert_eq!(events.end_of(path)["data"]["state"], "succeeded", "{path}");
    }
}

#[test]
fn a_pipeline_within_cleans_up_after_itself() {
    let place = Place::new();
    place.write(
        "inner.yaml",
        r#"version: 1
name: inner
inputs: { broken: { type: bool } }
stages:
  good: { uses: probe.echo@1, with: { value: 1 } }
  bad: { uses: probe.fail@1, if: inputs.broken, needs: [good], with: { class: permanent, message: no tide } }
on_failure:
  alert: { uses: probe.say@1, with: { text: "${{ failure.stage }}: ${{ failure.message }}" } }
finally:
  last: { uses: probe.say@1, with: { text: "bad was ${{ stages.bad.state }}" } }
"#,
    );
    let text = pipeline(
        r#"
stages:
  fine: { pipeline: inner.yaml, with: { broken: false } }
  broken: { pipeline: inner.yaml, allow_failure: true, with: { broken: true } }
  after: { uses: probe.echo@1, needs: [broken], with: { value: "${{ stages.broken.state }}" } }
outputs: { after: "${{ stages.after.outputs.value }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"]["after"], "failed");
    assert_eq!(place.said("broken.on_failure.alert"), ["broken.bad: no tide"]);
    assert_eq!(place.said("broken.finally.last"), ["bad was failed"]);
    assert_eq!(place.said("fine.finally.last"), ["bad was skipped"]);
    assert_eq!(place.events().skipped("fine.on_failure.alert"), ("no_failure".to_owned(), "fine".to_owned()));
}

#[test]
fn inputs_that_do_not_fit_fail_the_stage_and_mistakes_name_their_file() {
    let place = Place::new();
    place.write("inner.yaml", INNER);
    let text = pipeline(
        r#"
stages:
  first: { uses: probe.echo@1, with: { value: three } }
  one: { pipeline: inner.yaml, with: { value: "${{ stages.first.outputs.value }}" } }
"#,
    );
    let status = place.run(&text, &[]).expect(1).json();
    let failure = &status["failure"];
    assert_eq!((&failure["path"], &failure["failure"]["class"]), (&json!("one"), &json!("expression")));
    let message = failure["failure"]["message"].as_str().expect("a message");
    assert!(message.contains("inner") && message.contains("`value` must be a whole number"), "{message}");

    place.write(
        "inner.yaml",
        &INNER.replace("probe.echo@1, with: { value: \"${{ vars", "probe.ecko@1, with: { value: \"${{ vars"),
    );
    let invalid = place.ask(&["validate", "p.yaml"]).expect(78).stdout;
    assert!(invalid.contains("plugin `probe` has no stage `ecko`"), "{invalid}");
    assert!(invalid.contains("--> inner.yaml:9:"), "{invalid}");
    let json = place.ask(&["validate", "p.yaml", "-o", "json"]).expect(78).json();
    assert_eq!(json["files"][0]["diagnostics"][0]["file"], "inner.yaml");
}
