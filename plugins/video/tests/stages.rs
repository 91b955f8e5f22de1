//! The stages as a pipeline uses them, on small made material; every file that comes out is looked into.

mod common;

use common::{World, frames, mean, samples, words};
use reelmill_media::{Meter, Pixel, Unwatched, VideoCodec, VideoFrame, VideoSettings, plane, probe, synth};
use reelmill_plugin_video::{ClipStage, Compose, Encode, Thumbnail};
use reelmill_sdk::FailureClass;
use reelmill_sdk::serde_json::{Value, json};
use reelmill_sdk::testing::Bench;
use std::path::Path;

#[test]
fn a_whole_composition_comes_out_as_asked() {
    let world = World::new();
    let red = world.clip("red.mp4", "color=c=0xc02020", 1.0);
    let test = world.clip("test.mp4", "testsrc2=sar=1", 3.0);
    let scene = |footage: Value, audio: &str| {
        let with = json!({ "footage": footage, "audio": audio, "pad_ms": 0, "words": words("The sea is deep.", 300) });
        world.bench.run::<ClipStage>(with).unwrap()["video"].clone()
    };
    let clips = [
        scene(json!([red, test]), &world.tone("a.m4a", 3.1, 0.05)),
        scene(json!([test]), &world.tone("b.m4a", 2.05, 0.05)),
    ];
    let music = world.tone("music.m4a", 0.8, 0.3);
    let composed =
        world.bench.run::<Compose>(json!({ "clips": clips, "transition": "fade", "music": music })).unwrap();
    for (aspect, size) in [("9:16", (180, 320)), ("16:9", (320, 180))] {
        let encoded = world.encode(&composed["video"], &json!({ "aspect": aspect }));
        let path = world.out(&encoded["video"]);
        let info = probe(&path).unwrap();
        let (video, audio) = (info.video.unwrap(), info.audio.unwrap());
        assert_eq!((video.width, video.height), size);
        assert!((video.fps - 30.0).abs() < 1e-9);
        let expected = composed["duration_ms"].as_u64().unwrap();
        assert!(video.duration_ms.abs_diff(expected) <= 34 && audio.duration_ms.abs_diff(expected) <= 60);
        let all = frames(&path);
        assert_eq!(all.len() as u64, encoded["frames"].as_u64().unwrap());
        assert!(all.windows(2).all(|w| w[0].pts() < w[1].pts()));
        assert!(all.iter().all(|f| f.format() == Pixel::YUV420P && mean(f) > 20.0), "no black frame");
        let mut meter = Meter::new().unwrap();
        meter.add(&samples(&path)).unwrap();
        let sound = meter.read();
        assert!((sound.lufs.unwrap() + 14.0).abs() <= 1.0, "{sound:?}");
        assert!(sound.true_peak_dbtp.unwrap() <= -1.0, "{sound:?}");
    }
    let left: Vec<_> =
        std::fs::read_dir(world.path("scratch")).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "only the two videos stay: {left:?}");
}

#[test]
fn short_clips_repeat_or_freeze() {
    let world = World::new();
    // Brightness rises through the clip.
    let ramp = world.clip("ramp.mp4", "color=c=black", 1.0);
    let spec =
        "color=c=black:s=160x90:r=25:d=1,geq=lum='40+160*T':cb=128:cr=128,setsar=1,format=yuv420p[out]";
    let settings = VideoSettings {
        codec: VideoCodec::H264,
        width: 160,
        height: 90,
        fps: 25,
        crf: 10.0,
        preset: "ultrafast".into(),
        threads: 1,
        keyframe_interval: 25,
        ten_bit: false,
    };
    synth(Path::new(&ramp), Some((spec, &settings)), None, &Unwatched).unwrap();
    let brightness = |when_short: &str| -> Vec<f64> {
        let clip = json!({ "footage": [ramp], "seconds": 2.4, "when_short": when_short });
        let clip = world.bench.run::<ClipStage>(clip).unwrap()["video"].clone();
        let encoded = world.encode(&clip, &json!({ "crf": 10 }));
        frames(&world.out(&encoded["video"])).iter().map(mean).collect()
    };
    let looped = brightness("loop");
    assert_eq!(looped.len(), 72);
    assert!((looped[33] - looped[3]).abs() < 12.0, "the second time looks like the first: {looped:?}");
    assert!(looped[28] - looped[32] > 60.0);
    let frozen = brightness("freeze");
    assert!((frozen[71] - frozen[30]).abs() < 6.0 && frozen[71] > 150.0, "{frozen:?}");
}

