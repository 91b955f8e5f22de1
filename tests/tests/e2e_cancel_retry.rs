//! A run as another process sees it, on the real binaries: watched, explained, cancelled, and sent around again.

use reelmill_tests::Place;
use reelmill_tests::engine::{Working, pipeline, wait_until};
use serde_json::{Value, json};

fn stages(status: &Value, what: &str) -> Vec<(String, Value)> {
    let stages = status["stages"].as_array().expect("a list of stages").iter();
    stages.map(|stage| (stage["path"].as_str().unwrap_or_default().to_owned(), stage[what].clone())).collect()
}

#[test]
fn cancel_stops_a_running_attempt_and_what_waits_and_finally_still_runs() {
    let place = Place::new();
    let text = pipeline(
        r"
stages:
  stay: { uses: probe.stay@1, with: { talks: true } }
  after: { uses: probe.echo@1, needs: [stay], with: { value: 1 } }
on_failure: { alert: { uses: probe.echo@1, with: { value: 2 } } }
finally: { tidy: { uses: probe.say@1, with: { text: tidied } } }
",
    );
    let mut working = place.start(&text, &[]);
    working.wait_for("was submitted");
    let mut logs = Working::start(&place, place.engine(&["logs", "last", "-f"]));
    logs.wait_for_output("here to stay");
    let told = place.ask(&["cancel", "last", "--reason", "wrong tide", "-o", "json"]).expect(0).json();
    assert_eq!(told["state"], "running", "the attempt has to stop first");
    let status = working.end().expect(1).json();
    let _ = logs.end().expect(0);
    assert_eq!((&status["state"], &status["cancel_reason"]), (&json!("cancelled"), &json!("wrong tide")));
    let events = place.events();
    assert_eq!(events.ended("cancelled"), ["after", "stay"]);
    assert_eq!(events.ended("succeeded"), ["finally.tidy"], "cancelling is no failure");
    wait_until("the processes of plugins to be gone", || place.processes().is_empty());
    let why = place.ask(&["why", "last"]).expect(0).stdout;
    assert!(why.contains("wrong tide") && why.contains("reelmill retry"), "{why}");
    let again = place.ask(&["cancel", "last", "-o", "json"]).expect(0).json();
    assert_eq!(again["state"], "cancelled", "an ended run stays as it is");
}

#[test]
fn a_stage_that_does_not_listen_is_killed_when_its_run_is_cancelled() {
    let place = Place::new();
    let mut working =
        place.start(&pipeline("stages: { stay: { uses: probe.stay@1, with: { deaf: true } } }\n"), &[]);
    working.wait_for("was submitted");
    let mut logs = Working::start(&place, place.engine(&["logs", "last", "-f"]));
    logs.wait_for_output("here to stay");
    let _ = place.ask(&["cancel", "last"]).expect(0);
    assert_eq!(working.end().expect(1).json()["state"], "cancelled");
    wait_until("the processes of plugins to be gone", || place.processes().is_empty());
}

#[test]
fn retry_does_only_what_failed_again() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  first: { uses: probe.moment@1, cache: never, with: { name: first } }
  flaky: { uses: probe.fail@1, needs: [first], with: { class: permanent, message: not yet, until: 2 } }
  beside: { uses: probe.moment@1, cache: never, with: { name: beside } }
  after: { uses: probe.echo@1, with: { at: "${{ stages.first.outputs.at }}", attempt: "${{ stages.flaky.outputs.attempt }}" } }
