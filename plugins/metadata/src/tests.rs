//! The stage as a whole.

use crate::fit::Count;
use crate::{Platform, Write};
use reelmill_http::testing::{Case, Played, Reply, Server, matrix};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::{self, Bench};

const KEY: &str = "sk-very-secret-0123456789";

fn run(with: Value) -> Value {
    let scratch = tempfile::tempdir().unwrap();
    let output = testing::run::<Write>(with, scratch.path()).unwrap();
    let file: Value =
        serde_json::from_slice(&std::fs::read(scratch.path().join("metadata.json")).unwrap()).unwrap();
    assert_eq!(file["platforms"], output["platforms"]);
    output
}

fn script() -> Value {
    json!({
        "title": "How <tides> work", "scenes": [
            { "id": "s1", "narration": "The sea rises twice a day. That is the moon's doing.", "keywords": ["sea", "deep sea"] },
            { "id": "s2", "narration": "Then it falls.", "keywords": ["low tide", "Sea"] }
        ],
        "links": ["https://example.org/tides"], "credits": ["Wave by A. B., CC BY 4.0"]
    })
}

#[test]
fn a_script_says_what_stands_beside_its_video() {
    let output = run(script());
    let youtube = &output["platforms"]["youtube"];
    assert_eq!(youtube["title"], "How  tides  work");
    assert_eq!(
        youtube["text"],
        "The sea rises twice a day. Then it falls.\n\n#sea #LowTide #DeepSea #tides #work\n\nhttps://example.org/tides\n\n\
         Wave by A. B., CC BY 4.0"
    );
    assert_eq!(youtube["tags"], json!(["sea", "low tide", "deep sea", "tides", "work"]));
    assert_eq!(output["platforms"]["shorts"]["hashtags"][0], "#Shorts");
    let tiktok = output["platforms"]["tiktok"]["text"].as_str().unwrap();
    assert!(tiktok.starts_with("How <tides> work\n\nThe sea rises"), "{tiktok}");
    assert_eq!((&output["method"], &output["notes"]), (&json!("template"), &json!([])));
}

#[test]
fn nothing_is_longer_than_its_platform_takes() {
    for (narration, title) in [
        ("The tide comes in and the tide goes out again. ", "A title that goes on and on and on, "),
        ("\u{6f6e}\u{6c50}\u{6bcf}\u{5929}\u{4e24}\u{6b21}\u{3002}", "\u{6d77}\u{6d0b}\u{7684}"),
        ("\u{1f30a}\u{1f30a} ", "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} "),
    ] {
        let mut with = script();
        with["summary"] = json!(narration.repeat(700));
        with["title"] = json!(title.repeat(20));
        with["keywords"] = json!((0..200).map(|n| format!("a keyword {n}")).collect::<Vec<_>>());
        with["hashtag_count"] = json!(30);
        let output = run(with);
        for platform in Platform::ALL {
            let (rules, texts) = (platform.rules(), &output["platforms"][platform.name()]);
            let text = texts["text"].as_str().unwrap();
            assert!(rules.count.of(text) <= rules.text, "{platform:?}: {}", rules.count.of(text));
            assert!(
                !text.is_empty()
                    && texts["title"].as_str().unwrap().chars().count() <= rules.title.unwrap_or(0)
            );
            let tags: Vec<String> = serde_json::from_value(texts["tags"].clone()).unwrap();
            // As they are sent: quotes around each with a space, and commas.
            let sent: usize = tags.iter().map(|tag| tag.chars().count() + 3).sum::<usize>();
            assert!(sent <= rules.tags + 1, "{platform:?}");
            let hashtags = texts["hashtags"].as_array().unwrap().len();
            assert!(
                hashtags <= rules.hashtags && text.matches('#').count() == hashtags,
                "{platform:?}: {text}"
            );
            assert!(
                texts["cut"].as_array().unwrap().contains(&json!("description")),
                "{platform:?}: {texts}"
            );
        }
    }
}

#[test]
fn credits_that_do_not_fit_are_not_lost_silently() {
    let mut with = script();
    with["credits"] =
        json!((0..12).map(|n| format!("Clip number {n} by Somebody, CC BY 4.0")).collect::<Vec<_>>());
    with["platforms"] = json!(["x", "instagram"]);
    let output = run(with);
    assert!(output["platforms"]["x"]["cut"].as_array().unwrap().contains(&json!("credits")));
    assert!(output["notes"][0].as_str().unwrap().contains("do not fit on x"), "{output}");
    assert!(output["platforms"]["instagram"]["text"].as_str().unwrap().contains("Clip number 11"));
    assert_eq!(output["notes"].as_array().unwrap().len(), 1);
    let text = output["platforms"]["x"]["text"].as_str().unwrap();
    assert!(Count::Weighted.of(text) <= 280 && text.contains("#sea"), "{text}");
}

fn with_model(base: &str, timeout_seconds: u32) -> Value {
    let mut with = script();
    with["hashtags"] = json!(["#mine"]);
    with["llm"] =
        json!({ "base_url": base, "model": "m", "api_key": KEY, "timeout_seconds": timeout_seconds });
    with
}

fn answer(content: &str) -> Reply {
    Reply::json(200, json!({ "choices": [{ "message": { "role": "assistant", "content": content } }] }))
}

const GOOD: &str = r#"Here: {"title":"Why the sea breathes","description":"It is the moon.","hashtags":["moon"],"tags":["tides explained"]}"#;

#[test]
fn a_model_is_asked_and_its_words_are_cut_like_others() {
    let server = Server::always(answer(GOOD));
    let output = run(with_model(&server.base(), 20));
    let youtube = &output["platforms"]["youtube"];
    assert_eq!((&output["method"], &youtube["title"]), (&json!("llm"), &json!("Why the sea breathes")));
    assert_eq!(youtube["hashtags"], json!(["#mine", "#moon", "#TidesExplained", "#sea", "#LowTide"]));
    let sent = server.requests()[0].json();
    assert!(sent["messages"][1]["content"].as_str().unwrap().contains("The sea rises twice a day."));
}

#[test]
fn a_model_fails_in_every_way_that_is_known() {
    matrix(KEY, &answer(GOOD), |case: &Case<'_>| {
        let scratch = tempfile::tempdir().unwrap();
        Played::stage::<Write>(&Bench::new(scratch.path()), with_model(case.base, case.timeout_seconds))
    });
    for content in ["I would rather not.", "{\"title\": \"T\"}", ""] {
        let server = Server::always(answer(content));
        let scratch = tempfile::tempdir().unwrap();
        let error = testing::run::<Write>(with_model(&server.base(), 20), scratch.path()).unwrap_err();
        assert_eq!(error.failure().code, "malformed_answer", "{content}");
    }
}
