//! Captions as they come out: burnt in, as a track, as files.

mod common;

use common::{World, frames, words};
use reelmill_media::{VideoFrame, plane};
use reelmill_plugin_video::{ClipStage, Compose, Subtitles};
use reelmill_sdk::FailureClass;
use reelmill_sdk::serde_json::{Value, json};

/// A grey scene of two seconds in which words of 300 ms are said.
fn scene(world: &World, text: &str) -> Value {
    let grey = world.clip("grey.mp4", "color=c=0x606060", 2.0);
    let clip = json!({ "footage": [grey], "seconds": 2, "words": words(text, 300) });
    world.bench.run::<ClipStage>(clip).unwrap()["video"].clone()
}

/// The frames of that scene with captions in a style, 180 x 320.
fn captioned(world: &World, text: &str, style: &Value) -> (Value, Vec<VideoFrame>) {
    let scene = scene(world, text);
    let composed = world.bench.run::<Compose>(json!({ "clips": [scene], "captions": style })).unwrap();
    let encoded = world.encode(&composed["video"], &json!({ "crf": 10 }));
    let all = frames(&world.out(&encoded["video"]));
    (encoded, all)
}

/// The rows of a frame that hold something brighter (or darker) than the grey by far, as first and last.
fn rows(frame: &VideoFrame, is: fn(u8) -> bool) -> Option<(usize, usize)> {
    let luma = plane(frame, 0);
    let marked = |y: &usize| luma.row(*y).iter().any(|v| is(*v));
    Some(((0..luma.height).find(marked)?, (0..luma.height).rfind(marked)?))
}

#[test]
fn captions_stand_where_and_when_they_should() {
    let world = World::new();
    let grey = world.clip("grey.mp4", "color=c=0x606060", 2.0);
    let clip = json!({ "footage": [grey], "seconds": 2, "words": words("SEE THE SEA", 300) });
    let clip = world.bench.run::<ClipStage>(clip).unwrap()["video"].clone();
    let pixels = |captions: Value| {
        let composed = world.bench.run::<Compose>(json!({ "clips": [clip], "captions": captions })).unwrap();
        let encoded = world.encode(&composed["video"], &json!({ "crf": 10 }));
        let all = frames(&world.out(&encoded["video"]));
        // Bright pixels in the upper and the lower half, while words are said and after.
        let bright = |frame: &VideoFrame, half: usize| {
            let luma = plane(frame, 0);
            (half * 160..half * 160 + 160).flat_map(|y| luma.row(y)).filter(|v| **v > 190).count()
        };
        [bright(&all[10], 0), bright(&all[10], 1), bright(&all[50], 0), bright(&all[50], 1)]
    };
    let bottom = pixels(json!(true));
    assert!(bottom[1] > 80 && bottom[0] == 0 && bottom[2] == 0 && bottom[3] == 0, "{bottom:?}");
    let top = pixels(json!({ "position": "top" }));
    assert!(top[0] > 80 && top[1] == 0, "{top:?}");
    assert_eq!(pixels(json!(false)), [0, 0, 0, 0]);
}

#[test]
fn a_percentage_is_where_the_middle_stands() {
    let world = World::new();
    for percent in [25, 70] {
        let style = json!({ "position": percent, "stroke_percent": 0, "size_percent": 12 });
        let (_, all) = captioned(&world, "SEA", &style);
        let (first, last) = rows(&all[3], |v| v > 190).unwrap();
        let middle = usize::midpoint(first, last);
        assert!(middle.abs_diff(320 * percent / 100) < 8, "{percent}: {first} to {last}");
    }
}

#[test]
fn a_box_stands_behind_the_words_with_corners_as_asked() {
    let world = World::new();
    let corner = |corners: &str| {
        let style = json!({ "background": "#000000", "background_opacity": 1, "corners": corners, "position": "middle",
            "size_percent": 25, "stroke_percent": 0 });
        let (_, all) = captioned(&world, "SEA", &style);
        let luma = plane(&all[3], 0);
        let (top, bottom) = rows(&all[3], |v| v < 40).unwrap();
        let left = (top..bottom).filter_map(|y| luma.row(y).iter().position(|v| *v < 40)).min().unwrap();
        assert!(bottom - top > 40 && left > 4, "{corners}: {top} to {bottom}, from {left}");
        luma.row(top + 1)[left + 1]
    };
    assert!(corner("square") < 50 && corner("rounded") > 70, "{} {}", corner("square"), corner("rounded"));
}

