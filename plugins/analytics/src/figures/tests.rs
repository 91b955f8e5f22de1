//! The stage, whole.

use crate::Make;
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing;

fn task(path: &str, stage: &str, ended: &str, wall_ms: u64, cpu_ms: u64) -> Value {
    json!({
        "path": path, "stage": stage, "uses": if stage == "scene" { "" } else { "x.y" }, "state": ended, "attempts": 1,
        "cached": false, "wall_ms": wall_ms, "cpu_ms": cpu_ms, "rss_peak_bytes": cpu_ms * 1000
    })
}

fn tasks() -> Value {
    let mut cached = task("scene[c].clip", "scene.clip", "succeeded", 1, 0);
    cached["cached"] = json!(true);
    let mut retried = task("scene[b].clip", "scene.clip", "succeeded", 3000, 2000);
    retried["attempts"] = json!(3);
    json!([
        task("scene", "scene", "succeeded", 9000, 0),
        task("scene[a].clip", "scene.clip", "succeeded", 1000, 4000),
        retried,
        cached,
        task("encode", "encode", "failed", 5000, 9000),
        task("thumbnail", "thumbnail", "skipped", 0, 0),
        task("report", "report", "leased", 0, 0),
    ])
}

fn report(with: Value) -> (Value, Value, String) {
    let scratch = tempfile::tempdir().unwrap();
    let outputs = testing::run::<Make>(with, scratch.path()).unwrap();
    let read = |name: &str| {
        let file = outputs[name]["$file"].as_str().unwrap();
        std::fs::read_to_string(scratch.path().join(file)).unwrap()
    };
    let json = serde_json::from_str(&read("report")).unwrap();
    let text = read("table");
    (outputs, json, text)
}

#[test]
fn figures_add_up_by_stage() {
    let (outputs, json, text) =
        report(json!({ "run": { "id": "01R", "pipeline": "demo" }, "tasks": tasks() }));
    let summary = &outputs["summary"];
    assert_eq!(
        (&summary["tasks"], &summary["failed"], &summary["cached"]),
        (&json!(6), &json!(1), &json!(1))
    );
    assert_eq!(summary["repeated_attempts"], 2);
    assert_eq!((summary["cpu_seconds"].as_f64(), summary["busy_seconds"].as_f64()), (Some(15.0), Some(9.0)));
    // The cached clip would have cost what the two others cost on average.
    assert_eq!((&summary["cpu_saved_seconds"], &summary["savings_estimated"]), (&json!(3.0), &json!(true)));
    assert_eq!(json["states"], json!({ "failed": 1, "leased": 1, "skipped": 1, "succeeded": 4 }));
    let stages: Vec<&str> =
        json["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["encode", "scene.clip", "thumbnail"]);
    let clip = &json["stages"][1];
    assert_eq!(
        (&clip["tasks"], &clip["mean_seconds"], &clip["longest_seconds"]),
        (&json!(3), &json!(2.0), &json!(3.0))
    );
    assert_eq!(json["failed"], json!(["encode"]));
    assert_eq!(json["slowest"][0]["path"], "encode");
    assert!(text.starts_with("Run 01R of demo\n"), "{text}");
    assert!(text.contains("about 3.0 s of CPU time saved"), "{text}");
}

#[test]
fn tasks_may_come_within_the_run_and_known_savings_are_not_estimated() {
    let mut cached = task("a", "a", "succeeded", 0, 0);
    (cached["cached"], cached["cpu_saved_ms"]) = (json!(true), json!(7000));
    let (outputs, json, _) = report(json!({ "run": { "id": "r", "tasks": [cached] } }));
    assert_eq!(outputs["summary"]["cpu_saved_seconds"], 7.0);
    assert_eq!(outputs["summary"]["savings_estimated"], false);
    assert_eq!(json["run"], json!({ "id": "r" }));
}

#[test]
fn videos_are_described_one_or_many_or_none() {
    let video = json!({
        "video": { "$artifact": format!("blake3:{}", "0".repeat(64)), "path": "/x", "name": "tall.mp4", "size": 3_000_000,
            "media_type": "video/mp4" },
        "width": 1080, "height": 1920, "fps": 30, "frames": 600, "duration_ms": 20_000, "bytes": 2_500_000,
        "codec": "h264", "loudness_lufs": -14.02, "true_peak_dbtp": -1.2, "other": true
    });
    let with = |videos: Value| json!({ "tasks": tasks(), "videos": videos, "cpu_hour_price": 0.36 });
    let (outputs, json, text) = report(with(json!([video, null, video])));
    assert_eq!(outputs["summary"]["videos"], 2);
    assert_eq!(outputs["summary"]["cpu_seconds_a_video_second"], 0.375);
    assert!((outputs["summary"]["cost"].as_f64().unwrap() - 0.0015).abs() < 1e-9);
    assert_eq!(json["videos"][0]["kbit_per_second"], 1000.0);
    assert!(text.contains("tall.mp4 1080x1920  30    20.0 2.4 MiB   1000 h264  -14.0 -1.2"), "{text}");
    assert_eq!(report(with(video)).0["summary"]["videos"], 1);
    let (outputs, _, text) = report(with(Value::Null));
    assert_eq!(outputs["summary"]["videos"], 0);
    assert!(!text.contains("Videos"));
}

#[test]
fn an_empty_run_is_reported_too() {
    let (outputs, json, text) = report(json!({}));
    assert_eq!(outputs["summary"]["tasks"], 0);
    assert_eq!(json["stages"], json!([]));
    assert!(text.starts_with("Run\n"));
    assert!(!text.contains("-0.0"), "{text}");
}
