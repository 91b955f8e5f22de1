//! Batches on the real binaries: a run for each row, checked before any starts, reported, and gone on with.

use reelmill_tests::Place;
use reelmill_tests::engine::{Working, pipeline};
use serde_json::{Value, json};

/// A pipeline that fails for one topic.
fn rows_pipeline() -> String {
    pipeline(
        r#"
inputs:
  topic: { type: string, min_length: 2 }
  scenes: { type: int, max: 9, default: 1 }
  tone: { type: string, enum: [calm, loud], default: calm }
stages:
  check: { uses: probe.fail@1, if: inputs.topic == 'storm', with: { class: permanent, message: no storms } }
  write:
    uses: probe.file@1
    needs: [check]
    with: { name: story.txt, text: "${{ inputs.topic }} ${{ inputs.scenes }} ${{ inputs.tone }};" }
outputs: { story: "${{ stages.write.outputs.file }}" }
"#,
    )
}

/// The report's rows.
fn rows(report: &Value) -> &Vec<Value> {
    report["runs"].as_array().expect("a list of runs")
}

#[test]
fn every_row_becomes_a_run_with_a_folder_of_its_own() {
    let place = Place::new();
    place.write("rows.csv", "topic,scenes\ntides,3\n\"moons, two\",\nrivers,2\n");
    let flags = ["--each", "rows.csv", "--input", "tone=loud", "--out", "out"];
    let report = place.run(&rows_pipeline(), &flags).expect(0).json();
    assert_eq!((&report["rows"], &report["succeeded"]), (&json!(3), &json!(3)));
    assert_eq!(place.read("out/row-0001/story.txt"), "tides 3 loud;");
    assert_eq!(place.read("out/row-0002/story.txt"), "moons, two 1 loud;", "an empty cell is not given");
    assert_eq!(place.read("out/row-0003/story.txt"), "rivers 2 loud;");
    let kept: Value = serde_json::from_str(&place.read("out/report.json")).expect("a report is JSON");
    assert_eq!(kept, report);

    let again = place.run(&rows_pipeline(), &flags).expect(0);
    assert!(again.stderr.contains("0 new, 3 there before"), "{}", again.stderr);
    let runs = |report: &Value| rows(report).iter().map(|row| row["run"].clone()).collect::<Vec<_>>();
    assert_eq!(runs(&again.json()), runs(&report), "the same rows are the same batch");
}

#[test]
fn a_bad_row_is_named_with_its_line_and_nothing_starts() {
    let place = Place::new();
    place.write("rows.csv", "topic,scenes,tone\ntides,3,calm\nx,3,calm\nrivers,10,shrill\n");
    let told = place.run(&rows_pipeline(), &["--each", "rows.csv"]).expect(78).json();
    let message = told["error"]["message"].as_str().expect("a message");
    for part in ["line 3", "`topic`", "line 4", "`scenes`", "`tone`"] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    assert!(!message.contains("line 2"), "a good row is no problem: {message}");
    assert_eq!(
        place.ask(&["status", "-o", "json"]).expect(0).json()["runs"],
        json!([]),
        "nothing was started"
    );
}

#[test]
fn rows_of_json_lines_keep_their_types_and_bad_lines_are_all_named() {
    let place = Place::new();
    place.write("rows.jsonl", "{\"topic\": \"tides\", \"scenes\": 2}\n\n{\"topic\": \"moons\"}\n");
    let report = place.run(&rows_pipeline(), &["--each", "rows.jsonl"]).expect(0).json();
    let inputs: Vec<&Value> = rows(&report).iter().map(|row| &row["inputs"]).collect();
    assert_eq!(inputs[0], &json!({ "topic": "tides", "scenes": 2, "tone": "calm" }));
    assert_eq!(inputs[1], &json!({ "topic": "moons", "scenes": 1, "tone": "calm" }));

    place.write("rows.jsonl", "{\"topic\": \"tides\"}\n[1]\n{\"topic\": \n");
    let told = place.run(&rows_pipeline(), &["--each", "rows.jsonl"]).expect(78).json();
    let message = told["error"]["message"].as_str().expect("a message");
    assert!(message.contains("line 2") && message.contains("line 3"), "{message}");
}

#[test]
fn a_row_that_fails_is_told_and_can_be_sent_around_again() {
    let place = Place::new();
    place.write("rows.csv", "topic\ntides\nstorm\nmoons\n");
    let report = place.run(&rows_pipeline(), &["--each", "rows.csv", "--out", "out"]).expect(1).json();
    let states: Vec<&Value> = rows(&report).iter().map(|row| &row["state"]).collect();
    assert_eq!(states, ["succeeded", "failed", "succeeded"]);
    assert_eq!(rows(&report)[1]["failure"]["path"], "check");
    assert_eq!(report["succeeded"], 2);

    let text = place.ask(&["run", "p.yaml", "--each", "rows.csv"]).expect(1).stdout;
    let line = text.lines().find(|line| line.starts_with("row 2")).expect("a line for the row");
    assert!(line.contains("failed") && line.contains("no storms"), "{line}");
    assert!(text.contains("2 of 3 rows succeeded"), "{text}");

    let again =
        place.ask(&["run", "p.yaml", "--each", "rows.csv", "--retry-failed", "-o", "json"]).expect(1).json();
    assert_eq!(rows(&again)[1]["run"], rows(&report)[1]["run"], "it is the same run that goes around again");
}

#[test]
fn a_batch_that_was_killed_goes_on_with_the_rows_that_are_left() {
    let place = Place::new();
    place.write("p.yaml", &rows_pipeline());
    let table: Vec<String> = (0..12).map(|row| format!("topic{row}")).collect();
    place.write("rows.csv", &format!("topic\n{}\n", table.join("\n")));
    let command = || place.engine(&["run", "p.yaml", "--each", "rows.csv", "--out", "out", "-o", "json"]);
    let mut working = Working::start(&place, command());
    for _ in 0..4 {
        working.wait_for("succeeded");
    }
    working.kill_everything();
    let ended_before: Vec<Value> =
        place.ask(&["status", "--state", "succeeded", "-o", "json"]).expect(0).json()["runs"]
            .as_array()
            .expect("a list")
            .clone();
    assert!(ended_before.len() >= 4);

    let working = Working::start(&place, command());
    let ended = working.end().expect(0);
    assert!(ended.stderr.contains("0 new, 12 there before"), "{}", ended.stderr);
    let report = ended.json();
    assert_eq!(report["succeeded"], 12);
    for (number, row) in rows(&report).iter().enumerate() {
        let story = place.read(&format!("out/row-{:04}/story.txt", number + 1));
        assert_eq!(story, format!("topic{number} 1 calm;"), "{row}");
    }
    for before in ended_before {
        let now =
            place.ask(&["status", before["run"].as_str().expect("an id"), "-o", "json"]).expect(0).json();
        assert_eq!(now["ended_ms"], before["ended_ms"], "a row that had ended was not touched");
    }
}