#[test]
fn the_word_being_said_is_marked_in_each_way() {
    let world = World::new();
    for karaoke in ["word", "fill", "box"] {
        let style =
            json!({ "highlight": "#ff0000", "karaoke": karaoke, "stroke_percent": 0, "size_percent": 12 });
        let (_, all) = captioned(&world, "SEE SEA", &style);
        let red = |frame: &VideoFrame, half: usize| {
            let cr = plane(frame, 2);
            (0..cr.height).flat_map(|y| &cr.row(y)[half * 54..half * 54 + 36]).filter(|v| **v > 180).count()
        };
        let (early, late) = (&all[4], &all[13]);
        assert!(red(early, 0) > 5 && red(early, 1) == 0, "{karaoke}: {} {}", red(early, 0), red(early, 1));
        assert!(red(late, 1) > 5, "{karaoke}: {}", red(late, 1));
        assert_eq!(red(late, 0) > 5, karaoke == "fill", "{karaoke}: {}", red(late, 0));
    }
}

#[test]
fn a_soft_track_is_in_the_file_and_not_in_the_picture() {
    let world = World::new();
    let (encoded, all) = captioned(&world, "SEE THE SEA", &json!({ "show": "soft", "language": "en" }));
    assert!(all.iter().all(|frame| rows(frame, |v| v > 190).is_none()));
    let bytes = std::fs::read(world.out(&encoded["video"])).unwrap();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    // Two bytes of length, then the words, as mov_text has them.
    assert!(has(b"\x00\x0bSEE THE SEA") && has(b"tx3g"), "the track holds the words");
}

#[test]
fn a_font_may_be_a_file_and_an_ass_file_carries_it() {
    let world = World::new();
    let source = scene(&world, "SEE THE SEA");
    let font = world.font("DejaVu Serif");
    let style = json!({ "font_file": font, "highlight": "#ff0000" });
    let (_, all) = captioned(&world, "SEE THE SEA", &style);
    assert!(rows(&all[4], |v| v > 190).is_some(), "letters of the file are drawn");
    let written = world
        .bench
        .run::<Subtitles>(json!({ "source": source, "format": "ass", "captions": style }))
        .unwrap();
    let text = std::fs::read_to_string(world.out(&written["subtitles"])).unwrap();
    assert!(
        text.contains("[Fonts]\nfontname: font0_0.ttf\n") && text.contains("Style: Caption,DejaVu Serif,")
    );
    let plain = json!({ "source": source, "format": "ass", "captions": style, "embed_fonts": false });
    let written = world.bench.run::<Subtitles>(plain).unwrap();
    assert!(std::fs::metadata(world.out(&written["subtitles"])).unwrap().len() < 4_000);
}

#[test]
fn words_become_a_file_for_players() {
    let world = World::new();
    let source = scene(&world, "The sea. The moon.");
    let text = |format: &str| {
        let written = world.bench.run::<Subtitles>(json!({ "source": source, "format": format })).unwrap();
        assert_eq!(written["cues"], 2);
        std::fs::read_to_string(world.out(&written["subtitles"])).unwrap()
    };
    assert!(text("srt").starts_with("1\n00:00:00,000 --> 00:00:00,600\nThe sea.\n\n2\n"), "{}", text("srt"));
    assert!(text("vtt").starts_with("WEBVTT\n\n00:00:00.000 --> 00:00:00.600\nThe sea.\n"));
}

#[test]
fn a_letter_that_no_font_has_is_named_with_one_that_does() {
    let world = World::new();
    let source = scene(&world, "The بحر");
    let with = |font: &str| json!({ "source": source, "format": "ass", "captions": { "font": font } });
    let error = world.bench.run::<Subtitles>(with("DejaVu Serif")).unwrap_err();
    assert_eq!(error.class(), FailureClass::InvalidInput);
    for part in ["`ب` (U+0628)", "DejaVu Serif", "DejaVu Sans", "fallback_fonts"] {
        assert!(error.to_string().contains(part), "{error} should say: {part}");
    }
    let read = json!({ "source": source, "format": "srt", "captions": { "font": "DejaVu Serif" } });
    assert!(world.bench.run::<Subtitles>(read).is_ok(), "players bring fonts of their own");
    let error = world.bench.run::<Subtitles>(with("No Such Font")).unwrap_err();
    assert!(
        error.to_string().contains("No Such Font") && error.to_string().contains("DejaVu Sans"),
        "{error}"
    );
}