#[test]
fn pictures_move_without_trembling() {
    let world = World::new();
    let picture = world.picture("p.jpg", "testsrc2=s=640x400:r=1:d=1");
    let clip = json!({ "footage": [picture], "seconds": 2, "motion": "pan_right" });
    let clip = world.bench.run::<ClipStage>(clip).unwrap()["video"].clone();
    let encoded = world.encode(&clip, &json!({ "crf": 8, "aspect": "16:9" }));
    let all = frames(&world.out(&encoded["video"]));
    assert_eq!(all.len(), 60);
    let difference = |a: &VideoFrame, b: &VideoFrame| {
        let (a, b) = (plane(a, 0), plane(b, 0));
        let rows = (0..a.height).flat_map(|y| a.row(y).iter().zip(b.row(y)));
        rows.map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() as f64 / (a.width * a.height) as f64
    };
    let steps: Vec<f64> = all.windows(2).map(|w| difference(&w[0], &w[1])).collect();
    let (least, most) =
        (steps.iter().copied().fold(f64::MAX, f64::min), steps.iter().copied().fold(0.0, f64::max));
    assert!(least > 0.3 && most < least * 4.0, "every frame moves about as far: {steps:?}");
}

#[test]
fn a_narration_stands_at_its_scene_and_music_gives_way() {
    let world = World::new();
    let grey = world.clip("grey.mp4", "color=c=0x606060", 1.0);
    let silent = json!({ "footage": [grey], "seconds": 1 });
    let spoken = json!({ "footage": [grey], "audio": world.tone("v.m4a", 1.0, 5.0), "pad_ms": 0 });
    let clips: Vec<Value> = [&silent, &spoken, &silent]
        .map(|w| world.bench.run::<ClipStage>(w.clone()).unwrap()["video"].clone())
        .into();
    let level = |samples: &[f32], ms: usize| {
        let from = ms * 48 * 2;
        let part = &samples[from..from + 2 * 9_600];
        (part.iter().map(|s| f64::from(s * s)).sum::<f64>() / part.len() as f64).sqrt()
    };
    let render = |more: Value| {
        let mut with = json!({ "clips": clips, "captions": false, "loudness": null });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let composed = world.bench.run::<Compose>(with).unwrap();
        samples(&world.out(&world.encode(&composed["video"], &json!({}))["video"]))
    };
    let alone = render(json!({}));
    let levels = [500, 1_400, 2_500].map(|ms| level(&alone, ms));
    assert!(levels[0] < 1e-3 && levels[1] > 0.02 && levels[2] < 1e-3, "{levels:?}");
    let spec =
        "sine=f=1500:r=48000:d=1,aformat=sample_fmts=flt:sample_rates=48000:channel_layouts=stereo[out]";
    let music = world.path("m.m4a");
    synth(&music, None, Some(spec), &Unwatched).unwrap();
    // A pure tone at 1500 Hz is told from the voice at 300 Hz by correlating with it.
    let tone = |samples: &[f32], ms: usize| {
        let from = ms * 48;
        let (mut re, mut im) = (0.0, 0.0);
        for n in from..from + 9_600 {
            let phase = 2.0 * std::f64::consts::PI * 1_500.0 * n as f64 / 48_000.0;
            re += f64::from(samples[2 * n]) * phase.cos();
            im += f64::from(samples[2 * n]) * phase.sin();
        }
        (re * re + im * im).sqrt() / 9_600.0
    };
    let ducked = render(json!({ "music": music, "music_gain_db": 0, "music_fade_out_ms": 500 }));
    assert!(
        tone(&ducked, 600) > 2.0 * tone(&ducked, 1_500),
        "{} {}",
        tone(&ducked, 600),
        tone(&ducked, 1_500)
    );
    let plain =
        render(json!({ "music": music, "music_gain_db": 0, "duck": false, "music_fade_out_ms": 500 }));
    assert!(tone(&plain, 600) < 1.2 * tone(&plain, 1_500));
    assert!(level(&plain, 2_780) < 0.6 * level(&plain, 2_200), "the music fades out");
}

