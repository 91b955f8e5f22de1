//! Real work on a fleet: a table of videos on three workers, one of which is killed on the way.

use reelmill_tests::engine::{Working, signal};
use reelmill_tests::fleet::{open_for_the_next, worker};
use reelmill_tests::{Place, RedisServer, repository};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Videos of the table.
const ROWS: usize = 24;

/// A short video of one sentence. A row with a gate waits at it before it is encoded.
const PIPELINE: &str = r#"
version: 1
name: reel
inputs:
  text: { type: string }
  gate: { type: string, default: "" }
stages:
  speech: { uses: tts.speak@1, with: { text: "${{ inputs.text }}" } }
  material:
    uses: material.fetch@1
    with: { folder: media, query: [sea], orientation: portrait }
  clip:
    uses: video.clip@1
    with:
      audio: "${{ stages.speech.outputs.audio }}"
      words: "${{ stages.speech.outputs.words }}"
      footage: "${{ stages.material.outputs.files }}"
  compose: { uses: video.compose@1, with: { clips: ["${{ stages.clip.outputs.video }}"] } }
  wait: { if: inputs.gate != '', uses: probe.gate@1, with: { gate: "${{ inputs.gate }}" } }
  encode:
    needs: [wait]
    uses: video.encode@1
    with: { source: "${{ stages.compose.outputs.video }}", aspect: "9:16", height: 180, fps: 12, preset: ultrafast }
outputs: { video: "${{ stages.encode.outputs.video }}" }
"#;

fn sentence(row: usize) -> String {
    format!("Ship number {row} leaves the harbour at dawn.")
}

fn write(place: &Place, table: &str) {
    place.write("p.yaml", PIPELINE);
    place.write("rows.csv", table);
    std::fs::create_dir_all(place.path("media")).expect("a folder");
    for name in ["coast_sunset", "fog_bell", "storm_ship"]
        .iter()
        .flat_map(|n| [format!("{n}.webp"), format!("{n}.txt")])
    {
        let from = repository().join("pipelines/media").join(&name);
        std::fs::copy(from, place.path("media").join(&name)).expect("the media of the pipelines are there");
    }
}

/// The artifact of each row's video.
fn videos(report: &Value) -> Vec<Value> {
    let rows = report["runs"].as_array().expect("rows");
    rows.iter().map(|row| row["files"][0]["artifact"]["$artifact"].clone()).collect()
}

#[test]
fn a_table_of_videos_ends_as_if_made_alone_although_a_worker_is_killed() {
    let server = RedisServer::start();
    let place = Place::of_fleet(&server);
    let mut gate = place.gate("gate");
    let mut table = "text,gate\n".to_owned();
    for row in 1..=ROWS {
        writeln!(table, "{},{}", sentence(row), if row == 1 { "gate" } else { "" }).expect("text grows");
    }
    write(&place, &table);

    let first = worker(&place, &["--slots", "2"]);
    let flags = ["submit", "p.yaml", "--each", "rows.csv", "--wait", "--out", "out", "-o", "json"];
    let submitter = Working::start(&place, place.engine(&flags));
    gate.wait();
    open_for_the_next(&place, "gate");
    let (_second, _third) = (worker(&place, &["--slots", "2"]), worker(&place, &["--slots", "2"]));
    signal("KILL", &[first.id()]);
    let _ = first.end();
    let report = submitter.end().expect(0).json();
    assert_eq!((&report["rows"], &report["succeeded"]), (&json!(ROWS), &json!(ROWS)), "{report:#}");

    let again = report["runs"][0]["tried_again"].as_array().expect("a list");
    assert!(!again.is_empty(), "the report says what was tried again: {:#}", report["runs"][0]);
    let held =
        again.iter().find(|one| one["stage"] == "wait").expect("the stage that the killed worker held");
    assert_eq!((&held["class"], &held["attempt"]), (&json!("worker_lost"), &json!(1)));
    assert!(held["why"].as_str().is_some_and(|why| why.contains("stopped answering")), "{held}");

    let alone = Place::new();
    let mut table = "text\n".to_owned();
    (1..=ROWS).for_each(|row| writeln!(table, "{}", sentence(row)).expect("text grows"));
    write(&alone, &table);
    let flags = ["run", "p.yaml", "--each", "rows.csv", "--slots", "1", "--out", "out", "-o", "json"];
    let made = alone.ask(&flags).expect(0).json();
    assert_eq!(videos(&report), videos(&made), "each video is the same, byte for byte");
    let mut distinct = videos(&report);
    distinct.sort_by_key(ToString::to_string);
    distinct.dedup();
    assert_eq!(distinct.len(), ROWS, "and no two are the same");
}