finally: { tidy: { uses: probe.say@1, with: { text: tidied } } }
outputs: { at: "${{ stages.after.outputs.at }}", attempt: "${{ stages.after.outputs.attempt }}" }
"#,
    );
    let failed = place.run(&text, &[]).expect(1).json();
    assert_eq!(failed["failure"]["path"], "flaky");
    let why = place.ask(&["why", "last"]).expect(0).stdout;
    assert!(
        why.contains("`flaky` failed") && why.contains("not yet") && why.contains("reelmill retry"),
        "{why}"
    );

    let ended = place.ask(&["retry", "last", "-o", "json"]).expect(0);
    assert!(ended.stderr.contains("goes around again"), "{}", ended.stderr);
    let status = ended.json();
    assert_eq!((&status["run"], &status["outputs"]["attempt"]), (&failed["run"], &json!(2)));
    let attempts = stages(&status, "attempts");
    assert_eq!(
        attempts[..3],
        [("first".to_owned(), json!(1)), ("flaky".to_owned(), json!(2)), ("beside".to_owned(), json!(1))]
    );
    let events = place.events();
    let ends = |path: &str| events.of("task.settled").iter().filter(|event| event["path"] == path).count();
    assert_eq!([ends("first"), ends("beside"), ends("flaky"), ends("finally.tidy")], [1, 1, 2, 2]);
}

#[test]
fn retry_from_a_stage_does_it_and_all_after_it_again() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  first: { uses: probe.moment@1, cache: never, with: { name: first } }
  second: { uses: probe.moment@1, cache: never, with: { name: second, after: "${{ stages.first.outputs }}" } }
  third: { uses: probe.moment@1, cache: never, with: { name: third, after: "${{ stages.second.outputs }}" } }
outputs: { at: "${{ [stages.first.outputs.at, stages.second.outputs.at, stages.third.outputs.at] }}" }
"#,
    );
    let before = place.run(&text, &[]).expect(0).json()["outputs"]["at"].clone();
    let after =
        place.ask(&["retry", "last", "--from", "second", "-o", "json"]).expect(0).json()["outputs"]["at"]
            .clone();
    let changed: Vec<bool> = (0..3).map(|index| before[index] != after[index]).collect();
    assert_eq!(changed, [false, true, true]);

    let nothing = place.ask(&["retry", "last", "--from", "secnod"]).expect(2);
    assert!(nothing.stderr.contains("secnod") && nothing.stderr.contains("second"), "{}", nothing.stderr);
}

#[test]
fn a_run_can_be_watched_and_explained_while_it_works() {
    let place = Place::new();
    let mut gate = place.gate("gate");
    let text = pipeline(
        r"
stages:
  hold: { uses: probe.gate@1, with: { gate: gate } }
  after: { uses: probe.say@1, needs: [hold], with: { text: it is done } }
",
    );
    let working = place.start(&text, &[]);
    gate.wait();
    let watch = Working::start(&place, place.engine(&["watch", "last"]));
    let status = place.status();
    assert_eq!((&status["state"], &status["counts"]["leased"]), (&json!("running"), &json!(1)));
    let why = |stage: &str| place.ask(&["why", "last", stage]).expect(0).stdout;
    assert!(why("hold").contains("is running it, attempt 1"), "{}", why("hold"));
    assert!(why("after").contains("waits for the end of `hold`, which is leased"), "{}", why("after"));
    gate.open();
    let _ = working.end().expect(0);
    let watched = watch.end().expect(0).stdout;
    for line in ["hold succeeded", "after succeeded", "succeeded"] {
        assert!(watched.contains(line), "{line} is not in {watched}");
    }
    let logs = place.ask(&["logs", "last", "after", "--at-least", "info"]).expect(0).stdout;
    assert!(logs.contains("info after: it is done"), "{logs}");
    let list = place.ask(&["status"]).expect(0).stdout;
    assert!(list.contains("test") && list.contains("2 succeeded"), "{list}");
}

#[test]
fn two_workers_on_one_home_share_nothing_but_the_store() {
    let place = Place::new();
    let mut gate = place.gate("gate");
    let held = pipeline("stages: { hold: { uses: probe.gate@1, with: { gate: gate } } }\n");
    let first = place.start(&held, &[]);
    gate.wait();
    // The second run ends while the first is still held.
    place.write("other.yaml", &pipeline("stages: { quick: { uses: probe.echo@1, with: { value: 1 } } }\n"));
    let second = place.ask(&["run", "other.yaml", "-o", "json"]).expect(0).json();
    assert_eq!(second["counts"], json!({ "succeeded": 1 }));
    gate.open();
    let first = first.end().expect(0).json();
    assert_eq!(stages(&first, "attempts"), [("hold".to_owned(), json!(1))], "nobody took it for lost");
}