#[test]
fn every_shape_and_fit_fills_the_canvas() {
    let world = World::new();
    let wide = world.clip("wide.mp4", "color=c=white", 0.5);
    for (fit, edge_is_bright) in [("cover", true), ("fit", false), ("blur", true)] {
        let encoded = world.encode(&json!(wide), &json!({ "aspect": "9:16", "fit": fit, "crf": 10 }));
        let frame = frames(&world.out(&encoded["video"])).remove(5);
        let luma = plane(&frame, 0);
        assert!(luma.row(160)[90] > 200, "{fit}: the middle is the material");
        assert_eq!(luma.row(4)[90] > 120, edge_is_bright, "{fit}: {}", luma.row(4)[90]);
        assert_eq!((luma.width, luma.height), (180, 320));
    }
}

#[test]
fn other_codecs_render_too() {
    let world = World::new();
    let test = world.clip("t.mp4", "testsrc2=sar=1", 0.6);
    for (codec, name) in [("h265", "hevc"), ("av1", "av1")] {
        let encoded = world
            .encode(&json!(test), &json!({ "codec": codec, "aspect": "1:1", "ten_bit": codec == "h265" }));
        let video = probe(&world.out(&encoded["video"])).unwrap().video.unwrap();
        assert_eq!((video.codec.as_str(), video.width, video.height), (name, 180, 180));
        assert_eq!(video.pixel == "yuv420p10le", codec == "h265");
    }
}

#[test]
fn a_file_keeps_its_shape_and_rate_and_sound() {
    let world = World::new();
    let test = world.clip("t.mp4", "testsrc2=sar=1", 1.0);
    let tone = world.tone("v.m4a", 1.0, 0.5);
    let clip = json!({ "footage": [test], "audio": tone, "pad_ms": 0, "render": true, "height": 96, "aspect": "16:9" });
    let made = world.bench.run::<ClipStage>(clip).unwrap();
    let file = world.out(&made["video"]);
    let again = world.bench.run::<Encode>(json!({ "source": file, "preset": "ultrafast" })).unwrap();
    assert_eq!((&again["width"], &again["height"], &again["fps"]), (&json!(170), &json!(96), &json!(30)));
    assert!(probe(&world.out(&again["video"])).unwrap().audio.is_some());
}

#[test]
fn thumbnails_show_something() {
    let world = World::new();
    let black = world.clip("black.mp4", "color=c=black", 2.0);
    let test = world.clip("t.mp4", "testsrc2=sar=1", 1.0);
    let clips: Vec<Value> = [&black, &test]
        .map(|f| {
            world.bench.run::<ClipStage>(json!({ "footage": [f], "seconds": 1.5 })).unwrap()["video"].clone()
        })
        .into();
    let composed = world.bench.run::<Compose>(json!({ "clips": clips })).unwrap();
    let best = json!({ "source": composed["video"], "height": 180 });
    let best = world.bench.run::<Thumbnail>(best).unwrap();
    assert!(
        best["at_ms"].as_u64().unwrap() >= 1_500 && best["brightness"].as_f64().unwrap() > 60.0,
        "{best}"
    );
    let early = json!({ "source": composed["video"], "at": "10%", "height": 180, "format": "png" });
    let early = world.bench.run::<Thumbnail>(early).unwrap();
    assert!(early["brightness"].as_f64().unwrap() < 30.0);
    let picture = probe(&world.out(&early["image"])).unwrap();
    assert!(picture.picture);
    assert_eq!(picture.video.unwrap().width, 180);
}

