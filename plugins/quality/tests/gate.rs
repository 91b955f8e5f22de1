//! Made-up bad videos, each with one fault; the gate has to name it.

use reelmill_media::{Unwatched, VideoCodec, VideoSettings, synth};
use reelmill_plugin_quality::Gate;
use reelmill_sdk::FailureClass;
use reelmill_sdk::serde_json::{Value, json};
use reelmill_sdk::testing::run;
use std::path::{Path, PathBuf};

const SPEECH: &str = "sine=f=400:r=48000:d=3,volume=11.4dB,volume='0.6+0.4*sin(9*t)':eval=frame";

fn video(dir: &Path, name: &str, pictures: &str, sound: Option<&str>) -> PathBuf {
    let settings = VideoSettings {
        codec: VideoCodec::H264,
        width: 180,
        height: 320,
        fps: 30,
        crf: 23.0,
        preset: "ultrafast".into(),
        threads: 1,
        keyframe_interval: 30,
        ten_bit: false,
    };
    let path = dir.join(name);
    let pictures = format!("{pictures},setsar=1,format=yuv420p[out]");
    let sound =
        sound.map(|s| format!("{s},aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]"));
    synth(&path, Some((&pictures, &settings)), sound.as_deref(), &Unwatched).unwrap();
    path
}

fn verdict(dir: &Path, with: Value) -> Value {
    run::<Gate>(with, dir).unwrap()
}

fn failed(verdict: &Value) -> Vec<&str> {
    let checks = verdict["checks"].as_array().unwrap().iter();
    checks.filter(|c| c["passed"] == json!(false)).map(|c| c["check"].as_str().unwrap()).collect()
}

#[test]
fn each_made_up_fault_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let test = "testsrc2=s=180x320:r=30:d=3";
    let black = "testsrc2=s=180x320:r=30:d=3,drawbox=t=fill:color=black:enable='between(t,1,2)'";
    let frozen = "testsrc2=s=180x320:r=30:d=1,tpad=stop_duration=2:stop_mode=clone";
    let short = SPEECH.replace("d=3", "d=2.5");
    let loud = SPEECH.replace("11.4dB", "16dB");
    let limits = json!({ "max_frozen_ms": 1500, "max_silence_ms": 1500 });
    let cases = [
        (video(dir, "good.mp4", test, Some(SPEECH)), vec![]),
        (video(dir, "black.mp4", black, Some(SPEECH)), vec!["black"]),
        (video(dir, "frozen.mp4", frozen, Some(SPEECH)), vec!["frozen"]),
        (video(dir, "mute.mp4", test, None), vec!["sound"]),
        (video(dir, "silent.mp4", test, Some("anullsrc=r=48000:cl=stereo:d=3")), vec!["loudness", "silence"]),
        (video(dir, "early.mp4", test, Some(&short)), vec!["sync"]),
        (video(dir, "loud.mp4", test, Some(&loud)), vec!["loudness"]),
    ];
    for (path, faults) in cases {
        let verdict = verdict(dir, json!({ "videos": [path], "limits": limits, "fail": false }));
        assert_eq!(failed(&verdict), faults, "{}: {verdict:#}", path.display());
        assert_eq!(verdict["passed"], json!(faults.is_empty()));
        assert_eq!(verdict["score"].as_f64().unwrap() >= 100.0, faults.is_empty());
    }
}

#[test]
fn a_failed_gate_fails_the_stage_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let bad =
        video(dir.path(), "black.mp4", "color=black:s=180x320:r=30:d=1", Some(&SPEECH.replace("d=3", "d=1")));
    let made = json!({ "video": bad, "width": 180, "frames": 30 });
    let with = json!({ "videos": [made, made], "limits": { "width": 1080 } });
    let error = run::<Gate>(with, dir.path()).unwrap_err();
    assert_eq!(error.class(), FailureClass::Permanent);
    let text = error.to_string();
    for part in [
        "video 1: black is 1000.0 ms from 0.00 s, wanted at most 100 ms",
        "size is 180 x 320, wanted 1080 x 320",
    ] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn likeness_to_a_reference_is_measured_frame_by_frame() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let test = "testsrc2=s=180x320:r=30:d=1";
    let reference = video(dir, "reference.mp4", test, None);
    let blurred = video(dir, "blurred.mp4", &format!("{test},gblur=sigma=6"), None);
    // The same pictures a frame late: a comparison by time would hide it, one by number does not.
    let late = video(dir, "late.mp4", &format!("{test},tpad=start=4:start_mode=clone"), None);
    for (path, passes) in [(&reference, true), (&blurred, false), (&late, false)] {
        let with = json!({
            "videos": path, "reference": reference, "min_ssim": 0.97, "fail": false, "limits": { "audio": false }
        });
        let verdict = verdict(dir, with);
        assert_eq!(failed(&verdict).contains(&"likeness"), !passes, "{}: {verdict:#}", path.display());
    }
}
