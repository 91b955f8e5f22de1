//! Scripts from texts, whole.

use crate::{Mode, Write};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing;

const ARTICLE: &str = "# How tides work

Twice a day the sea climbs the shore and falls back again. Fishermen have set their clocks by it for as long as \
there have been boats. Some of them still do.

The moon is the cause of most of it. Its gravity pulls the water on the near side of the Earth into a bulge. A \
second bulge forms on the far side of the Earth, where the pull of the moon is weakest. As the Earth turns, every \
shore passes through both bulges, and so the tide comes in twice a day.

The sun pulls as well, but it is far away. When sun and moon stand in one line, their pull adds up and the tide is \
at its strongest. Sailors call this a spring tide. When they stand at right angles, the tide is weak.

The shape of the coast does the rest. In a wide bay the tide may rise by less than a metre. In a narrow bay the \
water has nowhere to go but up, and the tide can climb higher than a house.";

fn write(with: Value) -> Result<Value, StageError> {
    testing::run::<Write>(with, std::path::Path::new("/nonexistent"))
}

fn narrations(script: &Value) -> Vec<&str> {
    script["scenes"].as_array().unwrap().iter().map(|scene| scene["narration"].as_str().unwrap()).collect()
}

#[test]
fn an_extract_is_word_for_word_in_order_and_in_time() {
    let script = write(json!({ "text": ARTICLE, "scenes": 5, "seconds": 30 })).unwrap();
    assert_eq!(script["method"], "extractive");
    assert_eq!(script["title"], "How tides work");
    let narrations = narrations(&script);
    assert_eq!(narrations.len(), 5);
    let mut from = 0;
    for sentence in narrations.iter().flat_map(|text| reelmill_text::sentences(text)) {
        let at = ARTICLE[from..]
            .find(sentence)
            .unwrap_or_else(|| panic!("not in the text or out of order: {sentence}"));
        from += at + sentence.len();
    }
    let seconds = script["seconds_estimate"].as_f64().unwrap();
    assert!((20.0..=30.5).contains(&seconds), "{seconds}");
    for scene in script["scenes"].as_array().unwrap() {
        assert!(!scene["keywords"].as_array().unwrap().is_empty(), "{scene}");
    }
}

#[test]
fn the_same_text_gives_the_same_script() {
    let with = json!({ "text": ARTICLE, "scenes": 4, "seconds": 25 });
    let first = write(with.clone()).unwrap();
    assert!((0..10).all(|_| write(with.clone()).unwrap() == first));
}

#[test]
fn repeated_sentences_are_said_once() {
    let text = "The tide lifts the boats in the harbour. ".repeat(80);
    let script = write(json!({ "text": text, "mode": "extract", "scenes": 4 })).unwrap();
    assert_eq!(narrations(&script), ["The tide lifts the boats in the harbour."]);
    assert_eq!(script["notes"].as_array().unwrap().len(), 1);
}

#[test]
fn paragraphs_that_match_the_scenes_are_kept_whole() {
    let script =
        write(json!({ "text": "One is here. It stays.\n\nTwo.\n\nThree goes on.", "scenes": 3 })).unwrap();
    assert_eq!(script["method"], "verbatim");
    assert_eq!(narrations(&script), ["One is here. It stays.", "Two.", "Three goes on."]);
    assert_eq!(script["scenes"][2]["id"], "s3");
}

#[test]
fn a_short_text_is_spread_over_the_scenes_without_losing_a_word() {
    let text = "The sea rises. The sea falls. Boats wait for it. So do birds.";
    let script = write(json!({ "text": text, "scenes": 2 })).unwrap();
    assert_eq!(script["method"], "verbatim");
    assert_eq!(narrations(&script), ["The sea rises. The sea falls.", "Boats wait for it. So do birds."]);
    assert_eq!(script["title"], "The sea rises");
}

#[test]
fn chinese_is_cut_without_spaces() {
    let script = write(
        json!({ "text": "潮水每天涨落。月亮拉动海水。太阳也有力量。海岸决定高低。", "scenes": 2, "language": "zh" }),
    );
    assert_eq!(
        narrations(&script.unwrap()),
        ["潮水每天涨落。月亮拉动海水。", "太阳也有力量。海岸决定高低。"]
    );
}

#[test]
fn an_article_file_is_read_and_a_bad_one_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("tides.md");
    std::fs::write(&good, ARTICLE).unwrap();
    let script = write(json!({ "article": good, "scenes": 6, "mode": "extract", "seconds": 40 })).unwrap();
    assert_eq!(script["title"], "How tides work");
    // A stored file has no telling path; its name says what it is.
    let stored = folder.path().join("0123abcd");
    std::fs::write(&stored, "<h1>Tides</h1><p>The sea rises.</p>").unwrap();
    let mut artifact = serde_json::to_value(testing::artifact(&stored, "text/html")).unwrap();
    artifact["name"] = json!("tides.html");
    let script = write(json!({ "article": artifact, "scenes": 1 })).unwrap();
    assert_eq!((script["title"].as_str(), narrations(&script)), (Some("Tides"), vec!["The sea rises."]));
    let bad = folder.path().join("bad.txt");
    std::fs::write(&bad, [0xff, 0xfe, 0x00]).unwrap();
    for (path, word) in [(bad, "not UTF-8"), (folder.path().join("none.txt"), "cannot open")] {
        let error = write(json!({ "article": path })).unwrap_err();
        assert_eq!(error.class(), reelmill_sdk::FailureClass::InvalidInput);
        assert!(error.failure().message.contains(word), "{error}");
    }
}

#[test]
fn limits_are_said() {
    for (with, word) in [
        (json!({ "topic": "x", "scenes": 41 }), "`scenes` is 41"),
        (json!({ "topic": "x", "seconds": 0 }), "`seconds` is 0"),
        (json!({ "topic": "x".repeat(501) }), "`topic` has more than 500"),
        (json!({ "text": "a", "article": "/b" }), "leave one out"),
        (json!({ "text": "  \n ", "topic": " " }), "nothing to write about"),
    ] {
        let error = write(with).unwrap_err();
        assert!(error.failure().message.contains(word), "{error}");
    }
}

#[test]
fn odd_texts_do_not_break_it() {
    for text in ["!!! ???", "a", "\u{0}\u{1}", "🙂🙂🙂", "no end", "1 2 3. 4 5 6."] {
        let script = write(json!({ "text": text, "mode": "extract", "scenes": 3 })).unwrap();
        assert!(!narrations(&script).is_empty(), "{text}");
    }
    assert_eq!(serde_json_mode("extract"), Mode::Extract);
}

fn serde_json_mode(word: &str) -> Mode {
    serde_json::from_value(json!(word)).unwrap()
}