#[test]
fn a_thumbnail_may_have_a_title() {
    let world = World::new();
    let grey = world.clip("grey.mp4", "color=c=0x606060", 1.0);
    let bright = |title: Value| {
        let with = json!({ "source": grey, "title": title, "format": "png", "aspect": "1:1", "height": 120 });
        let taken = world.bench.run::<Thumbnail>(with).unwrap();
        assert!((90.0..110.0).contains(&taken["brightness"].as_f64().unwrap()), "told of the picture itself");
        let frame = frames(&world.out(&taken["image"])).remove(0);
        // Three bytes a pixel.
        let row = |y: usize| frame.data(0)[y * frame.stride(0)..][..360].to_vec();
        let count = |rows: std::ops::Range<usize>| rows.flat_map(row).filter(|v| *v > 220).count();
        [count(0..30), count(30..90), count(90..120)]
    };
    assert_eq!(bright(Value::Null), [0, 0, 0]);
    let centre = bright(json!("SEA"));
    assert!(centre[1] > 100 && centre[0] == 0 && centre[2] == 0, "{centre:?}");
    let top = bright(json!({ "text": "SEA", "style": { "place": "top", "accent": null } }));
    assert!(top[0] > 50 && top[2] == 0, "{top:?}");
    assert_eq!(std::fs::read_dir(world.path("scratch")).unwrap().count(), 1, "no helper file stays");
}

#[test]
fn what_cannot_work_is_refused_in_words() {
    let world = World::new();
    let test = world.clip("t.mp4", "testsrc2=sar=1", 0.5);
    let notes = world.path("notes.txt");
    std::fs::write(&notes, "hello").unwrap();
    let tone = world.tone("v.m4a", 0.5, 0.5);
    let clip = |with: Value| world.bench.run::<ClipStage>(with).unwrap_err();
    let cases = [
        (clip(json!({ "footage": [], "seconds": 2 })), "footage is empty"),
        (clip(json!({ "footage": [test] })), "`audio` or `seconds`"),
        (clip(json!({ "footage": [notes], "seconds": 2 })), "notes.txt cannot be read"),
        (clip(json!({ "footage": [tone], "seconds": 2 })), "no pictures"),
        (clip(json!({ "footage": ["/no/where.mp4"], "seconds": 2 })), "there is no such file"),
        (clip(json!({ "footage": [test], "audio": test })), "no sound"),
    ];
    for (error, text) in &cases {
        assert_eq!(error.class(), FailureClass::InvalidInput, "{error}");
        assert!(error.to_string().contains(text), "{error} should say: {text}");
    }
    let bad = world.bench.run::<Encode>(json!({ "source": test, "preset": "warp" })).unwrap_err();
    assert!(bad.to_string().contains("warp") && bad.class() == FailureClass::InvalidInput, "{bad}");
}

#[test]
fn cancelled_work_stops_and_leaves_nothing() {
    let world = World::new();
    let test = world.clip("t.mp4", "testsrc2=sar=1", 1.0);
    let scratch = world.path("scratch");
    let bench = Bench::new(&scratch).cancel_at_question(12);
    let error = bench.run::<Encode>(json!({ "source": test, "preset": "ultrafast" })).unwrap_err();
    assert_eq!(error.class(), FailureClass::Cancelled);
    assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0);
    assert!(!bench.progress().is_empty(), "progress was reported before");
}
