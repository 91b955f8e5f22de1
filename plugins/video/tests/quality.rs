//! Quality by content: a figure is reached, what is not seen is not paid for, and the class says why.

mod common;

use common::World;
use reelmill_content::testing::{Shape, clip};
use reelmill_content::{Class, compare};
use reelmill_gpu::Cpu;
use reelmill_media::{Unwatched, VideoCodec, VideoSettings, synth};
use reelmill_plugin_video::{Analyse, Encode};
use reelmill_sdk::FailureClass;
use reelmill_sdk::serde_json::{Value, json};
use std::path::Path;

fn film(world: &World, class: Class, seed: u64) -> String {
    let settings = VideoSettings {
        codec: VideoCodec::H264,
        width: 320,
        height: 180,
        fps: 20,
        crf: 8.0,
        preset: "ultrafast".into(),
        threads: 1,
        keyframe_interval: 20,
        ten_bit: false,
    };
    let shape = Shape { width: 320, height: 180, fps: 20, seconds: 3.0 };
    let path = world.path(&format!("{}-{seed}.mp4", class.word()));
    synth(&path, Some((&clip(class, seed, shape), &settings)), None, &Unwatched).unwrap();
    path.to_str().unwrap().to_owned()
}

fn encode(world: &World, source: &str, quality: &Value) -> Value {
    let with = json!({ "source": source, "preset": "veryfast", "threads": 1, "quality": quality });
    world.bench.run::<Encode>(with).unwrap()
}

fn ssim(world: &World, encoded: &Value, source: &str) -> f64 {
    let file = world.out(&encoded["video"]);
    compare(&file, Path::new(source), 20.0, &Cpu, &Unwatched).unwrap().ssim
}

#[test]
fn an_asked_figure_is_reached_by_few_tries() {
    let world = World::new();
    let source = film(&world, Class::HighMotion, 4_000);
    let mut bytes = Vec::new();
    for target in [0.93, 0.98] {
        let encoded = encode(&world, &source, &json!({ "target_ssim": target }));
        let content = &encoded["content"];
        assert_eq!(content["class"], "high_motion", "{content:#}");
        assert!(content["tried"].as_array().unwrap().len() <= 3, "{content:#}");
        let reached = ssim(&world, &encoded, &source);
        assert!((reached - target).abs() < 0.012, "{reached} for {target}: {content:#}");
        bytes.push(encoded["bytes"].as_u64().unwrap());
    }
    assert!(bytes[0] < bytes[1], "{bytes:?}");
    let left: Vec<_> =
        std::fs::read_dir(world.path("scratch")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(
        left.iter().all(|name| name.to_str().unwrap().starts_with("video_")),
        "tries are removed: {left:?}"
    );
}

#[test]
fn auto_pays_less_for_what_is_not_seen() {
    let world = World::new();
    let source = film(&world, Class::Slides, 4_001);
    let usual = encode(&world, &source, &json!("good"));
    let auto = encode(&world, &source, &json!("auto"));
    assert!(usual.get("content").is_none());
    let content = &auto["content"];
    assert!(content["tried"][0]["score"]["ssim"].as_f64().unwrap() > 0.9, "{content:#}");
    assert!(content["goal"]["psnr"].as_f64().is_some(), "pages have a floor: {content:#}");
    assert!(content["crf"].as_f64().unwrap() >= 23.0, "{content:#}");
    assert!(auto["bytes"].as_u64().unwrap() < usual["bytes"].as_u64().unwrap(), "{content:#}");
    let least = ssim(&world, &usual, &source).min(0.98) - 0.005;
    assert!(ssim(&world, &auto, &source) > least, "{content:#}");
}

#[test]
fn filters_that_suit_the_pictures_come_before_the_encoder() {
    let world = World::new();
    let source = film(&world, Class::TextHeavy, 4_003);
    let encode = |filters: Value| {
        let with =
            json!({ "source": source, "preset": "ultrafast", "threads": 1, "crf": 10, "filters": filters });
        world.bench.run::<Encode>(with)
    };
    let plain = encode(json!([])).unwrap();
    assert!(plain.get("filters").is_none(), "{plain:#}");
    let as_it_is = ssim(&world, &plain, &source);
    let sharp = encode(json!("auto")).unwrap();
    assert_eq!(sharp["filters"], json!(["sharpen"]), "text is sharpened");
    assert!(ssim(&world, &sharp, &source) < as_it_is - 0.001, "the pictures are others");
    let denoised = encode(json!(["denoise", "deband"])).unwrap();
    assert_eq!(denoised["filters"], json!(["denoise", "deband"]));
    let error = encode(json!(["blur"])).unwrap_err().to_string();
    assert!(error.contains("sharpen"), "{error}");
}

#[test]
fn what_a_video_shows_is_told_scene_by_scene() {
    let world = World::new();
    let source = film(&world, Class::Slides, 4_002);
    let shows = world.bench.run::<Analyse>(json!({ "video": source, "max_scenes": 2 })).unwrap();
    assert_eq!((&shows["class"], &shows["frames"]), (&json!("slides"), &json!(60)), "{shows:#}");
    let count = shows["scene_count"].as_u64().unwrap();
    assert!(count >= 3 && shows["scenes"].as_array().unwrap().len() == 2, "{shows:#}");
    assert_eq!(shows["starts_ms"][0], 0);
    let second = shows["scenes"][1]["from"].as_u64().unwrap();
    assert_eq!(shows["starts_ms"][1], second * 50);
    let error = world.bench.run::<Analyse>(json!({ "video": world.tone("t.m4a", 0.5, 0.1) })).unwrap_err();
    assert_eq!(error.class(), FailureClass::InvalidInput);
}
