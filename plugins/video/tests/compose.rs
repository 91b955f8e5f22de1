//! What `video.compose` and `video.clip` put together, looked at in the pictures and the sound that come out.

mod common;

use common::{World, frames, mean, samples};
use reelmill_media::{VideoFrame, plane};
use reelmill_plugin_video::{ClipStage, Compose, Encode};
use reelmill_sdk::FailureClass;
use reelmill_sdk::serde_json::{Value, json};

/// What `video.compose` makes of `with`, encoded at 320 x 180; its output and the frames.
fn composed(world: &World, with: &Value) -> (Value, Vec<VideoFrame>) {
    let made = world.bench.run::<Compose>(with.clone()).unwrap();
    let encoded = world.encode(&made["video"], &json!({ "aspect": "16:9", "crf": 8 }));
    (made, frames(&world.out(&encoded["video"])))
}

/// The mean brightness of a part of a frame, in pixels.
fn area(frame: &VideoFrame, x: std::ops::Range<usize>, y: std::ops::Range<usize>) -> f64 {
    let luma = plane(frame, 0);
    let count = (x.len() * y.len()) as f64;
    y.flat_map(|y| &luma.row(y)[x.clone()]).map(|v| f64::from(*v)).sum::<f64>() / count
}

#[test]
fn a_logo_lies_in_its_corner_as_long_as_it_should() {
    let world = World::new();
    let grey = world.clip("grey.mp4", "color=c=0x404040", 1.0);
    let white = world.picture("white.png", "color=c=white:s=40x20:r=1:d=1");
    let logo = json!({ "media": white, "place": "bottom_left", "size_percent": 20, "margin_percent": 10, "opacity": 0.5,
        "at_ms": 300, "duration_ms": 400 });
    let (_, all) = composed(&world, &json!({ "clips": [grey], "logo": logo }));
    // 36 x 18 pixels, 18 from the sides.
    let corner = |frame: &VideoFrame| area(frame, 22..50, 147..159);
    let ground = mean(&all[2]);
    assert!((corner(&all[2]) - ground).abs() < 3.0, "not yet");
    let seen = corner(&all[15]) - ground;
    assert!((60.0..120.0).contains(&seen), "half of white over grey: {seen}");
    assert!((area(&all[15], 100..300, 20..120) - ground).abs() < 3.0, "nowhere else");
    assert!((corner(&all[26]) - ground).abs() < 3.0, "no longer");
}

#[test]
fn the_bar_grows_with_the_time() {
    let world = World::new();
    let grey = world.clip("grey.mp4", "color=c=0x404040", 1.0);
    let bar = json!({ "colour": "#ffffff", "background": null, "height_percent": 5, "top": true });
    let (_, all) = composed(&world, &json!({ "clips": [grey], "progress": bar }));
    let filled = |frame: &VideoFrame| plane(frame, 0).row(3).iter().filter(|v| **v > 200).count();
    for number in [6, 15, 24] {
        let expected = 320 * number / 30;
        assert!(filled(&all[number]).abs_diff(expected) < 14, "{number}: {}", filled(&all[number]));
    }
    assert!(area(&all[24], 0..320, 14..180) < 80.0, "only along the side");
}

#[test]
fn intro_cards_and_outro_stand_around_the_scenes() {
    let world = World::new();
    let bright = world.clip("bright.mp4", "color=c=0xb0b0b0", 1.0);
    let dark = world.clip("dark.mp4", "color=c=0x202020", 0.4);
    let card = json!({ "text": "SEA", "seconds": 0.6, "background": "#707070", "style": { "place": "centre",
        "colour": "#ffffff", "accent": null, "size_percent": 40 } });
    let with =
        json!({ "clips": [bright], "intro": dark, "outro": dark, "title_card": card, "end_card": card });
    let (made, all) = composed(&world, &with);
    assert_eq!((&made["duration_ms"], &made["clips"]), (&json!(3_000), &json!(5)));
    let corner = |number: usize| area(&all[number], 0..40, 0..30);
    let dark_at = [3, 85].map(corner);
    assert!(dark_at.iter().all(|v| *v < 50.0), "{dark_at:?}");
    assert!(corner(40) > 150.0 && (90.0..130.0).contains(&corner(24)) && (90.0..130.0).contains(&corner(72)));
    let letters = |number: usize| plane(&all[number], 0).row(90).iter().filter(|v| **v > 220).count();
    assert!(letters(24) > 20 && letters(72) > 20 && letters(40) == 0, "the cards say something");
}

