//! The stages with real files.

use crate::media_for_tests::{clip, picture};
use crate::{Fetch, Plan};
use reelmill_sdk::prelude::*;
use reelmill_sdk::{FailureClass, testing};
use tempfile::TempDir;

/// A folder of footage.
fn footage() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    picture(&at("lighthouse_night.bmp"), 40, 30);
    picture(&at("harbour/fishing-boats.bmp"), 40, 30);
    picture(&at("harbour/tower.bmp"), 30, 40);
    picture(&at("img0001.bmp"), 40, 30);
    std::fs::write(at("img0001.txt"), "keywords: moon, sky\nauthor: A. B.\nlicence: CC0").unwrap();
    clip(&at("stormySea.mp4"));
    std::fs::write(at("stormySea.json"), r#"{"keywords":["waves"],"source":"own work"}"#).unwrap();
    std::fs::write(at("broken_lighthouse.mp4"), "not a film").unwrap();
    folder
}

fn run<S: Stage>(with: Value) -> (Result<Value, StageError>, TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    (testing::run::<S>(with, scratch.path()), scratch)
}

fn names(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[test]
fn the_best_file_is_copied_with_what_is_known_of_it() {
    let folder = footage();
    let (output, scratch) = run::<Fetch>(json!({ "folder": folder.path(), "query": "big wave at sea" }));
    let output = output.unwrap();
    assert_eq!(output["items"][0]["name"], "stormySea.mp4");
    assert_eq!(output["items"][0]["kind"], "clip");
    assert_eq!((&output["items"][0]["width"], &output["items"][0]["height"]), (&json!(64), &json!(48)));
    assert_eq!(output["items"][0]["duration_ms"], 2000);
    assert_eq!(output["credits"], json!([{ "file": "stormySea.mp4", "source": "own work" }]));
    assert_eq!(output["generated"], false);
    let file = &output["files"][0];
    assert_eq!((&file["media_type"], &file["name"]), (&json!("video/mp4"), &json!("stormySea.mp4")));
    let copied = scratch.path().join(file["$file"].as_str().unwrap());
    assert_eq!(std::fs::read(copied).unwrap(), std::fs::read(folder.path().join("stormySea.mp4")).unwrap());
}

#[test]
fn a_file_that_cannot_be_read_gives_way_to_the_next() {
    let folder = footage();
    let scratch = tempfile::tempdir().unwrap();
    let bench = testing::Bench::new(scratch.path());
    let output =
        bench.run::<Fetch>(json!({ "folder": folder.path(), "query": ["broken", "lighthouse"] })).unwrap();
    assert_eq!(names(&output["items"]), ["lighthouse_night.bmp"]);
    assert!(bench.logs().iter().any(|(_, text)| text.contains("broken_lighthouse.mp4 is not used")));
}

#[test]
fn folders_sidecars_kinds_shapes_and_exclusions_count() {
    let folder = footage();
    let first = |extra: Value| {
        let mut with = json!({ "folder": folder.path() });
        with.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let output = run::<Fetch>(with).0.unwrap();
        output["items"][0]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(first(json!({ "query": "moon" })), "img0001.bmp");
    let landscape = json!({ "query": "harbour", "orientation": "landscape" });
    assert_eq!(first(landscape), "harbour/fishing-boats.bmp");
    assert_eq!(first(json!({ "query": "harbour", "orientation": "portrait" })), "harbour/tower.bmp");
    let without = json!({ "query": "harbour", "exclude": ["harbour/tower.bmp"] });
    assert_eq!(first(without), "harbour/fishing-boats.bmp");
    assert_eq!(first(json!({ "query": "harbour", "kinds": "clips" })), "stormySea.mp4");
}

#[test]
fn a_plan_repeats_nothing_while_files_are_left() {
    let folder = footage();
    let scenes: Vec<Value> =
        (1..=6).map(|number| json!({ "id": format!("s/{number}"), "keywords": ["lighthouse"], "seconds_estimate": 3 })).collect();
    let (output, _scratch) = run::<Plan>(json!({ "folder": folder.path(), "scenes": scenes }));
    let output = output.unwrap();
    let mut used: Vec<&str> =
        output["scenes"].as_object().unwrap().values().flat_map(|scene| names(&scene["items"])).collect();
    assert_eq!(used.len(), 6);
    used.sort_unstable();
    used.dedup();
    // Five files can be read; the sixth scene sees the best one again.
    assert_eq!(used.len(), 5, "{used:?}");
    assert_eq!(output["credits"].as_array().unwrap().len(), 2);
    assert_eq!(output["generated"], json!([]));
}

#[test]
fn without_footage_a_background_is_generated_and_says_so() {
    let (output, scratch) = run::<Plan>(json!({
        "scenes": [{ "id": "a", "keywords": ["sea"] }, { "id": "b", "narration": "moon" }], "orientation": "portrait"
    }));
    let output = output.unwrap();
    assert_eq!(output["generated"], json!(["a", "b"]));
    let file =
        |scene: &str| scratch.path().join(output["scenes"][scene]["files"][0]["$file"].as_str().unwrap());
    let item = &output["scenes"]["a"]["items"][0];
    assert_eq!((&item["generated"], &item["height"]), (&json!(true), &json!(640)));
    let info = reelmill_media::probe(&file("a")).unwrap();
    assert_eq!(info.video.unwrap().height, 640);
    assert!((11_900..=12_100).contains(&info.duration_ms), "{}", info.duration_ms);
    assert!(std::fs::read(file("a")).unwrap() != std::fs::read(file("b")).unwrap());
}

#[test]
fn what_cannot_be_met_is_said() {
    let folder = footage();
    for (with, code) in [
        (json!({ "folder": folder.path(), "query": "zebra", "unmatched": "fail" }), "no_match"),
        (json!({ "folder": folder.path().join("none"), "query": "zebra" }), "no_folder"),
        (json!({ "query": "zebra", "count": 21 }), ""),
    ] {
        let error = run::<Fetch>(with).0.unwrap_err();
        assert_eq!(
            (error.class(), error.failure().code.as_str()),
            (FailureClass::InvalidInput, code),
            "{error}"
        );
    }
    let twice = json!({ "scenes": [{ "id": "a" }, { "id": "a" }] });
    assert!(run::<Plan>(twice).0.unwrap_err().failure().message.contains("two scenes"));
}

#[test]
fn a_cancel_stops_the_work() {
    let folder = footage();
    let scratch = tempfile::tempdir().unwrap();
    let bench = testing::Bench::new(scratch.path()).cancel_at_question(2);
    let result = bench.run::<Fetch>(json!({ "folder": folder.path(), "query": "sea" }));
    assert_eq!(result.unwrap_err().class(), FailureClass::Cancelled);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn the_schemas_know_every_key_and_refuse_others() {
    for manifest in
        [reelmill_sdk::stage::stage_manifest::<Fetch>(), reelmill_sdk::stage::stage_manifest::<Plan>()]
    {
        let schema = manifest.input;
        assert_eq!(schema["additionalProperties"], false);
        assert_eq!(schema["properties"]["folder"]["x-path"], "read", "{schema:#}");
        assert_eq!(schema["properties"]["count"]["maximum"], 20);
    }
}
