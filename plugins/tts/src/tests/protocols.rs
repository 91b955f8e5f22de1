//! Services whose sound comes within JSON: Gemini, `MiniMax` and `MiMo`.

use super::assert_times;
use super::services::{KEY, TEXT, bytes, played, tone, wav};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reelmill_http::testing::{Reply, Server};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use std::fmt::Write as _;

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub fn gemini_reply(kind: &str, sound: &[u8]) -> Reply {
    let data = json!({ "mimeType": kind, "data": BASE64_STANDARD.encode(sound) });
    Reply::json(
        200,
        json!({ "candidates": [{
            "content": { "role": "model", "parts": [{ "inlineData": data }] }, "finishReason": "STOP"
        }]}),
    )
}

pub fn minimax_reply(data: &Value) -> Reply {
    Reply::json(
        200,
        json!({
            "data": data, "extra_info": { "audio_sample_rate": 32_000 }, "trace_id": "t",
            "base_resp": { "status_code": 0, "status_msg": "success" }
        }),
    )
}

pub fn mimo_reply(sound: &[u8]) -> Reply {
    let audio = json!({ "id": "a", "data": BASE64_STANDARD.encode(sound), "expires_at": null });
    Reply::json(
        200,
        json!({ "choices": [{ "index": 0, "message": { "role": "assistant", "audio": audio }, "finish_reason": "stop" }] }),
    )
}

#[test]
fn gemini_is_told_how_to_speak_in_the_way_of_its_model() {
    let voice = |model: &str| json!({ "provider": "gemini", "key": KEY, "model": model, "voice": "Kore", "instructions": "Say warmly:" });
    for (model, part) in [
        ("gemini-3.8-flash-tts", json!({ "text": TEXT, "speech_metadata": { "style": "Say warmly" } })),
        ("gemini-2.5-flash-preview-tts", json!({ "text": format!("Say warmly: {TEXT}") })),
    ] {
        let (output, seen, _scratch) = played(&voice(model), &json!({ "rate": 1.2 }), |_| {
            gemini_reply("audio/L16;codec=pcm;rate=24000", &bytes(&tone(1500)))
        });
        let output = output.unwrap();
        assert_times(&output, TEXT);
        assert_eq!((&output["engine"], &output["voice"]), (&json!("gemini"), &json!("Kore")));
        assert_eq!((&output["timing"], &output["sample_rate"]), (&json!("aligned"), &json!(24_000)));
        assert_eq!(output["notes"], json!(["Gemini knows no `rate`: it is the voice's own"]));
        assert_eq!(seen[0].target, format!("/v1beta/models/{model}:generateContent"));
        assert_eq!(seen[0].header("x-goog-api-key"), Some(KEY));
        assert_eq!(
            seen[0].json(),
            json!({
                "contents": [{ "role": "user", "parts": [part] }],
                "generationConfig": {
                    "responseModalities": ["AUDIO"],
                    "speechConfig": { "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": "Kore" } } }
                }
            })
        );
    }
}

#[test]
fn gemini_may_answer_with_samples_or_with_a_file() {
    let voice = json!({ "provider": "gemini", "key": KEY, "voice": "Kore" });
    for (kind, sound) in [
        ("audio/L16;rate=24000", bytes(&tone(1000))),
        ("audio/L16", wav(&tone(1000))),
        ("audio/wav", wav(&tone(1000))),
    ] {
        let (output, ..) = played(&voice, &json!({}), move |_| gemini_reply(kind, &sound));
        let length = output.unwrap()["duration_ms"].as_u64().unwrap();
        assert!((1070..=1090).contains(&length), "{kind}: {length}");
    }
}

#[test]
fn gemini_says_in_its_own_ways_that_it_does_not_speak() {
    let voice = json!({ "provider": "gemini", "key": KEY, "voice": "Kore" });
    let detail = |detail: Value| json!({ "error": { "code": 0, "message": format!("no {KEY}"), "details": [detail] } });
    for (reply, class, code, pause) in [
        (
            Reply::json(
                400,
                detail(json!({ "@type": "x/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID" })),
            ),
            FailureClass::InvalidConfig,
            "unauthorized",
            None,
        ),
        (Reply::json(400, detail(json!({}))), FailureClass::InvalidInput, "refused_request", None),
        (
            Reply::json(429, detail(json!({ "@type": "x/google.rpc.RetryInfo", "retryDelay": "33.5s" }))),
            FailureClass::Transient,
            "rate_limited",
            Some(33_500),
        ),
        (
            Reply::json(200, json!({ "promptFeedback": { "blockReason": "SAFETY" } })),
            FailureClass::InvalidInput,
            "refused_request",
            None,
        ),
        (
            Reply::json(200, json!({ "candidates": [{ "finishReason": "OTHER" }] })),
            FailureClass::Dependency,
            "malformed_answer",
            None,
        ),
    ] {
        let (output, ..) = played(&voice, &json!({}), move |_| reply.clone());
        let error = output.unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, code), "{error}");
        assert_eq!(error.failure().retry_after_ms, pause);
        assert!(!serde_json::to_string(error.failure()).unwrap().contains(KEY), "{error}");
    }
}

/// A word of the list: 250 ms each.
fn timed(place: i64, word: &str) -> Value {
    json!({ "word": word, "word_begin": place * 9, "time_begin": 300 + place * 250, "time_end": 550 + place * 250 })
}

fn list() -> Reply {
    let words = |from: i64, words: &[&str]| -> Vec<Value> {
        (from..).zip(words).map(|(place, word)| timed(place, word)).collect()
    };
    Reply::json(
        200,
        json!([
            { "text": "The sea rises.", "time_begin": 300, "time_end": 1050,
              "timestamped_words": words(0, &["The", "sea", "rises"]) },
            { "text": "The sea falls again, slowly.", "time_begin": 1050, "time_end": 2300,
              "timestamped_words": words(3, &["The", "sea", "falls", "again", "slowly"]) }
        ]),
    )
}

