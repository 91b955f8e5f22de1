//! The model endpoint, played by a server on loopback that answers as such endpoints document it.

use crate::Write;
use reelmill_sdk::prelude::*;
use reelmill_sdk::{FailureClass, testing};
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};

const KEY: &str = "sk-very-secret-0123456789";
const GOOD: &str = r#"{"title":"Tides","scenes":[{"narration":"The sea rises.","keywords":["sea"]},{"narration":"The sea falls again.","keywords":[]}]}"#;

/// What the server does with one request.
enum Answer {
    /// Status, extra header lines, body.
    Http(u16, &'static str, String),
    /// Promises more than it sends.
    Cut,
    /// Never answers, until the client goes.
    Silent,
}

fn ok(content: &str) -> Answer {
    let body = json!({
        "model": "tiny-1", "choices": [{ "finish_reason": "stop", "message": { "role": "assistant", "content": content } }],
        "usage": { "prompt_tokens": 100, "completion_tokens": 20 }
    });
    Answer::Http(200, "", body.to_string())
}

/// Serves the answers in turn, one connection each; returns the base address and the requests (head, body).
fn serve(answers: Vec<Answer>) -> (String, Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((stream, _)) = listener.accept() else { return };
            let _ = sender.send(read_request(&stream));
            reply(stream, answer);
        }
    });
    (base, requests)
}

fn read_request(stream: &TcpStream) -> (String, Value) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the client left: {head}");
    }
    let lower = head.to_ascii_lowercase();
    let length =
        lower.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, serde_json::from_slice(&body).unwrap())
}

fn reply(mut stream: TcpStream, answer: Answer) {
    match answer {
        Answer::Http(status, extra, body) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\nconnection: close\r\n{extra}content-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body.as_bytes());
        }
        Answer::Cut => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"choices\":");
        }
        Answer::Silent => {
            let _ = stream.read(&mut [0; 16]);
        }
    }
}

fn with(base: &str) -> Value {
    json!({
        "topic": "tides", "scenes": 2, "tone": "calm",
        "llm": { "base_url": base, "model": "tiny", "api_key": KEY, "temperature": 0.2, "timeout_seconds": 20 }
    })
}

fn ask(answers: Vec<Answer>) -> (Result<Value, StageError>, Vec<(String, Value)>) {
    let (base, requests) = serve(answers);
    let result = testing::run::<Write>(with(&base), Path::new("/nonexistent"));
    (result, requests.try_iter().collect())
}

fn failure(answers: Vec<Answer>) -> StageError {
    let (result, _) = ask(answers);
    let error = result.unwrap_err();
    let all = serde_json::to_string(error.failure()).unwrap();
    assert!(!all.contains(KEY), "the key leaked: {all}");
    error
}

#[test]
fn a_good_answer_becomes_a_script() {
    let (result, requests) = ask(vec![ok(GOOD)]);
    let script = result.unwrap();
    assert_eq!(script["method"], "llm");
    assert_eq!(script["title"], "Tides");
    assert_eq!(script["scenes"][0]["keywords"], json!(["sea"]));
    // The model gave none for the second scene, so they are found in its words.
    assert_eq!(script["scenes"][1]["keywords"], json!(["falls", "sea"]));
    assert_eq!(
        script["usage"],
        json!({
            "model": "tiny-1", "requests": 1, "prompt_tokens": 100, "completion_tokens": 20
        })
    );
    let (head, body) = &requests[0];
    assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
    assert!(head.to_ascii_lowercase().contains(&format!("authorization: bearer {KEY}")), "{head}");
    assert_eq!(body["response_format"]["json_schema"]["strict"], true);
    assert_eq!(body["temperature"], 0.2);
    assert!(body["messages"][0]["content"].as_str().unwrap().contains("Tone: calm"));
}

#[test]
fn a_refused_key_is_a_matter_of_configuration() {
    for status in [401, 403] {
        let echo =
            json!({ "error": { "message": format!("Incorrect API key provided: {KEY}") } }).to_string();
        let error = failure(vec![Answer::Http(status, "", echo)]);
        assert_eq!(error.class(), FailureClass::InvalidConfig);
        assert!(error.failure().message.contains("`llm.api_key`") && error.failure().message.contains("***"));
    }
}

#[test]
fn slow_down_is_transient_and_says_for_how_long() {
    let error = failure(vec![Answer::Http(429, "retry-after: 7\r\n", "{}".into())]);
    assert_eq!(error.class(), FailureClass::Transient);
    assert_eq!(error.failure().retry_after_ms, Some(7_000));
    let dated = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\nretry-after: Sun, 06 Nov 1994 08:49:49 GMT\r\n";
    assert_eq!(failure(vec![Answer::Http(429, dated, String::new())]).failure().retry_after_ms, Some(12_000));
}