#[test]
fn a_card_of_no_colour_is_refused_in_words() {
    let world = World::new();
    let grey = world.clip("grey.mp4", "color=c=0x404040", 0.4);
    let with = json!({ "clips": [grey], "title_card": { "text": "SEA", "background": "#nothing" } });
    let made = world.bench.run::<Compose>(with).unwrap();
    let error = world.bench.run::<Encode>(json!({ "source": made["video"], "height": 90 })).unwrap_err();
    assert_eq!(error.class(), FailureClass::InvalidInput, "{error}");
    assert!(error.to_string().contains("`#nothing` is no colour"), "{error}");
}

#[test]
fn a_lower_third_comes_and_goes() {
    let world = World::new();
    let grey = world.clip("grey.mp4", "color=c=0x606060", 1.5);
    let title = json!({ "text": "Ann", "subtitle": "Keeper", "at_ms": 400, "duration_ms": 700,
        "style": { "background": "#000000", "background_opacity": 1, "accent": "#ffffff" } });
    let (_, all) = composed(&world, &json!({ "clips": [grey], "titles": [title] }));
    let dark = |frame: &VideoFrame| {
        let luma = plane(frame, 0);
        (0..180).flat_map(|y| luma.row(y)).filter(|v| **v < 40).count()
    };
    assert_eq!((dark(&all[5]), dark(&all[40])), (0, 0));
    assert!(dark(&all[22]) > 300, "{}", dark(&all[22]));
    let luma = plane(&all[22], 0);
    assert!((90..145).any(|y| luma.row(y)[..40].iter().any(|v| *v > 200)), "its line stands on the left");
}

#[test]
fn fast_clips_are_fast_in_picture_and_sound() {
    let world = World::new();
    let ramp = world.ramp("ramp.mp4", 2.0);
    let with = |speed: f64| json!({ "clips": [ramp], "speed": speed, "captions": false, "loudness": null });
    let (made, fast) = composed(&world, &with(2.0));
    assert_eq!(made["duration_ms"], 1_000);
    assert_eq!(fast.len(), 30);
    let (_, plain) = composed(&world, &with(1.0));
    for number in [6, 14, 24] {
        let (a, b) = (mean(&fast[number]), mean(&plain[2 * number]));
        assert!((a - b).abs() < 6.0, "frame {number}: {a} and {b}");
    }
    let (_, slow) = composed(&world, &with(0.5));
    assert!(slow.len() == 120 && (mean(&slow[80]) - mean(&plain[40])).abs() < 6.0);
    let tone = world.tone("t.m4a", 1.0, 0.5);
    let clip = json!({ "duration_ms": 500, "shots": [{ "media": ramp, "duration_ms": 500 }],
        "sounds": [{ "media": tone, "speed": 2.0 }] });
    let made = world.bench.run::<Compose>(json!({ "clips": [clip], "loudness": null })).unwrap();
    let sound = samples(&world.out(&world.encode(&made["video"], &json!({}))["video"]));
    let left: Vec<f32> = sound.iter().step_by(2).skip(4_800).take(14_400).copied().collect();
    let crossings = left.windows(2).filter(|w| w[0] <= 0.0 && w[1] > 0.0).count();
    assert!((80..=100).contains(&crossings), "300 Hz stay 300 Hz: {crossings} in 0.3 s");
}

#[test]
fn a_smart_crop_keeps_what_there_is_to_see() {
    let world = World::new();
    // A checked square on the right of an even picture.
    let spec = "color=c=0x303030,geq=lum='if(between(X,120,150)*between(Y,20,70),\
                if(mod(floor(X/4)+floor(Y/4),2),235,60),50)':cb=128:cr=128";
    let wide = world.clip("wide.mp4", spec, 0.6);
    let bright = |fit: &str| {
        let clip = json!({ "footage": [wide], "seconds": 0.5, "fit": fit });
        let clip = world.bench.run::<ClipStage>(clip).unwrap()["video"].clone();
        let encoded = world.encode(&clip, &json!({ "aspect": "9:16", "crf": 10 }));
        let frame = frames(&world.out(&encoded["video"])).remove(5);
        let luma = plane(&frame, 0);
        (0..luma.height).flat_map(|y| luma.row(y)).filter(|v| **v > 160).count()
    };
    assert_eq!(bright("cover"), 0, "the middle holds nothing");
    assert!(bright("smart") > 2_000, "{}", bright("smart"));
}

