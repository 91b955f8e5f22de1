//! What runs after what, on the real binaries: needs, conditions, skipping with its reasons, groups, priorities,
//! cleanup.

use reelmill_tests::Place;
use reelmill_tests::engine::pipeline;
use serde_json::{Value, json};

fn reason(because: &str, what: &str) -> (String, String) {
    (because.to_owned(), what.to_owned())
}

#[test]
fn stages_run_after_what_they_need_and_what_they_read() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  last: { uses: probe.moment@1, needs: [second], with: { name: last } }
  second: { uses: probe.moment@1, with: { name: second, after: "${{ stages.first.outputs.at }}" } }
  first: { uses: probe.moment@1, with: { name: first } }
outputs: { all: "${{ [stages.first.outputs, stages.second.outputs, stages.last.outputs] }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    let moments: Vec<u64> = status["outputs"]["all"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["at"].as_u64())
        .collect();
    assert!(moments.len() == 3 && moments.is_sorted(), "{moments:?}");
}

#[test]
fn a_skipped_stage_satisfies_needs_and_skips_what_reads_it() {
    let place = Place::new();
    let text = pipeline(
        r#"
inputs: { wanted: { type: bool, default: false } }
stages:
  source: { uses: probe.echo@1, if: inputs.wanted, with: { value: 1 } }
  after: { uses: probe.echo@1, needs: [source], with: { value: after } }
  reader: { uses: probe.echo@1, with: { value: "${{ stages.source.outputs.value }}" } }
  second: { uses: probe.echo@1, with: { value: "${{ stages.reader.outputs.value }}" } }
  watcher: { uses: probe.echo@1, with: { value: "${{ stages.source.state }}" } }
outputs:
  after: "${{ stages.after.outputs.value }}"
  watcher: "${{ stages.watcher.outputs.value }}"
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"], json!({ "after": "after", "watcher": "skipped" }));
    let events = place.events();
    assert_eq!(events.skipped("source"), reason("condition", "inputs.wanted"));
    assert_eq!(events.skipped("reader"), reason("upstream_skipped", "source"));
    assert_eq!(events.skipped("second"), reason("upstream_skipped", "reader"));

    let why = place.ask(&["why", "last", "reader"]).expect(0).stdout;
    assert!(why.contains("reader is skipped") && why.contains("`source` was skipped"), "{why}");

    let status = place.run(&text, &["--input", "wanted=true"]).expect(0).json();
    assert_eq!(status["outputs"]["watcher"], "succeeded");
    assert_eq!(place.events().ended("skipped"), Vec::<&str>::new());
}

#[test]
fn a_condition_sees_the_outputs_of_stages() {
    let place = Place::new();
    let text = pipeline(
        r"
stages:
  judge: { uses: probe.echo@1, with: { score: 7 } }
  good: { uses: probe.echo@1, if: stages.judge.outputs.score > 5, with: { value: good } }
  bad: { uses: probe.echo@1, if: stages.judge.outputs.score <= 5, with: { value: bad } }
",
    );
    let _ = place.run(&text, &[]).expect(0);
    let events = place.events();
    assert_eq!(events.ended("succeeded"), ["judge", "good"]);
    assert_eq!(events.skipped("bad"), reason("condition", "stages.judge.outputs.score <= 5"));
}

#[test]
fn a_failure_skips_what_comes_after_and_nothing_else() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  broken: { uses: probe.fail@1, with: { class: permanent, message: no such tide } }
  after: { uses: probe.echo@1, needs: [broken], with: { value: 1 } }
  beside: { uses: probe.echo@1, with: { value: 2 } }
outputs: { value: "${{ stages.beside.outputs.value }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(1).json();
    assert_eq!((&status["state"], &status["outputs"]), (&json!("failed"), &Value::Null));
    assert_eq!(status["failure"]["path"], "broken");
    assert_eq!(status["failure"]["failure"]["message"], "no such tide");
    let events = place.events();
    assert_eq!(events.skipped("after"), reason("upstream_failed", "broken"));
    assert_eq!(events.end_of("beside")["data"]["state"], "succeeded");
}

#[test]
fn a_failure_that_is_allowed_leaves_the_run_good() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  extra: { uses: probe.fail@1, allow_failure: true, with: { class: permanent } }
  after: { uses: probe.echo@1, needs: [extra], with: { value: "${{ stages.extra.state }}" } }
  reader: { uses: probe.echo@1, with: { value: "${{ stages.extra.outputs.attempt }}" } }
outputs: { value: "${{ stages.after.outputs.value }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"]["value"], "failed");
    assert_eq!(place.events().skipped("reader"), reason("upstream_failed", "extra"));
}

#[test]
fn a_group_has_a_scope_and_outputs_of_its_own() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  source: { uses: probe.echo@1, with: { value: 20 } }
  work:
    stages:
      half: { uses: probe.echo@1, with: { value: "${{ stages.source.outputs.value / 2 }}" } }
      deep:
        stages:
          one: { uses: probe.echo@1, with: { value: "${{ stages.half.outputs.value + 1 }}" } }
        outputs: { value: "${{ stages.one.outputs.value }}" }
    outputs: { half: "${{ stages.half.outputs.value }}", deep: "${{ stages.deep.outputs.value }}" }
  off:
    if: "false"
    stages:
      never: { uses: probe.echo@1, with: { value: 1 } }
