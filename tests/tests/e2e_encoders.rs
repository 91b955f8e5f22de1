//! Encoders that fail, on the real binaries: at libav's door a fault is put in for encoders of hardware that is not here.

use reelmill_tests::{Ended, Place, repository};
use serde_json::{Value, json};

/// A picture that moves, once by each encoder.
const PIPELINE: &str = r#"
version: 1
name: reel
inputs:
  encoders: { type: array, items: { type: string }, default: [libx264, h264_nvenc, h264_qsv, h264_vaapi] }
  fallback: { type: bool, default: true }
stages:
  clip: { uses: video.clip@1, with: { footage: [media/storm_ship.webp], seconds: 2, motion: zoom_in } }
  encode:
    for_each: { in: inputs.encoders, key: item }
    uses: video.encode@1
    with:
      source: "${{ stages.clip.outputs.video }}"
      encoder: "${{ item }}"
      fallback: "${{ inputs.fallback }}"
      aspect: "9:16"
      height: 90
      fps: 25
      speed: fastest
      threads: 1
  report: { uses: analytics.report@1, with: { run: "${{ run }}", videos: "${{ stages.encode.outputs }}" } }
outputs:
  made: "${{ stages.encode.outputs }}"
  videos: "${{ stages.encode.outputs.map(e, e.video) }}"
  report: "${{ stages.report.outputs.table }}"
"#;

/// The place of the fault of each.
const FAULTS: &str = "h264_nvenc=open,h264_qsv=frame:0,h264_vaapi=frame:41";

fn run(place: &Place, faults: &str, more: &[&str]) -> Ended {
    run_text(place, PIPELINE, faults, more)
}

fn run_text(place: &Place, text: &str, faults: &str, more: &[&str]) -> Ended {
    place.write("p.yaml", text);
    std::fs::create_dir_all(place.path("media")).expect("a folder");
    let name = "media/storm_ship.webp";
    std::fs::copy(repository().join("pipelines").join(name), place.path(name)).expect("a picture");
    let flags = [&["run", "p.yaml", "--no-cache", "-o", "json"], more].concat();
    let output = place.command(&flags).env("REELMILL_ENCODER_FAULTS", faults).output();
    let output = output.expect("reelmill can be started");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What is told of each encoder: its name, how it went, and at which frame.
fn chain(made: &Value) -> Vec<(&str, &str, Option<u64>)> {
    let encoders = made["encoders"].as_array().expect("a list");
    let text = |one: &'_ Value, name: &str| one[name].as_str().map(str::len).is_some();
    assert!(encoders.iter().all(|one| text(one, "reason")), "{made:#}");
    let of = |one| -> (&str, &str, Option<u64>) {
        let one: &Value = one;
        (
            one["encoder"].as_str().unwrap_or_default(),
            one["outcome"].as_str().unwrap_or_default(),
            one["frame"].as_u64(),
        )
    };
    encoders.iter().map(of).collect()
}

#[test]
fn a_video_is_made_although_its_encoder_fails_at_once_at_the_first_frame_or_in_the_middle() {
    let place = Place::new();
    let status = run(&place, FAULTS, &["--out", "out"]).expect(0).json();
    let made = status["outputs"]["made"].as_array().expect("a video for each");
    assert_eq!(chain(&made[0]), [("libx264", "used", None)]);
    for (made, (name, frame)) in
        made[1..].iter().zip([("h264_nvenc", None), ("h264_qsv", Some(0)), ("h264_vaapi", Some(41))])
    {
        assert_eq!(chain(made), [(name, "failed", frame), ("libx264", "used", None)]);
        let reason = made["encoders"][0]["reason"].as_str().expect("a reason");
        assert!(reason.contains(name) && reason.contains("(injected)"), "libav's log is in it: {reason}");
    }
    // Whatever the first encoder had written, the file is the one that software alone makes, byte for byte.
    let videos = status["outputs"]["videos"].as_array().expect("a list");
    assert!(videos.iter().all(|video| video["$artifact"] == videos[0]["$artifact"]), "{videos:#?}");
    assert_eq!(made[3]["frames"], 50);
    let said = place.said("encode").join("\n");
    assert!(said.contains("h264_vaapi failed at frame 41"), "{said}");
    let table = place.read("out/report.txt");
    assert!(table.contains("h264_qsv failed at frame 0"), "the report names the chain: {table}");
}

#[test]
fn without_a_fallback_the_reason_is_the_failure() {
    let place = Place::new();
    let flags = ["--input", "encoders=[\"h264_nvenc\"]", "--input", "fallback=false"];
    let ended = run(&place, FAULTS, &flags).expect(1);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("h264_nvenc could not be opened") && said.contains("too many sessions"), "{said}");
    assert_eq!(place.status()["outputs"]["made"], json!(null));
}