#[test]
fn shots_are_short_and_follow_each_other_as_asked() {
    let world = World::new();
    let test = world.clip("t.mp4", "testsrc2=sar=1", 4.0);
    let grey = world.clip("grey.mp4", "color=c=0x404040", 4.0);
    let clip = |seed: u64| {
        let with = json!({ "footage": [test, grey], "seconds": 6, "max_shot_ms": 1000, "order": "random", "seed": seed,
            "transition": ["wipe_left", "fade"], "transition_ms": 200 });
        world.bench.run::<ClipStage>(with).unwrap()["video"].clone()
    };
    let made = clip(1);
    let shots = made["shots"].as_array().unwrap();
    assert_eq!(shots.len(), 6);
    assert!(shots.windows(2).all(|w| w[0]["media"] != w[1]["media"]));
    let starts: Vec<u64> =
        shots.iter().filter(|s| s["media"] == json!(test)).map(|s| s["in_ms"].as_u64().unwrap()).collect();
    assert_eq!(starts, [0, 1_000, 2_000], "a clip goes on where it was left");
    assert_eq!(made, clip(1));
    assert!((2..9).any(|seed| clip(seed) != made), "another seed, another order");
    let encoded = world.encode(&made, &json!({}));
    assert_eq!(encoded["frames"], 180, "transitions take no time");
}

#[test]
fn a_seed_orders_scenes_and_joins() {
    let world = World::new();
    let files: Vec<String> =
        (0..5).map(|n| world.clip(&format!("{n}.mp4"), "color=c=0x404040", 0.4)).collect();
    let with = |seed: u64| json!({ "clips": files, "order": "random", "seed": seed, "transition": "random", "max_clip_ms": 300 });
    let made = world.bench.run::<Compose>(with(4)).unwrap();
    assert_eq!(made["duration_ms"], 1_500);
    assert_eq!(made, world.bench.run::<Compose>(with(4)).unwrap());
    let order = |made: &Value| {
        let clips = made["video"]["clips"].as_array().unwrap().clone();
        clips.iter().map(|c| c["shots"][0]["media"].clone()).collect::<Vec<_>>()
    };
    let others = [5, 6, 7].map(|seed| order(&world.bench.run::<Compose>(with(seed)).unwrap()));
    assert!(others.iter().any(|other| *other != order(&made)));
    let kinds: Vec<&Value> =
        made["video"]["clips"].as_array().unwrap().iter().map(|c| &c["transition"]["kind"]).collect();
    assert!(kinds.windows(2).skip(1).all(|w| w[0] != w[1]), "{kinds:?}");
}

#[test]
fn music_comes_from_a_folder_by_its_mood() {
    let world = World::new();
    let grey = world.clip("grey.mp4", "color=c=0x404040", 0.5);
    std::fs::create_dir(world.path("music")).unwrap();
    for name in ["music/calm_piano.m4a", "music/epic.m4a"] {
        world.tone(name, 0.5, 0.5);
    }
    let with = |mood: &str| json!({ "clips": [grey], "music": { "folder": world.path("music") }, "music_mood": mood });
    let made = world.bench.run::<Compose>(with("Calm")).unwrap();
    assert!(made["video"]["music"]["media"].as_str().unwrap().ends_with("calm_piano.m4a"));
    let error = world.bench.run::<Compose>(with("happy")).unwrap_err();
    assert_eq!(error.class(), FailureClass::InvalidInput);
    assert!(error.to_string().contains("happy") && error.to_string().contains("epic"), "{error}");
}

#[test]
fn a_list_of_all_aspects_is_made_from_one_composition() {
    let world = World::new();
    let test = world.clip("t.mp4", "testsrc2=sar=1", 0.4);
    let made = world.bench.run::<Compose>(json!({ "clips": [test], "progress": true })).unwrap();
    for (aspect, width, height) in
        [("9:16", 180, 320), ("16:9", 320, 180), ("1:1", 180, 180), ("4:5", 180, 226)]
    {
        let encoded = world.encode(&made["video"], &json!({ "aspect": aspect }));
        assert_eq!((&encoded["width"], &encoded["height"]), (&json!(width), &json!(height)), "{aspect}");
    }
}