outputs: { work: "${{ stages.work.outputs }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"]["work"], json!({ "half": 10, "deep": 11 }));
    let events = place.events();
    assert_eq!(events.end_of("work.deep.one")["data"]["state"], "succeeded");
    assert_eq!(events.skipped("off"), reason("condition", "false"));
    assert!(events.0.iter().all(|event| event["path"] != "off.never"), "a skipped group has no tasks");
}

#[test]
fn with_one_slot_the_larger_priority_goes_first() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  begin: { uses: probe.echo@1, with: { value: 0 } }
  low: { uses: probe.moment@1, needs: [begin], priority: 1, with: { name: low } }
  middle: { uses: probe.moment@1, needs: [begin], with: { name: middle } }
  high: { uses: probe.moment@1, needs: [begin], priority: 9, with: { name: high } }
outputs: { all: "${{ [stages.low.outputs, stages.middle.outputs, stages.high.outputs] }}" }
"#,
    );
    let status = place.run(&text, &["--slots", "1"]).expect(0).json();
    let mut moments = status["outputs"]["all"].as_array().expect("a list").clone();
    moments.sort_by_key(|one| one["at"].as_u64());
    let names: Vec<&Value> = moments.iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["high", "middle", "low"]);
}

#[test]
fn cleanup_sees_what_failed_and_what_was_done() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  good: { uses: probe.echo@1, with: { value: 1 } }
  broken: { uses: probe.fail@1, needs: [good], with: { class: permanent, code: low_tide, message: no water } }
on_failure:
  alert:
    uses: probe.say@1
    with: { text: "${{ failure.stage }} ${{ failure.class }} ${{ failure.code }}: ${{ failure.message }}" }
finally:
  report:
    uses: probe.say@1
    with: { text: "${{ run.id }} ${{ run.tasks.map(t, t.path + ' ' + t.state).join(', ') }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(1).json();
    let events = place.events();
    let phases: Vec<&Value> = events.of("run.phase").iter().map(|event| &event["data"]["phase"]).collect();
    let cleanup: Vec<&Value> =
        phases.into_iter().filter(|phase| **phase != "done" && **phase != "main").collect();
    assert_eq!(cleanup, ["on_failure", "finally"]);
    assert_eq!(events.ended("succeeded"), ["good", "on_failure.alert", "finally.report"]);
    assert_eq!(place.said("on_failure.alert"), ["broken permanent low_tide: no water"]);
    let report = place.said("finally.report").join("\n");
    let run = status["run"].as_str().expect("an id");
    for part in [run, "good succeeded", "broken failed", "on_failure.alert succeeded"] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
}

#[test]
fn finally_runs_after_a_run_that_succeeded_and_on_failure_does_not() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages: { good: { uses: probe.echo@1, with: { value: 1 } } }
on_failure: { alert: { uses: probe.echo@1, with: { value: 2 } } }
finally: { usage: { uses: probe.echo@1, with: { value: "${{ stages.good.outputs.value }}" } } }
"#,
    );
    let _ = place.run(&text, &[]).expect(0);
    assert_eq!(place.events().ended("succeeded"), ["good", "finally.usage"]);
}

#[test]
fn a_run_whose_cleanup_fails_has_failed() {
    let place = Place::new();
    let text = pipeline(
        r"
stages: { good: { uses: probe.echo@1, with: { value: 1 } } }
finally: { usage: { uses: probe.fail@1, with: { class: permanent, message: no room } } }
",
    );
    let status = place.run(&text, &[]).expect(1).json();
    assert_eq!(status["failure"]["path"], "finally.usage");
}

#[test]
fn a_stage_has_handlers_of_its_own() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  good:
    uses: probe.echo@1
    with: { value: 1 }
    on_failure: { mend: { uses: probe.say@1, with: { text: mended } } }
    finally: { tidy: { uses: probe.say@1, with: { text: tidied } } }
  broken:
    uses: probe.fail@1
    allow_failure: true
    with: { class: permanent, message: no water }
    on_failure: { mend: { uses: probe.say@1, with: { text: "${{ failure.stage }}: ${{ failure.message }}" } } }
    finally: { tidy: { uses: probe.say@1, with: { text: "${{ stages.broken.state }}" } } }
"#,
    );
    let _ = place.run(&text, &[]).expect(0);
    let events = place.events();
    assert_eq!(events.skipped("good.on_failure.mend"), reason("no_failure", "good"));
    for path in ["good.finally.tidy", "broken.on_failure.mend", "broken.finally.tidy"] {
        assert_eq!(events.end_of(path)["data"]["state"], "succeeded", "{path}");
    }
    assert_eq!(place.said("broken.on_failure.mend"), ["broken: no water"]);
    assert_eq!(place.said("broken.finally.tidy"), ["failed"]);
}