#[test]
fn encoders_are_tried_when_a_worker_starts_and_the_chain_goes_from_probe_to_first_frame_to_the_middle() {
    let place = Place::new();
    let mut flags = vec!["--input", "encoders=[\"auto\"]", "--out", "out"];
    for name in ["h264_nvenc", "h264_qsv", "h264_amf", "h264_vaapi"] {
        flags.extend(["--worker-encoder", name]);
    }
    let faults = "h264_nvenc=probe,h264_qsv=open,h264_amf=frame:0,h264_vaapi=frame:41";
    let ended = run(&place, faults, &flags).expect(0);
    let told = &ended.stderr;
    assert!(told.contains("encoder h264_nvenc was named, but does not work here"), "{told}");
    let status = ended.json();
    let made = &status["outputs"]["made"][0];
    let expected = [
        ("h264_nvenc", "left_out", None),
        ("h264_qsv", "failed", None),
        ("h264_amf", "failed", Some(0)),
        ("h264_vaapi", "failed", Some(41)),
        ("libx264", "used", None),
    ];
    assert_eq!(chain(made), expected);
    assert_eq!((&made["frames"], &made["encoder"]), (&json!(50), &json!("libx264")));
    let report = place.read("out/report.txt");
    for part in ["h264_nvenc was left out", "no capable device", "h264_vaapi failed at frame 41"] {
        assert!(report.contains(part), "{part} is not in {report}");
    }
    let answers: Value = serde_json::from_str(&place.read("home/encoders.json")).expect("JSON");
    let of = |name: &str| {
        let mut all = answers.as_object().expect("an object").iter();
        all.find(|(key, _)| key.starts_with(name)).map(|(_, answer)| answer["failure"].is_null())
    };
    assert_eq!(["h264_nvenc", "h264_qsv", "h264_vaapi"].map(of), [Some(false), Some(true), Some(true)]);

    let alone = run(&Place::new(), "", &["--input", "encoders=[\"software\"]"]).expect(0).json();
    let video = |status: &Value| status["outputs"]["videos"][0]["$artifact"].clone();
    assert_eq!(video(&status), video(&alone), "it is the video that software alone makes");
}

#[test]
fn an_encoder_that_works_is_used_and_asked_for_by_name() {
    let place = Place::new();
    let text = PIPELINE.replace("    for_each:", "    runs_on: { encoder: h264_nvenc }\n    for_each:");
    let flags = ["--input", "encoders=[\"auto\"]", "--worker-encoder", "h264_nvenc"];
    let status = run_text(&place, &text, "h264_nvenc=never", &flags).expect(0).json();
    let made = &status["outputs"]["made"][0];
    assert_eq!(chain(made), [("h264_nvenc", "used", None)]);
    assert_eq!(made["encoder"], "h264_nvenc");

    // The same machine with a driver that refuses: nobody has the encoder, so the pipeline is refused at once.
    let ended = run_text(&Place::new(), &text, "h264_nvenc=probe", &flags).expect(1);
    let said = format!("{}{}", ended.stdout, ended.stderr);
    assert!(said.contains("encoder h264_nvenc is needed, there is none"), "{said}");
}

const DECODED: &str = r#"
version: 1
name: decoded
stages:
  clip: { uses: video.clip@1, with: { footage: [media/storm_ship.webp], seconds: 2, motion: zoom_in } }
  film:
    uses: video.encode@1
    with: { source: "${{ stages.clip.outputs.video }}", height: 90, fps: 25, speed: fastest, encoder: software, threads: 1 }
  cpu:
    uses: video.encode@1
    with: { source: "${{ stages.film.outputs.video }}", speed: fastest, encoder: software, threads: 1 }
  gpu:
    uses: video.encode@1
    with: { source: "${{ stages.film.outputs.video }}", speed: fastest, encoder: software, threads: 1, decode: gpu }
outputs:
  decoded: "${{ stages.gpu.outputs.decoded }}"
  videos: ["${{ stages.cpu.outputs.video }}", "${{ stages.gpu.outputs.video }}"]
"#;

#[test]
fn where_the_gpu_that_decodes_is_lost_the_processor_goes_on_and_the_video_is_the_same() {
    let status = run_text(&Place::new(), DECODED, "decode_cuda=frame:7", &[]).expect(0).json();
    let (decoded, videos) = (&status["outputs"]["decoded"], &status["outputs"]["videos"]);
    assert_eq!((&decoded["gpu_frames"], &decoded["cpu_frames"]), (&json!(7), &json!(43)), "{decoded}");
    let reason = decoded["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("the device was lost (injected)"), "{reason}");
    assert_eq!(videos[0]["$artifact"], videos[1]["$artifact"], "{videos}");

    // Whatever there is on this machine: all frames are decoded, and why not by a GPU is told.
    let status = run_text(&Place::new(), DECODED, "", &[]).expect(0).json();
    let decoded = &status["outputs"]["decoded"];
    let frames = |name: &str| decoded[name].as_u64().expect("a count");
    assert_eq!(frames("gpu_frames") + frames("cpu_frames"), 50);
    let told = decoded["reasons"].as_array().is_some_and(|reasons| !reasons.is_empty());
    assert_eq!(told, frames("cpu_frames") > 0, "{decoded}");
}
