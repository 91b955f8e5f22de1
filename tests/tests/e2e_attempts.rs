//! Attempts on the real binaries: retries by class, time limits, and results that are used again.

use reelmill_tests::Place;
use reelmill_tests::engine::{pipeline, wait_until};
use serde_json::{Value, json};

/// The figures of a stage in a status.
fn stage<'a>(status: &'a Value, path: &str) -> &'a Value {
    let stages = status["stages"].as_array().expect("a list of stages");
    stages
        .iter()
        .find(|stage| stage["path"] == path)
        .unwrap_or_else(|| panic!("no stage {path} in {status:#}"))
}

#[test]
fn a_stage_that_fails_twice_succeeds_at_the_third_attempt() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  flaky: { uses: probe.fail@1, retry: { max_attempts: 4, initial: 5ms, jitter: none }, with: { class: transient, until: 3 } }
outputs: { attempt: "${{ stages.flaky.outputs.attempt }}" }
"#,
    );
    let status = place.run(&text, &[]).expect(0).json();
    assert_eq!(status["outputs"]["attempt"], 3);
    assert_eq!(stage(&status, "flaky")["attempts"], 3);
    let events = place.events();
    let delays: Vec<&Value> =
        events.of("task.retried").iter().map(|event| &event["data"]["delay_ms"]).collect();
    assert_eq!(delays, [5, 10], "the delay doubles");
}

#[test]
fn only_classes_for_which_it_can_help_are_tried_again() {
    let place = Place::new();
    let tried = |class: &str, retry: &str| {
        let text = pipeline(&format!(
            "stages:\n  s: {{ uses: probe.fail@1, retry: {{ {retry} }}, with: {{ class: {class} }} }}\n"
        ));
        let status = place.run(&text, &[]).expect(1).json();
        assert_eq!(status["failure"]["failure"]["class"], class);
        stage(&status, "s")["attempts"].as_u64()
    };
    for class in ["transient", "dependency", "resource"] {
        assert_eq!(tried(class, "max_attempts: 2, initial: 1ms"), Some(2), "{class}");
    }
    for class in ["permanent", "invalid_input", "invalid_config"] {
        assert_eq!(tried(class, "max_attempts: 2, initial: 1ms"), Some(1), "{class}");
    }
    assert_eq!(tried("permanent", "max_attempts: 2, initial: 1ms, on: [permanent]"), Some(2));
    assert_eq!(tried("transient", "max_attempts: 2, initial: 1ms, on: [permanent]"), Some(1));
}

#[test]
fn an_attempt_that_takes_too_long_or_is_silent_is_stopped() {
    let place = Place::new();
    for (timeout, with, code) in [
        ("300ms", "talks: true", "timeout_run"),
        ("{ run: 1h, idle: 300ms }", "talks: false", "timeout_idle"),
        ("300ms", "deaf: true", "timeout_run"),
    ] {
        let text = pipeline(&format!(
            "stages:\n  slow: {{ uses: probe.stay@1, timeout: {timeout}, with: {{ {with} }} }}\n"
        ));
        let status = place.run(&text, &[]).expect(1).json();
        let failure = &status["failure"]["failure"];
        assert_eq!((&failure["class"], &failure["code"]), (&json!("timeout"), &json!(code)), "{failure}");
        let message = failure["message"].as_str().expect("a message");
        assert!(message.contains("0.3 s") && message.contains("timeout."), "{message}");
        wait_until("the processes of plugins to be gone", || place.processes().is_empty());
    }
}

#[test]
fn a_stage_that_speaks_is_not_idle() {
    let place = Place::new();
    let mut gate = place.gate("gate");
    // The stage that talks is stopped by its run limit, although it is never silent for as long as its idle limit.
    let text = pipeline(
        r"
stages:
  slow: { uses: probe.stay@1, timeout: { run: 2s, idle: 1s }, allow_failure: true, with: { talks: true } }
  hold: { uses: probe.gate@1, with: { gate: gate } }
",
    );
    let working = place.start(&text, &["--slots", "2"]);
    gate.open();
    let _ = working.end().expect(0);
    let end = place.events().end_of("slow")["data"]["failure"]["code"].clone();
    assert_eq!(end, "timeout_run");
}

#[test]
fn a_result_is_used_again_unless_the_stage_says_otherwise() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  auto: { uses: probe.moment@1, with: { name: auto } }
  never: { uses: probe.moment@1, cache: never, with: { name: never } }
  refresh: { uses: probe.moment@1, cache: refresh, with: { name: refresh } }
  file: { uses: probe.file@1, with: { name: a.txt, text: tide, after: "${{ stages.auto.outputs.at }}" } }
