//! A long video in chunks, as a pipeline makes it, beside the same video in one pass.

mod common;

use common::{World, frames, samples};
use reelmill_media::{Unwatched, VideoFrame, plane, probe, ssim};
use reelmill_plugin_video::{ClipStage, Compose, Encode, EncodeChunk, Join, SoundStage, Split};
use reelmill_sdk::serde_json::{Value, json};
use std::path::PathBuf;

/// The whole way: split, every chunk, sound, join. The chunks, in the order in which they are to be encoded, and the video.
fn in_chunks(world: &World, source: &Value, options: &Value) -> (Vec<Value>, PathBuf) {
    let mut with = json!({ "source": source, "min_seconds": 1, "max_seconds": 3, "preset": "ultrafast" });
    with.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let split = world.bench.run::<Split>(with).unwrap();
    let chunks = split["chunks"].as_array().unwrap().clone();
    let encoded: Vec<Value> = chunks
        .iter()
        .map(|chunk| {
            let with = json!({ "source": source, "settings": split["settings"], "chunk": chunk });
            let mut made = world.bench.run::<EncodeChunk>(with).unwrap();
            made["video"] = json!(world.out(&made["video"]));
            made
        })
        .collect();
    let mut sound = world
        .bench
        .run::<SoundStage>(json!({ "source": source, "settings": split["settings"] }))
        .unwrap()["sound"]
        .clone();
    if !sound.is_null() {
        sound = json!(world.out(&sound));
    }
    let with = json!({ "settings": split["settings"], "chunks": encoded, "sound": sound });
    let made = world.bench.run::<Join>(with).unwrap();
    // What is made in one pass has the same name.
    let path = world.path("joined.mp4");
    std::fs::rename(world.out(&made["video"]), &path).unwrap();
    (chunks, path)
}

fn in_one_pass(world: &World, source: &Value, options: &Value) -> PathBuf {
    let mut with = json!({ "source": source, "preset": "ultrafast", "threads": 1, "encoder": "software" });
    with.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let made = world.bench.run::<Encode>(with).unwrap();
    let path = world.path("whole.mp4");
    std::fs::rename(world.out(&made["video"]), &path).unwrap();
    path
}

fn same_pictures(a: &VideoFrame, b: &VideoFrame) -> bool {
    (0..3).all(|index| {
        let (a, b) = (plane(a, index), plane(b, index));
        a.height == b.height && (0..a.height).all(|y| a.row(y) == b.row(y))
    })
}

/// Scenes of another brightness each, with something that moves and a tone.
fn film(world: &World) -> String {
    let cuts = "lt(t,2.2)*(-0.3)+between(t,2.2,4.6)*0.25+between(t,4.6,7)*(-0.15)+gte(t,7)*0.1";
    let pictures = format!("testsrc2=s=320x180:r=24:d=9,eq=brightness='{cuts}':eval=frame");
    world.film("film.mp4", &pictures, 9.0)
}

#[test]
fn a_file_in_chunks_is_the_file_in_one_pass_but_for_a_hair() {
    let world = World::new();
    let source = json!(film(&world));
    let options = json!({ "fps": 24, "crf": 20 });
    let (chunks, joined) = in_chunks(&world, &source, &options);
    let whole = in_one_pass(&world, &source, &options);
    assert!(chunks.len() >= 4, "{chunks:?}");
    let lengths: Vec<u64> = chunks.iter().map(|chunk| chunk["frames"].as_u64().unwrap()).collect();
    assert!(lengths.is_sorted_by(|a, b| a >= b), "the longest first: {lengths:?}");
    let cuts = [2.2_f64, 4.6, 7.0].map(|seconds| (seconds * 24.0).ceil());
    let starts: Vec<f64> = chunks.iter().map(|chunk| chunk["from"].as_f64().unwrap()).collect();
    assert!(cuts.iter().any(|cut| starts.contains(cut)), "at a change of scene: {starts:?}");

    let (one, many) = (probe(&whole).unwrap(), probe(&joined).unwrap());
    assert_eq!(one.video.as_ref().unwrap().frames, many.video.as_ref().unwrap().frames);
    assert_eq!(one.duration_ms, many.duration_ms);
    let all = frames(&joined);
    assert_eq!(all.len(), 216);
    let first = all[0].pts().unwrap();
    let step = all[1].pts().unwrap() - first;
    let even = all.iter().zip(0..).all(|(frame, number)| frame.pts() == Some(first + number * step));
    assert!(even, "no gap and no overlap in time");
    assert_eq!(samples(&whole), samples(&joined), "the sound was encoded as a whole");

    let source = PathBuf::from(source.as_str().unwrap());
    let of = |video: &PathBuf| ssim(video, &source, &Unwatched).unwrap().mean;
    assert!((of(&whole) - of(&joined)).abs() < 0.001, "{} and {}", of(&whole), of(&joined));
    let bytes = |path: &PathBuf| std::fs::metadata(path).unwrap().len() as f64;
    let ratio = bytes(&joined) / bytes(&whole);
    assert!((0.98..1.02).contains(&ratio), "{ratio}");
}