#[test]
fn a_failing_or_cut_or_strange_endpoint_is_a_dependency() {
    let answers = [
        (Answer::Http(500, "", "oops".into()), "endpoint_failed"),
        (Answer::Http(503, "retry-after: 1\r\n", String::new()), "endpoint_failed"),
        (Answer::Cut, "connection"),
        (Answer::Http(200, "", "<html>".into()), "malformed_answer"),
        (Answer::Http(200, "", "{}".into()), "malformed_answer"),
    ];
    for (answer, code) in answers {
        let error = failure(vec![answer]);
        assert_eq!(error.class(), FailureClass::Dependency, "{error}");
        assert_eq!(error.failure().code, code, "{error}");
    }
}

#[test]
fn nobody_listening_is_a_dependency() {
    let base = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/v1", listener.local_addr().unwrap())
    };
    let error = testing::run::<Write>(with(&base), Path::new("/nonexistent")).unwrap_err();
    assert_eq!(error.class(), FailureClass::Dependency);
    assert_eq!(error.failure().code, "connection");
}

#[test]
fn a_slow_endpoint_times_out() {
    let (base, _requests) = serve(vec![Answer::Silent]);
    let mut with = with(&base);
    with["llm"]["timeout_seconds"] = json!(1);
    let error = testing::run::<Write>(with, Path::new("/nonexistent")).unwrap_err();
    assert_eq!(error.class(), FailureClass::Dependency);
    assert_eq!(error.failure().code, "timeout");
}

#[test]
fn a_cancel_does_not_wait_for_the_endpoint() {
    let (base, _requests) = serve(vec![Answer::Silent]);
    let bench = testing::Bench::new(Path::new("/nonexistent")).cancel_at_question(1);
    assert_eq!(bench.run::<Write>(with(&base)).unwrap_err().class(), FailureClass::Cancelled);
}

#[test]
fn an_endpoint_without_schemas_is_asked_more_simply() {
    let refuse =
        || Answer::Http(400, "", r#"{"error":{"message":"response_format is not supported"}}"#.into());
    let (result, requests) = ask(vec![refuse(), refuse(), ok(&format!("Here:\n```json\n{GOOD}\n```"))]);
    assert_eq!(result.unwrap()["usage"]["requests"], 3);
    let formats: Vec<&Value> = requests.iter().map(|(_, body)| &body["response_format"]["type"]).collect();
    assert_eq!(formats, [&json!("json_schema"), &json!("json_object"), &Value::Null]);
    let error = failure(vec![refuse(), refuse(), refuse()]);
    assert_eq!(error.class(), FailureClass::InvalidConfig);
}

#[test]
fn a_bad_answer_is_sent_back_once_with_what_was_wrong() {
    let (result, requests) = ask(vec![ok("I would rather not."), ok(GOOD)]);
    assert_eq!(result.unwrap()["usage"]["completion_tokens"], 40);
    let messages = requests[1].1["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 4);
    assert!(messages[3]["content"].as_str().unwrap().contains("no complete JSON object"));
    let error = failure(vec![ok("no"), ok("still no")]);
    assert_eq!(
        (error.class(), error.failure().code.as_str()),
        (FailureClass::Dependency, "malformed_answer")
    );
}

#[test]
fn another_number_of_scenes_is_taken_the_second_time_and_noted() {
    let one = r#"{"title":"T","scenes":[{"narration":"Only one.","keywords":["one"]}]}"#;
    let (result, _) = ask(vec![ok(one), ok(one)]);
    let script = result.unwrap();
    assert_eq!(script["notes"], json!(["2 scenes were asked for, the model wrote 1"]));
}

#[test]
fn a_cut_answer_and_a_refusal_say_so() {
    let cut =
        json!({ "choices": [{ "finish_reason": "length", "message": { "content": "{" } }] }).to_string();
    assert_eq!(failure(vec![Answer::Http(200, "", cut)]).failure().code, "cut_short");
    let refusal =
        json!({ "choices": [{ "message": { "refusal": "not this", "content": null } }] }).to_string();
    assert_eq!(failure(vec![Answer::Http(200, "", refusal)]).class(), FailureClass::Permanent);
}

#[test]
fn a_bad_address_or_key_is_found_before_anything_is_sent() {
    for (field, value, word) in [("base_url", "ftp://x", "http://"), ("api_key", "a\nb", "`llm.api_key`")] {
        let mut with = with("http://127.0.0.1:1");
        with["llm"][field] = json!(value);
        let error = testing::run::<Write>(with, Path::new("/nonexistent")).unwrap_err();
        assert_eq!(error.class(), FailureClass::InvalidConfig);
        assert!(error.failure().message.contains(word), "{error}");
    }
}
