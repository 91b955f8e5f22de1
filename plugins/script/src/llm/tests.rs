//! Model endpoints, played by a server on loopback that answers as such endpoints document it.

use crate::Write;
use reelmill_http::testing::{Case, Played, Reply, Seen, Server, matrix};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;
use reelmill_sdk::{FailureClass, testing};
use std::path::Path;

const KEY: &str = "sk-very-secret-0123456789";
const GOOD: &str = r#"{"title":"Tides","scenes":[{"narration":"The sea rises.","keywords":["sea"],"search_terms":["ocean waves"]},{"narration":"The sea falls again.","keywords":[]}]}"#;

fn ok(content: &str) -> Reply {
    Reply::json(
        200,
        json!({
            "model": "tiny-1",
            "choices": [{ "finish_reason": "stop", "message": { "role": "assistant", "content": content } }],
            "usage": { "prompt_tokens": 100, "completion_tokens": 20 }
        }),
    )
}

fn with(base: &str) -> Value {
    json!({
        "topic": "tides", "scenes": 2, "tone": "calm",
        "llm": {
            "base_url": format!("{base}/v1"), "model": "tiny", "api_key": KEY, "temperature": 0.2,
            "timeout_seconds": 20, "price": { "input": 10, "output": 100 }
        }
    })
}

fn run(with: Value) -> Result<Value, StageError> {
    testing::run::<Write>(with, Path::new("/nonexistent"))
}

/// Runs the stage with some options over those of [`with`] (those of `llm` one by one).
fn ask_with(replies: Vec<Reply>, over: &Value) -> (Result<Value, StageError>, Vec<Seen>) {
    let server = Server::in_turn(replies);
    let mut with = with(&server.base());
    for (name, value) in over.as_object().unwrap() {
        match (with[name].as_object_mut(), value.as_object()) {
            (Some(old), Some(new)) => old.extend(new.clone()),
            _ => with[name] = value.clone(),
        }
    }
    (run(with), server.requests())
}

fn ask(replies: Vec<Reply>) -> (Result<Value, StageError>, Vec<Seen>) {
    ask_with(replies, &json!({}))
}

fn failure(replies: Vec<Reply>) -> (FailureClass, String) {
    let error = ask(replies).0.unwrap_err();
    let all = serde_json::to_string(error.failure()).unwrap();
    assert!(!all.contains(KEY), "the key leaked: {all}");
    (error.class(), error.failure().code.clone())
}

fn prompt(seen: &Seen) -> String {
    seen.json()["messages"].to_string()
}

#[test]
fn every_way_of_failing_is_told_apart_and_no_key_is_seen() {
    matrix(KEY, &ok(GOOD), |case: &Case<'_>| {
        let mut with = with(case.base);
        with["llm"]["timeout_seconds"] = json!(case.timeout_seconds);
        Played::stage::<Write>(&Bench::new(Path::new("/nonexistent")), with)
    });
}

#[test]
fn a_good_answer_becomes_a_script_with_its_price() {
    let (result, seen) = ask(vec![ok(GOOD)]);
    let script = result.unwrap();
    assert_eq!(
        (&script["method"], &script["title"], &script["language"]),
        (&json!("llm"), &json!("Tides"), &json!("en"))
    );
    assert_eq!(script["scenes"][0]["keywords"], json!(["sea"]));
    assert_eq!(script["scenes"][0]["search_terms"], json!(["ocean waves"]));
    // The model gave none for the second scene, so they are found in its words.
    assert_eq!(script["scenes"][1]["keywords"], json!(["falls", "sea"]));
    assert_eq!(script["scenes"][1]["search_terms"], json!(["falls", "sea"]));
    assert_eq!(script["notes"], json!([]));
    assert_eq!(
        script["usage"],
        json!({ "model": "tiny-1", "requests": 1, "prompt_tokens": 100, "completion_tokens": 20, "cost": 0.003 })
    );
    assert_eq!(seen[0].target, "/v1/chat/completions");
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let body = seen[0].json();
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    assert_eq!(body["temperature"], 0.2);
    assert!(prompt(&seen[0]).contains("Tone: calm"));
}

