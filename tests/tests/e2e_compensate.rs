//! Undoing what was done, on the real binaries.

use reelmill_tests::Place;
use reelmill_tests::engine::pipeline;
use serde_json::Value;

const BODY: &str = r#"
inputs: { broken: { type: bool, default: true } }
stages:
  reserve:
    uses: probe.echo@1
    with: { id: 7 }
    compensate: { uses: probe.say@1, with: { text: "give back ${{ self.outputs.id }} of ${{ inputs.broken }}" } }
  post:
    for_each: { in: "['a', 'b']", key: item, max_parallel: 1 }
    uses: probe.echo@1
    needs: [reserve]
    with: { id: "${{ item + '1' }}" }
    compensate:
      uses: probe.say@1
      with: { text: "remove ${{ self.outputs.id }} ${{ item }} after ${{ stages.reserve.outputs.id }}" }
  last: { uses: probe.fail@1, if: inputs.broken, needs: [post], with: { class: permanent, message: no tide } }
on_failure:
  alert: { uses: probe.say@1, with: { text: "${{ failure.message }}" } }
finally:
  tidy: { uses: probe.echo@1, with: { value: 1 } }
"#;

#[test]
fn a_failed_run_is_undone_in_reverse_before_anything_else() {
    let place = Place::new();
    let _ = place.run(&pipeline(BODY), &[]).expect(1);
    let events = place.events();
    assert_eq!(
        events.ended("succeeded"),
        [
            "reserve",
            "post[a]",
            "post[b]",
            "post",
            "post[b].compensate",
            "post[a].compensate",
            "reserve.compensate",
            "on_failure.alert",
            "finally.tidy",
        ]
    );
    let phases: Vec<&Value> = events.of("run.phase").iter().map(|event| &event["data"]["phase"]).collect();
    assert_eq!(phases, ["main", "compensate", "on_failure", "finally"]);
    assert_eq!(place.said("reserve.compensate"), ["give back 7 of true"]);
    assert_eq!(place.said("post[b].compensate"), ["remove b1 b after 7"]);
    let why = place.ask(&["why", "last", "reserve"]).expect(0).stdout;
    assert!(why.contains("`reserve.compensate`, which undoes it, is succeeded"), "{why}");
}

#[test]
fn a_run_that_succeeds_is_not_undone() {
    let place = Place::new();
    let _ = place.run(&pipeline(BODY), &["--input", "broken=false"]).expect(0);
    assert_eq!(place.events().ended("succeeded"), ["reserve", "post[a]", "post[b]", "post", "finally.tidy"]);
}

#[test]
fn a_failed_compensation_is_told_and_a_retry_does_everything_again() {
    let place = Place::new();
    let text = pipeline(
        r"
stages:
  one: { uses: probe.echo@1, with: { value: 1 }, compensate: { uses: probe.say@1, with: { text: one } } }
  two:
    uses: probe.echo@1
    needs: [one]
    with: { value: 2 }
    compensate: { uses: probe.fail@1, with: { class: permanent, message: cannot be undone } }
  last: { uses: probe.fail@1, needs: [two], with: { class: permanent, message: no tide } }
",
    );
    let status = place.run(&text, &[]).expect(1).json();
    assert_eq!(status["failure"]["path"], "last");
    let events = place.events();
    assert_eq!(events.ended("failed"), ["last", "two.compensate"]);
    assert_eq!(events.ended("succeeded"), ["one", "two", "one.compensate"]);
    let _ = place.ask(&["retry", "last"]).expect(1);
    let again = place.events();
    assert_eq!(again.ended("succeeded").iter().filter(|path| **path == "one").count(), 2);
}

#[test]
fn a_cancelled_run_is_undone() {
    let place = Place::new();
    let mut gate = place.gate("gate");
    let text = pipeline(&format!(
        r#"
stages:
  one: {{ uses: probe.echo@1, with: {{ value: 1 }}, compensate: {{ uses: probe.say@1, with: {{ text: undone }} }} }}
  two: {{ uses: probe.gate@1, needs: [one], with: {{ gate: "{}" }} }}
"#,
        place.path("gate").display()
    ));
    let working = place.start(&text, &[]);
    gate.wait();
    let _ = place.ask(&["cancel", "last"]).expect(0);
    let _ = working.end().expect(1);
    assert_eq!(place.status()["state"], "cancelled");
    assert_eq!(place.said("one.compensate"), ["undone"]);
}