fn spoken(list: &str) -> Reply {
    minimax_reply(&json!({ "audio": hex(&wav(&tone(2000))), "subtitle_file": list, "status": 2 }))
}

#[test]
fn minimax_says_when_words_are_heard() {
    let voice = json!({
        "provider": "minimax", "key": KEY, "group_id": "77", "voice": "narrator", "emotion": "calm",
        "language_boost": "English"
    });
    let over = json!({ "rate": 1.25, "pitch": 0.5 });
    let (output, seen, _scratch) = played(&voice, &over, |seen| match seen.path() {
        "/list.json" => list(),
        _ => spoken(&format!("http://{}/list.json", seen.header("host").unwrap_or_default())),
    });
    let output = output.unwrap();
    assert_times(&output, TEXT);
    assert_eq!((&output["engine"], &output["timing"]), (&json!("minimax"), &json!("provider")));
    assert_eq!(output["notes"], json!([]));
    // 40 ms of the silence before are kept.
    assert_eq!(output["words"][1], json!({ "text": "sea", "start_ms": 290, "end_ms": 540 }));
    assert_eq!(seen[0].target, "/v1/t2a_v2?GroupId=77");
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(
        seen[0].json(),
        json!({
            "model": "speech-2.8-hd", "stream": false, "output_format": "hex",
            "voice_setting": { "voice_id": "narrator", "speed": 1.25, "pitch": -12, "emotion": "calm" },
            "audio_setting": { "sample_rate": 32_000, "format": "wav", "channel": 1 },
            "subtitle_enable": true, "subtitle_type": "word", "language_boost": "English", "text": TEXT
        })
    );
}

#[test]
fn a_list_of_words_that_cannot_be_had_costs_no_speech() {
    let voice = json!({ "provider": "minimax", "key": KEY, "voice": "narrator" });
    // On another host than the service's own, and not a public one: it is never asked.
    let other = Server::always(list());
    let place = format!("{}/list.json", other.base());
    let (output, ..) = played(&voice, &json!({}), move |_| spoken(&place));
    assert_eq!((&output.unwrap()["timing"], other.requests().len()), (&json!("aligned"), 0));
    for reply in [Reply::status(404), Reply::json(200, json!({ "no": "list" })), Reply::json(200, json!([]))]
    {
        let (output, ..) = played(&voice, &json!({}), move |seen| match seen.path() {
            "/list.json" => reply.clone(),
            _ => spoken(&format!("http://{}/list.json", seen.header("host").unwrap_or_default())),
        });
        assert_eq!(output.unwrap()["timing"], "aligned");
    }
}

#[test]
fn minimax_says_in_a_good_answer_what_is_wrong() {
    let voice = json!({ "provider": "minimax", "key": KEY, "voice": "narrator" });
    let told = |code: i64| json!({ "base_resp": { "status_code": code, "status_msg": format!("no {KEY}") } });
    for (body, class, code) in [
        (told(1002), FailureClass::Transient, "rate_limited"),
        (told(2056), FailureClass::Transient, "rate_limited"),
        (told(1004), FailureClass::InvalidConfig, "unauthorized"),
        (told(2049), FailureClass::InvalidConfig, "unauthorized"),
        (told(1008), FailureClass::InvalidConfig, "payment_required"),
        (told(1001), FailureClass::Dependency, "endpoint_failed"),
        (told(2013), FailureClass::InvalidInput, "refused_request"),
        (told(9999), FailureClass::Permanent, "refused"),
        (told(0), FailureClass::Dependency, "malformed_answer"),
        (json!({ "data": {} }), FailureClass::Dependency, "malformed_answer"),
        (
            json!({ "data": { "audio": "0g" }, "base_resp": { "status_code": 0 } }),
            FailureClass::Dependency,
            "malformed_answer",
        ),
    ] {
        let (output, ..) = played(&voice, &json!({}), {
            let reply = Reply::json(200, &body);
            move |_| reply.clone()
        });
        let error = output.unwrap_err();
        assert_eq!((error.class(), error.failure().code.as_str()), (class, code), "{body}: {error}");
        assert!(!serde_json::to_string(error.failure()).unwrap().contains(KEY), "{error}");
    }
}

#[test]
fn mimo_is_told_what_to_say_as_the_assistant_and_how_as_the_user() {
    let voice = json!({ "provider": "mimo", "key": KEY, "voice": "Mia", "instructions": "In a whisper." });
    let (output, seen, _scratch) = played(&voice, &json!({}), |_| mimo_reply(&wav(&tone(1500))));
    let output = output.unwrap();
    assert_times(&output, TEXT);
    assert_eq!((&output["engine"], &output["voice"]), (&json!("mimo"), &json!("Mia")));
    assert_eq!(seen[0].target, "/chat/completions");
    assert_eq!(seen[0].header("api-key"), Some(KEY));
    assert_eq!(
        seen[0].json(),
        json!({
            "model": "mimo-v2.5-tts",
            "messages": [
                { "role": "user", "content": "In a whisper." }, { "role": "assistant", "content": TEXT }
            ],
            "audio": { "format": "wav", "voice": "Mia" }
        })
    );
    let words = Reply::json(200, json!({ "choices": [{ "message": { "content": "I only write." } }] }));
    let (output, ..) = played(&voice, &json!({}), move |_| words.clone());
    assert_eq!(output.unwrap_err().failure().code, "malformed_answer");
}