#[test]
fn what_the_user_adds_reaches_the_model() {
    let over = json!({
        "instructions": "Speak to sailors.", "system_prompt": "You are a pirate.", "terms_language": "de", "tone": "dry"
    });
    let (result, seen) = ask_with(vec![ok(GOOD)], &over);
    result.unwrap();
    let prompt = prompt(&seen[0]);
    for word in
        ["Heed this too: Speak to sailors.", "You are a pirate.", "in the language with the tag \\\"de\\\""]
    {
        assert!(prompt.contains(word), "{word}: {prompt}");
    }
    assert!(!prompt.contains("Tone: dry"), "the built-in words are gone");
    assert!(prompt.contains("search_terms"), "the form of the answer is always said");
}

#[test]
fn an_address_may_be_whole_or_have_a_query_and_the_key_another_header() {
    for (base, target) in [
        ("/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/chat/completions/?v=1", "/v1/chat/completions?v=1"),
        ("/openai?api-version=2", "/openai/chat/completions?api-version=2"),
    ] {
        let server = Server::always(ok(GOOD));
        let mut with = with("http://x");
        with["llm"]["base_url"] = json!(format!("{}{base}", server.base()));
        with["llm"]["api_key_header"] = json!("api-key");
        run(with).unwrap();
        let seen = &server.requests()[0];
        assert_eq!((seen.target.as_str(), seen.header("api-key")), (target, Some(KEY)));
        assert_eq!(seen.header("authorization"), None);
    }
}

#[test]
fn a_cancel_does_not_wait_for_the_endpoint() {
    let server = Server::always(Reply::mute());
    let bench = Bench::new(Path::new("/nonexistent")).cancel_at_question(2);
    assert_eq!(bench.run::<Write>(with(&server.base())).unwrap_err().class(), FailureClass::Cancelled);
}