#[test]
fn every_frame_of_a_timeline_is_the_one_that_one_pass_makes() {
    let world = World::new();
    let (clip, short) = (film(&world), world.clip("short.mp4", "testsrc2=sar=1", 1.0));
    let picture = world.picture("p.jpg", "mandelbrot=s=320x180:r=1");
    let scene = |footage: Value, seconds: f64| {
        let with = json!({ "footage": footage, "seconds": seconds, "motion": "zoom_in" });
        world.bench.run::<ClipStage>(with).unwrap()["video"].clone()
    };
    let clips = [scene(json!([clip]), 6.4), scene(json!([picture]), 2.1), scene(json!([short]), 4.2)];
    let composed = world.bench.run::<Compose>(json!({ "clips": clips, "transition": "fade" })).unwrap();
    // Without loss, so that a frame of another moment cannot hide; at another rate than the clip has.
    let options = json!({ "aspect": "16:9", "height": 90, "fps": 30, "crf": 0 });
    let (chunks, joined) = in_chunks(&world, &composed["video"], &options);
    let whole = in_one_pass(&world, &composed["video"], &options);
    assert!(chunks.len() >= 5, "{chunks:?}");
    assert_eq!(probe(&joined).unwrap().audio, None, "it has no sound");
    let (one, many) = (frames(&whole), frames(&joined));
    assert_eq!(one.len(), many.len());
    let other: Vec<usize> = (0..one.len()).filter(|at| !same_pictures(&one[*at], &many[*at])).collect();
    assert!(other.is_empty(), "frames {other:?} differ; chunks {chunks:?}");
}

#[test]
fn what_cannot_be_joined_is_refused_in_words() {
    let world = World::new();
    let source = json!(world.clip("c.mp4", "testsrc2=sar=1", 4.0));
    let split = |more: Value| {
        let mut with = json!({ "source": source, "min_seconds": 1, "max_seconds": 2 });
        with.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.bench.run::<Split>(with).unwrap()
    };
    let (fast, slow) = (split(json!({ "preset": "ultrafast" })), split(json!({ "preset": "medium" })));
    let encode = |split: &Value, number: usize| {
        let chunk = split["chunks"].as_array().unwrap().iter().find(|c| c["id"] == format!("c{number}"));
        let with = json!({ "source": source, "settings": split["settings"], "chunk": chunk });
        let mut made = world.bench.run::<EncodeChunk>(with).unwrap();
        made["video"] = json!(world.out(&made["video"]));
        made
    };
    let join = |chunks: Value| {
        let with = json!({ "settings": fast["settings"], "chunks": chunks });
        world.bench.run::<Join>(with).unwrap_err().to_string()
    };
    let count = fast["chunks"].as_array().unwrap().len();
    assert!(count >= 2, "{fast}");
    let first = encode(&fast, 1);
    let missing = join(json!([first]));
    assert!(missing.contains("the video 100"), "{missing}");
    let mut mixed = vec![first.clone()];
    mixed.extend((2..=count).map(|number| encode(&slow, number)));
    let mixed = join(json!(mixed));
    assert!(mixed.contains("part 2 has another stream header"), "{mixed}");
    let mut short = first.clone();
    let less = json!({ "id": "c1", "from": 0, "frames": first["frames"].as_u64().unwrap() - 1 });
    let with = json!({ "source": source, "settings": fast["settings"], "chunk": less });
    short["video"] = json!(world.out(&world.bench.run::<EncodeChunk>(with).unwrap()["video"]));
    let mut all = vec![short];
    all.extend((2..=count).map(|number| encode(&fast, number)));
    let said = join(json!(all));
    assert!(said.contains("frames, not"), "{said}");
    let narrow = json!({ "source": source, "min_seconds": 2, "max_seconds": 3 });
    let narrow = world.bench.run::<Split>(narrow).unwrap_err().to_string();
    assert!(narrow.contains("less than twice"), "{narrow}");
}
