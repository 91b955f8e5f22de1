//! What stages need of a machine, on the real binaries.

use reelmill_tests::Place;
use reelmill_tests::engine::pipeline;
use serde_json::json;

fn needing(runs_on: &str) -> String {
    pipeline(&format!(
        r#"
stages:
  plain: {{ uses: probe.echo@1, with: {{ value: 1 }} }}
  needy: {{ uses: probe.echo@1, needs: [plain], with: {{ value: 2 }}, runs_on: {runs_on} }}
outputs: {{ value: "${{{{ stages.needy.outputs.value }}}}" }}
"#
    ))
}

#[test]
fn what_this_machine_can_never_do_is_refused_before_anything_runs() {
    let place = Place::new();
    let ended = place.run(&needing("{ cpu: 1024, labels: { zone: moon }, encoder: dream }"), &[]).expect(1);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    for part in ["no worker can ever run `needy`", "cpu 1024", "encoder dream", "label zone moon"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    let status = place.ask(&["status", "-o", "json"]).expect(0).json();
    assert_eq!(status["runs"], json!([]));
}

#[test]
fn a_worker_that_has_what_is_needed_does_it() {
    let place = Place::new();
    let text = needing("{ cpu: 1, memory: 256M, scratch: 1M, labels: { zone: moon }, encoder: dream }");
    let flags = ["--worker-label", "zone=moon", "--worker-encoder", "dream"];
    let status = place.run(&text, &flags).expect(0).json();
    assert_eq!(status["outputs"]["value"], 2);
}

#[test]
fn a_stage_that_can_do_without_an_encoder_does() {
    let place = Place::new();
    let status = place.run(&needing("{ encoder: dream, fallback: cpu }"), &[]).expect(0).json();
    assert_eq!(status["outputs"]["value"], 2);
}

#[test]
fn a_run_waits_for_a_worker_that_has_it_and_why_says_so() {
    let place = Place::new();
    let text = needing("{ labels: { zone: moon } }");
    let mut gate = place.gate("gate");
    let first = text.replace(
        "uses: probe.echo@1, with: { value: 1 }",
        &format!("uses: probe.gate@1, with: {{ gate: \"{}\" }}", place.path("gate").display()),
    );
    let working = place.start(&first, &["--worker-label", "zone=moon"]);
    gate.wait();
    working.kill_everything();
    drop(gate);
    let mut again = place.gate_again("gate");
    let mut resumed =
        reelmill_tests::engine::Working::start(&place, place.engine(&["run", "--resume", "last"]));
    again.open();
    resumed.wait_for("plain succeeded");
    let why = place.ask(&["why", "last", "needy"]).expect(0).stdout;
    assert!(why.contains("label zone=moon"), "{why}");
    resumed.kill_everything();
    let status =
        place.ask(&["run", "--resume", "last", "--worker-label", "zone=moon", "-o", "json"]).expect(0).json();
    assert_eq!(status["outputs"]["value"], 2);
}