#[test]
fn an_endpoint_without_schemas_is_asked_more_simply() {
    let refuse = || Reply::json(400, r#"{"error":{"message":"response_format is not supported"}}"#);
    let (result, seen) = ask(vec![refuse(), refuse(), ok(&format!("Here:\n```json\n{GOOD}\n```"))]);
    assert_eq!(result.unwrap()["usage"]["requests"], 3);
    let formats: Vec<Value> =
        seen.iter().map(|seen| seen.json()["response_format"]["type"].clone()).collect();
    assert_eq!(formats, [json!("json_schema"), json!("json_object"), Value::Null]);
    let refused = (FailureClass::InvalidConfig, "refused_request".to_owned());
    assert_eq!(failure(vec![refuse(), refuse(), refuse()]), refused);
    let (result, seen) = ask_with(vec![refuse()], &json!({ "llm": { "answer": "json_object" } }));
    assert_eq!((result.unwrap_err().class(), seen.len()), (FailureClass::InvalidConfig, 1));
}

#[test]
fn options_that_an_endpoint_names_are_left_out() {
    let refuse = |text: &str| Reply::json(400, json!({ "error": { "message": text } }));
    let replies = vec![
        refuse("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        refuse("Unsupported value: 'temperature' does not support 0.2"),
        ok(GOOD),
    ];
    let (result, seen) = ask_with(replies, &json!({ "llm": { "max_tokens": 900 } }));
    result.unwrap();
    let last = seen[2].json();
    assert_eq!((&last["max_completion_tokens"], &last["max_tokens"]), (&json!(900), &Value::Null));
    assert_eq!(
        (&last["temperature"], &last["response_format"]["type"]),
        (&Value::Null, &json!("json_schema"))
    );
}

#[test]
fn a_bad_answer_is_sent_back_with_what_was_wrong() {
    let (result, seen) = ask(vec![ok("I would rather not."), ok("{}"), ok(GOOD)]);
    assert_eq!(result.unwrap()["usage"]["completion_tokens"], 60);
    let body = seen[2].json();
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 6);
    assert!(messages[3]["content"].as_str().unwrap().contains("no complete JSON object"));
    assert!(messages[5]["content"].as_str().unwrap().contains("missing field `title`"));
    let hopeless = || vec![ok("no"), ok("still no"), ok("never"), ok(GOOD)];
    assert_eq!(failure(hopeless()), (FailureClass::Dependency, "malformed_answer".to_owned()));
    let (result, seen) = ask_with(hopeless(), &json!({ "llm": { "repairs": 0 } }));
    assert_eq!((result.unwrap_err().failure().code.as_str(), seen.len()), ("malformed_answer", 1));
}

#[test]
fn a_script_of_another_shape_is_taken_the_second_time_and_noted() {
    let one = r#"{"title":"T","scenes":[{"narration":"Only one.","keywords":["one"]}]}"#;
    let (result, seen) = ask(vec![ok(one), ok(one)]);
    let note = "the model kept to a script of its own way: it has 1 scenes, but 2 were asked for";
    assert_eq!((&result.unwrap()["notes"], seen.len()), (&json!([note]), 2));
    // One that can be used is kept when what follows cannot.
    let (result, _) = ask(vec![ok(one), ok("no"), ok("no")]);
    assert_eq!(result.unwrap()["notes"], json!([note]));
}

#[test]
fn the_length_is_checked_at_the_pace_of_the_language() {
    let long = json!({ "title": "T", "scenes": [
        { "narration": "word ".repeat(28).trim() }, { "narration": "word ".repeat(28).trim() }
    ] })
    .to_string();
    let (result, seen) = ask_with(vec![ok(GOOD), ok(&long)], &json!({ "seconds": 20 }));
    let script = result.unwrap();
    assert!((script["seconds_estimate"].as_f64().unwrap() - 20.0).abs() < 5.0, "{script}");
    let second = prompt(&seen[1]);
    assert!(second.contains("20 s were asked for, which is about 54 words in all"), "{second}");
    // The same words take longer in a language of longer words, and are enough at once.
    let (result, seen) = ask_with(vec![ok(&long)], &json!({ "seconds": 28, "language": "fi" }));
    assert_eq!((&result.unwrap()["notes"], seen.len()), (&json!([]), 1));
}

#[test]
fn a_judge_chooses_among_candidates_and_its_reasons_are_kept() {
    let titled = |title: &str| ok(&GOOD.replace("Tides", title));
    let choice = |number: u32| {
        ok(&json!({ "reasons": [{ "candidate": 2, "reason": "It begins well." }], "choice": number })
            .to_string())
    };
    let replies = vec![titled("A"), titled("B"), ok("no"), ok("no"), ok("no"), choice(7), choice(2)];
    let (result, seen) =
        ask_with(replies, &json!({ "candidates": 3, "judge": { "criteria": "No clichés." } }));
    let script = result.unwrap();
    assert_eq!(script["title"], "B");
    let judgement = &script["judgement"];
    assert_eq!((&judgement["chosen"], &judgement["model"]), (&json!(2), &json!("tiny-1")));
    assert_eq!(judgement["candidates"].as_array().unwrap().len(), 2);
    assert_eq!(judgement["candidates"][1]["reason"], "It begins well.");
    assert!(script["notes"][0].as_str().unwrap().starts_with("candidate 3 could not be used"), "{script}");
    assert_eq!((&script["usage"]["requests"], &script["usage"]["cost"]), (&json!(7), &json!(0.021)));
    let asked = prompt(&seen[5]);
    assert!(asked.contains("No clichés.") && asked.contains("Candidate 2: B"), "{asked}");
    assert!(prompt(&seen[6]).contains("there is no candidate 7, but 1 to 2"));
}

#[test]
fn a_judge_of_its_own_is_asked_and_paid_apart() {
    let judge = Server::always(ok(r#"{"reasons":[],"choice":2}"#));
    let llm = json!({ "base_url": judge.base(), "model": "wise", "price": { "input": 20, "output": 200 } });
    let over = json!({ "candidates": 2, "judge": { "llm": llm } });
    let (result, seen) = ask_with(vec![ok(GOOD), ok(GOOD)], &over);
    let usage = result.unwrap()["usage"].clone();
    assert_eq!((seen.len(), judge.requests().len(), &usage["requests"]), (2, 1, &json!(3)));
    assert_eq!((&usage["cost"], &usage["model"]), (&json!(0.012), &json!("tiny-1")));
    assert_eq!(judge.requests()[0].json()["model"], "wise");
    assert_eq!(judge.requests()[0].header("authorization"), None);
}

#[test]
fn a_judge_without_a_usable_answer_leaves_the_first() {
    let replies = vec![ok(GOOD), ok(GOOD), ok("hm"), ok("hm"), ok("hm")];
    let (result, _) = ask_with(replies, &json!({ "candidates": 2 }));
    let script = result.unwrap();
    assert_eq!((&script["judgement"]["chosen"], &script["judgement"]["model"]), (&json!(1), &json!("")));
    assert!(script["notes"][0].as_str().unwrap().starts_with("the first candidate was taken"), "{script}");
}

#[test]
fn a_script_of_ones_own_gets_search_terms_from_a_model() {
    let own =
        json!({ "text": "The sea rises.\n\nThe sea falls.", "mode": "verbatim", "terms_language": "no" });
    let terms = ok(r#"{"scenes":[{"search_terms":["bølger"]},{"search_terms":[" "]}]}"#);
    let (result, seen) = ask_with(vec![ok(r#"{"scenes":[]}"#), terms], &own);
    let script = result.unwrap();
    assert_eq!((&script["method"], &script["usage"]["requests"]), (&json!("verbatim"), &json!(2)));
    assert_eq!(script["scenes"][0]["narration"], "The sea rises.");
    assert_eq!(script["scenes"][0]["search_terms"], json!(["bølger"]));
    assert_eq!(script["scenes"][1]["search_terms"], script["scenes"][1]["keywords"]);
    assert!(prompt(&seen[0]).contains("tag \\\"no\\\""));
    let (result, _) = ask_with(vec![ok("no"), ok("no"), ok("no")], &own);
    assert!(result.unwrap()["notes"][0].as_str().unwrap().starts_with("the search terms are the keywords"));
}

#[test]
fn a_language_that_nothing_tells_is_chosen_by_the_model() {
    let norwegian = GOOD.replace("\"title\"", "\"language\":\"nb\",\"title\"");
    let (result, seen) = ask_with(vec![ok(&norwegian)], &json!({ "language": "auto", "topic": "Tromsø" }));
    assert_eq!(result.unwrap()["language"], "nb");
    assert!(seen[0].json()["response_format"]["json_schema"]["schema"]["properties"]["language"].is_object());
    let over = json!({ "language": "auto", "topic": "Warum ist das Meer so salzig, und seit wann?" });
    let (result, seen) = ask_with(vec![ok(GOOD)], &over);
    assert_eq!(result.unwrap()["language"], "de");
    assert!(prompt(&seen[0]).contains("tag \\\"de\\\""));
}

#[test]
fn a_cut_answer_and_a_refusal_say_so() {
    let cut = json!({ "choices": [{ "finish_reason": "length", "message": { "content": "{" } }] });
    assert_eq!(failure(vec![Reply::json(200, cut)]).1, "cut_short");
    let refusal = json!({ "choices": [{ "message": { "refusal": format!("not {KEY}"), "content": null } }] });
    assert_eq!(failure(vec![Reply::json(200, refusal)]), (FailureClass::Permanent, "refusal".to_owned()));
}

#[test]
fn a_bad_address_or_key_is_found_before_anything_is_sent() {
    for (field, value, word) in [("base_url", "ftp://x", "http://"), ("api_key", "a\nb", "`llm.api_key`")] {
        let mut with = with("http://127.0.0.1:1");
        with["llm"][field] = json!(value);
        let error = run(with).unwrap_err();
        assert_eq!(error.class(), FailureClass::InvalidConfig);
        assert!(error.failure().message.contains(word), "{error}");
    }
}
