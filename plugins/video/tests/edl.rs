//! Edit decision lists: written, read again, and rendered by every stage that takes a video.

mod common;

use common::{World, frames, mean};
use reelmill_plugin_video::{Compose, Encode, Thumbnail, Timeline};
use reelmill_sdk::serde_json::{self, Value, json};

/// A list with every field there is.
const GOLDEN: &str = include_str!("golden/edl.json");

#[test]
fn a_written_list_and_its_files_are_the_same_video_again() {
    let world = World::new();
    let clip = world.clip("t.mp4", "testsrc2=sar=1", 0.5);
    let with = json!({ "clips": [clip, clip], "music": world.tone("m.m4a", 0.5, 0.5), "write_edl": true,
        "titles": [{ "text": "Sea" }], "transition": "fade", "captions": { "position": "top" } });
    let made = world.bench.run::<Compose>(with).unwrap();
    let file = world.out(&made["edl"]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(world.path("").to_str().unwrap()), "it holds names, not places: {text}");
    assert_eq!(made["files"].as_object().unwrap().keys().collect::<Vec<_>>(), ["m.m4a", "t.mp4"]);
    let again = world.bench.run::<Compose>(json!({ "edl": file, "files": made["files"] })).unwrap();
    assert_eq!(again["video"], made["video"]);
    let inline: Value = serde_json::from_str(&text).unwrap();
    let again = world.bench.run::<Compose>(json!({ "edl": inline, "files": made["files"] })).unwrap();
    assert_eq!(again["video"], made["video"]);
}

#[test]
fn every_stage_takes_a_list_as_an_object_or_as_a_file() {
    let world = World::new();
    world.clip("dark.mp4", "color=c=0x202020", 0.5);
    world.clip("bright.mp4", "color=c=0xc0c0c0", 0.5);
    let shot = |name: &str| json!({ "duration_ms": 400, "shots": [{ "media": name, "duration_ms": 400 }] });
    let list = json!({ "version": 1, "clips": [shot("dark.mp4"), shot("bright.mp4")] });
    let file = world.path("list.json");
    std::fs::write(&file, list.to_string()).unwrap();
    let encoded = world.encode(&json!(file), &json!({ "aspect": "16:9" }));
    let all = frames(&world.out(&encoded["video"]));
    assert!(
        all.len() == 24 && mean(&all[3]) < 60.0 && mean(&all[20]) > 150.0,
        "beside the list lie its files"
    );
    let taken = world.bench.run::<Thumbnail>(json!({ "source": file, "at": "90%", "height": 90 })).unwrap();
    assert!(taken["brightness"].as_f64().unwrap() > 150.0);
    let folder = world.path("");
    let made = world.bench.run::<Compose>(json!({ "edl": list, "folder": folder })).unwrap();
    assert_eq!(made["duration_ms"], 800);
    assert!(made["video"]["captions"].is_null(), "what the list does not say stays as it is");
}

#[test]
fn what_is_said_besides_is_added_to_the_list() {
    let world = World::new();
    let dark = world.clip("dark.mp4", "color=c=0x202020", 0.5);
    let list = json!({ "clips": [{ "duration_ms": 400, "shots": [{ "media": dark, "duration_ms": 400 }] }],
        "titles": [{ "text": "Sea", "at_ms": 100 }] });
    let with = json!({ "edl": list, "title_card": { "text": "Tides", "seconds": 1 }, "progress": true });
    let made = world.bench.run::<Compose>(with).unwrap();
    assert_eq!(made["duration_ms"], 1_400);
    let times: Vec<&Value> =
        made["video"]["titles"].as_array().unwrap().iter().map(|title| &title["at_ms"]).collect();
    assert_eq!(times, [&json!(1_100), &json!(0)], "its titles move with its scenes");
    assert!(made["video"]["progress"].is_object());
}

#[test]
fn the_golden_list_is_read_and_written_as_it_is() {
    let list: Timeline = serde_json::from_str(GOLDEN).unwrap();
    let written: Value = serde_json::to_value(&list).unwrap();
    assert_eq!(written, serde_json::from_str::<Value>(GOLDEN).unwrap());
}

#[test]
fn a_list_that_is_none_is_refused_with_its_place() {
    let world = World::new();
    let file = world.path("list.json");
    let refused = |text: &str| {
        std::fs::write(&file, text).unwrap();
        world.bench.run::<Encode>(json!({ "source": file })).unwrap_err().to_string()
    };
    let error = refused("{\n \"clips\": [],\n \"musik\": 1 }");
    assert!(error.contains("list.json") && error.contains("musik") && error.contains("line 3"), "{error}");
    assert!(refused(r#"{ "version": 9, "clips": [] }"#).contains("version is 9"));
}
