//! Stages that wait for a person, on the real binaries.

use reelmill_tests::Place;
use reelmill_tests::engine::pipeline;
use serde_json::json;

fn asking(approval: &str) -> String {
    pipeline(&format!(
        r#"
stages:
  work: {{ uses: probe.echo@1, with: {{ value: 7 }} }}
  check: {{ if: stages.work.outputs.value > 5, approval: {approval} }}
  after:
    uses: probe.echo@1
    with: {{ value: "${{{{ stages.check.outputs.by + ': ' + stages.check.outputs.reason }}}}" }}
outputs: {{ after: "${{{{ stages.after.outputs.value }}}}" }}
"#
    ))
}

#[test]
fn a_run_waits_for_its_approval_and_says_so() {
    let place = Place::new();
    let text =
        asking("{ roles: [editor], timeout: 24h, message: \"Is ${{ stages.work.outputs.value }} enough?\" }");
    let mut working = place.start(&text, &[]);
    let line = working.wait_for("waits for an approval");
    assert!(line.contains("Is 7 enough?"), "{line}");
    let why = place.ask(&["why", "last", "check"]).expect(0).stdout;
    for part in
        ["check is delayed", "one of editor", "Is 7 enough?", "rejected by itself at", "reelmill approve"]
    {
        assert!(why.contains(part), "{part} is not in {why}");
    }
    let why = place.ask(&["why", "last"]).expect(0).stdout;
    assert!(why.contains("`check` waits for an approval"), "{why}");
    let wrong = place.ask(&["approve", "last", "work"]).expect(2);
    assert!(wrong.stderr.contains("`work` does not wait for an approval"), "{wrong:?}");
    let decided =
        place.ask(&["approve", "last", "--by", "ann", "--reason", "fine", "-o", "json"]).expect(0).json();
    assert_eq!(decided["decided"], json!([{ "path": "check", "state": "succeeded" }]));
    let status: serde_json::Value = serde_json::from_str(&working.end().expect(0).stdout).expect("JSON");
    assert_eq!(status["outputs"]["after"], "ann: fine");
    let late = place.ask(&["approve", "last"]).expect(2);
    assert!(late.stderr.contains("nothing in this run waits"), "{late:?}");
}

#[test]
fn a_rejection_fails_the_run_and_survives_a_killed_worker() {
    let place = Place::new();
    let mut working = place.start(&asking("{}"), &[]);
    working.wait_for("waits for an approval");
    working.kill_everything();
    let _ =
        place.ask(&["approve", "last", "check", "--reject", "--by", "bob", "--reason", "too long"]).expect(0);
    let status = place.ask(&["run", "--resume", "last", "-o", "json"]).expect(1).json();
    let failure = &status["failure"];
    assert_eq!((&failure["path"], &failure["failure"]["code"]), (&json!("check"), &json!("rejected")));
    assert_eq!(failure["failure"]["message"], "it was rejected by bob: too long");
    assert_eq!(place.events().skipped("after"), ("upstream_failed".to_owned(), "check".to_owned()));
}

#[test]
fn time_decides_for_every_item() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  check:
    for_each: { in: "['a', 'b']", key: item }
    approval: { timeout: 20ms, on_timeout: approve, message: "${{ item }}" }
outputs: { answers: "${{ stages.check.outputs.map(c, c.approved) }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"]["answers"], json!([true, true]));
}