outputs:
  at: "${{ [stages.auto.outputs.at, stages.never.outputs.at, stages.refresh.outputs.at] }}"
  file: "${{ stages.file.outputs.file }}"
"#,
    );
    let first = place.run(&text, &[]).expect(0).json();
    let second = place.run(&text, &[]).expect(0).json();
    assert_ne!(first["run"], second["run"], "a run that ended is not gone on with");
    let same = |index: usize| first["outputs"]["at"][index] == second["outputs"]["at"][index];
    assert_eq!([same(0), same(1), same(2)], [true, false, false], "{first:#}\n{second:#}");
    assert_eq!(first["outputs"]["file"], second["outputs"]["file"]);
    for (path, cached) in [("auto", 1), ("never", 0), ("refresh", 0), ("file", 1)] {
        assert_eq!(stage(&second, path)["cached"], cached, "{path}");
    }

    let other = text.replace("name: auto }", "name: other }");
    let third = place.run(&other, &[]).expect(0).json();
    assert_eq!(stage(&third, "auto")["cached"], 0);
    let why = place.ask(&["why", "last", "auto"]).expect(0).stdout;
    assert!(why.contains("no earlier result fits") && why.contains("name"), "a miss is explained: {why}");

    let none = place.run(&text, &["--no-cache"]).expect(0).json();
    assert_eq!(stage(&none, "auto")["cached"], 0);
}

#[test]
fn outputs_and_inputs_over_the_limit_are_refused_with_a_remedy() {
    let place = Place::new();
    let over = pipeline("stages:\n  big: { uses: probe.big@1, with: { bytes: 300000 } }\n");
    let status = place.run(&over, &[]).expect(1).json();
    let failure = &status["failure"]["failure"];
    let message = failure["message"].as_str().expect("a message");
    assert_eq!(failure["class"], "protocol");
    assert!(message.contains("262144") && message.contains("file"), "{message}");

    let doubled = pipeline(
        r#"
stages:
  half: { uses: probe.big@1, with: { bytes: 200000 } }
  both: { uses: probe.echo@1, with: { value: "${{ [stages.half.outputs.text, stages.half.outputs.text] }}" } }
"#,
    );
    let status = place.run(&doubled, &[]).expect(1).json();
    assert_eq!(status["failure"]["path"], "both");
    let failure = &status["failure"]["failure"];
    assert_eq!(failure["class"], "invalid_input");
    assert!(failure["message"].as_str().is_some_and(|message| message.contains("262144")), "{failure}");
}

#[test]
fn a_value_the_stage_does_not_take_fails_before_the_attempt_and_is_not_tried_again() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  source: { uses: probe.echo@1, with: { value: seven } }
  next: { uses: probe.big@1, retry: 3, with: { bytes: "${{ stages.source.outputs.value }}" } }
"#,
    );
    let status = place.run(&text, &[]).expect(1).json();
    let failure = &status["failure"]["failure"];
    assert_eq!(
        (&failure["class"], &stage(&status, "next")["attempts"]),
        (&json!("invalid_input"), &json!(1))
    );
    assert!(failure["message"].as_str().is_some_and(|message| message.contains("bytes")), "{failure}");
}

#[test]
fn an_expression_that_has_no_value_fails_its_stage_with_its_place() {
    let place = Place::new();
    let text = pipeline(
        r#"
stages:
  source: { uses: probe.echo@1, with: { value: 1 } }
  next: { uses: probe.echo@1, with: { value: "${{ stages.source.outputs.missing }}" } }
"#,
    );
    let status = place.run(&text, &[]).expect(1).json();
    let failure = &status["failure"]["failure"];
    assert_eq!(failure["class"], "expression");
    let message = failure["message"].as_str().expect("a message");
    assert!(message.contains("missing") && message.contains("line 7"), "{message}");
}

#[test]
fn an_attempt_after_one_that_had_too_little_time_has_more() {
    let place = Place::new();
    let mut gate = place.gate("gate");
    let text = pipeline(&format!(
        r#"
stages:
  slow:
    uses: probe.gate@1
    timeout: 1s
    retry: {{ max_attempts: 2, escalate: {{ timeout: 16, memory: 2 }} }}
    with: {{ gate: "{}" }}
"#,
        place.path("gate").display()
    ));
    let mut working = place.start(&text, &[]);
    gate.wait();
    working.wait_for("tried again");
    drop(gate);
    place.gate_again("gate").open();
    let _ = working.end().expect(0);
    let why = place.ask(&["why", "last", "slow"]).expect(0).stdout;
    assert!(why.contains("timeout ×16") && why.contains("memory ×2"), "{why}");
    assert_eq!(why.matches("no earlier result").count(), 1, "both attempts looked for one: {why}");
}
