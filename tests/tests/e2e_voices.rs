//! Models and voices behind services, on the real binaries: what comes of them is kept, what was only for now is not,
//! and no key stands anywhere.

use reelmill_http::testing::{Reply, Seen, Server};
use reelmill_tests::engine::{files, pipeline};
use reelmill_tests::{Ended, Place};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Values that nothing else contains.
const MODEL_KEY: &str = "mk-4be1c07f55";
const VOICE_KEY: &str = "vk-90d2aa8163";
const LINE: &str = "The tide comes in twice a day.";

fn model() -> Reply {
    let script = json!({ "title": "Tides", "scenes": [{ "narration": LINE, "keywords": ["tide"] }] });
    Reply::json(
        200,
        json!({
            "model": "m-1", "choices": [{ "message": { "content": script.to_string() } }],
            "usage": { "prompt_tokens": 10, "completion_tokens": 5 }
        }),
    )
}

/// A second of tone, as a WAV file.
fn voice() -> Reply {
    let samples: Vec<u8> =
        (0..24_000).flat_map(|at| (if at % 100 < 50 { 9_000_i16 } else { -9_000 }).to_le_bytes()).collect();
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend([24_000_u32.to_le_bytes(), 48_000_u32.to_le_bytes()].concat());
    file.extend(b"\x02\0\x10\0data\0\0\0\0");
    file.extend(samples);
    Reply::body(200, "audio/wav", file)
}

/// Model and voice; the voice answers once it is told to, and echoes its key before.
fn services(speaks: Arc<AtomicBool>) -> Server {
    Server::answering(move |seen| match seen.path() {
        "/v1/chat/completions" => model(),
        _ if speaks.load(Ordering::Relaxed) => voice(),
        _ => Reply::json(503, json!({ "error": format!("no room for {VOICE_KEY}") })),
    })
}

fn wants(base: &str) -> String {
    pipeline(&format!(
        r#"
secrets: [model_key, voice_key]
stages:
  script:
    uses: script.write@1
    with:
      topic: Tides
      scenes: 1
      llm: {{ base_url: "{base}/v1", model: m, api_key: "${{{{ secrets.model_key }}}}" }}
  speech:
    uses: tts.speak@1
    with:
      text: "${{{{ stages.script.outputs.scenes[0].narration }}}}"
      voices:
        - {{ provider: openai, base_url: "{base}/tts", key: "${{{{ secrets.voice_key }}}}", voice: amy }}
        - flite/slt
outputs:
  engine: "${{{{ stages.speech.outputs.engine }}}}"
  fallbacks: "${{{{ stages.speech.outputs.fallbacks }}}}"
"#
    ))
}

fn run(place: &Place) -> Ended {
    let mut command = place.engine(&["run", "p.yaml", "-o", "json"]);
    let command =
        command.env("REELMILL_SECRET_MODEL_KEY", MODEL_KEY).env("REELMILL_SECRET_VOICE_KEY", VOICE_KEY);
    let output = command.output().expect("reelmill can be started");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn paths(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(Seen::path).collect()
}

#[test]
fn what_services_made_is_kept_what_was_for_now_is_not_and_no_key_is_seen() {
    let speaks = Arc::new(AtomicBool::new(false));
    let server = services(Arc::clone(&speaks));
    let place = Place::new();
    place.write("p.yaml", &wants(&server.base()));

    let first = run(&place).expect(0);
    let outputs = &first.json()["outputs"];
    assert_eq!(outputs["engine"], "flite");
    assert_eq!(outputs["fallbacks"][0]["code"], "endpoint_failed", "{outputs}");
    assert_eq!(paths(&server.requests()), ["/v1/chat/completions", "/tts/audio/speech"]);
    let heard = server.requests();
    assert_eq!(heard[0].header("authorization"), Some(format!("Bearer {MODEL_KEY}").as_str()));
    assert_eq!(heard[1].header("authorization"), Some(format!("Bearer {VOICE_KEY}").as_str()));

    // The script is kept although a key made it; the voice that stood in is not.
    speaks.store(true, Ordering::Relaxed);
    let second = run(&place).expect(0);
    assert_eq!(second.json()["outputs"], json!({ "engine": "openai", "fallbacks": [] }));
    assert_eq!(paths(&server.requests()[2..]), ["/tts/audio/speech"]);

    // Now everything is kept.
    let third = run(&place).expect(0);
    assert_eq!(third.json()["outputs"]["engine"], Value::from("openai"));
    assert_eq!(server.requests().len(), 3);

    let logs = place.ask(&["logs", "last"]).expect(0).stdout;
    let events = place.ask(&["watch", "last", "-o", "json"]).expect(0).stdout;
    let said = [&first.stdout, &first.stderr, &second.stdout, &second.stderr, &third.stdout, &logs, &events];
    assert_nowhere(&place, &said.map(String::as_str));
}

/// A recogniser that hears the line, and a voice and a maker of music that ask to slow down and echo their key.
fn ear_and_busy() -> Server {
    let words: Vec<Value> = (0..)
        .zip(LINE.split(' '))
        .map(|(place, word)| {
            json!({ "word": word, "start": 0.1 * f64::from(place), "end": 0.1 * f64::from(place) + 0.08 })
        })
        .collect();
    let heard = json!({ "text": LINE, "language": "english", "words": words });
    Server::answering(move |seen| {
        if seen.path() == "/v1/audio/transcriptions" {
            return Reply::json(200, &heard);
        }
        let told = json!({ "status_code": 1002, "status_msg": format!("{VOICE_KEY} is too quick") });
        Reply::json(200, json!({ "base_resp": told }))
    })
}

#[test]
fn recognised_words_come_through_and_no_key_is_seen() {
    let server = ear_and_busy();
    let base = server.base();
    let place = Place::new();
    let wants = pipeline(&format!(
        r#"
secrets: [model_key, voice_key]
stages:
  speech:
    uses: tts.speak@1
    with:
      text: "{LINE}"
      voices:
        - {{ provider: minimax, base_url: "{base}", key: "${{{{ secrets.voice_key }}}}", voice: amy }}
        - flite/slt
  heard:
    uses: tts.transcribe@1
    with:
      audio: "${{{{ stages.speech.outputs.audio }}}}"
      text: "{LINE}"
      recognition: {{ base_url: "{base}/v1", model: ears, api_key: "${{{{ secrets.model_key }}}}" }}
outputs:
  timing: "${{{{ stages.heard.outputs.timing }}}}"
  second: "${{{{ stages.heard.outputs.words[1] }}}}"
  fallbacks: "${{{{ stages.speech.outputs.fallbacks }}}}"
"#
    ));
    place.write("p.yaml", &wants);
    let first = run(&place).expect(0);
    let outputs = &first.json()["outputs"];
    assert_eq!(outputs["timing"], "recognised", "{outputs}");
    assert_eq!(outputs["second"], json!({ "text": "tide", "start_ms": 100, "end_ms": 180 }));
    assert_eq!(outputs["fallbacks"][0]["code"], "rate_limited", "{outputs}");
    // What was recognised is kept; the voice that stood in is not.
    let second = run(&place).expect(0);
    let asked = server.requests();
    let times = |path: &str| asked.iter().filter(|seen| seen.path() == path).count();
    assert_eq!((times("/v1/audio/transcriptions"), times("/v1/t2a_v2")), (1, 2));
    let logs = place.ask(&["logs", "last"]).expect(0).stdout;
    let events = place.ask(&["watch", "last", "-o", "json"]).expect(0).stdout;
    let said = [&first.stdout, &first.stderr, &second.stdout, &second.stderr, &logs, &events];
    assert_nowhere(&place, &said.map(String::as_str));
}

#[test]
fn music_that_stood_in_is_not_kept_and_no_key_is_seen() {
    let server = ear_and_busy();
    let base = server.base();
    let place = Place::new();
    let wants = pipeline(&format!(
        r#"
secrets: [model_key, voice_key]
stages:
  music:
    uses: music.generate@1
    with:
      seconds: 3
      sources: [{{ provider: minimax, base_url: "{base}", key: "${{{{ secrets.voice_key }}}}" }}, offline]
  own: {{ uses: music.generate@1, with: {{ seconds: 3, mood: bright }} }}
outputs:
  source: "${{{{ stages.music.outputs.source }}}}"
  fallbacks: "${{{{ stages.music.outputs.fallbacks }}}}"
"#
    ));
    place.write("p.yaml", &wants);
    let first = run(&place).expect(0);
    let outputs = &first.json()["outputs"];
    assert_eq!(outputs["source"], "offline", "{outputs}");
    assert_eq!(outputs["fallbacks"][0]["code"], "rate_limited", "{outputs}");
    let second = run(&place).expect(0);
    assert_eq!(paths(&server.requests()), ["/v1/music_generation", "/v1/music_generation"]);
    let stages = second.json()["stages"].clone();
    let cached = |path: &str| {
        let stages = stages.as_array().expect("stages");
        stages.iter().find(|stage| stage["path"] == path).map(|stage| stage["cached"].clone())
    };
    assert_eq!((cached("music"), cached("own")), (Some(json!(0)), Some(json!(1))), "{stages}");
    let logs = place.ask(&["logs", "last"]).expect(0).stdout;
    assert_nowhere(&place, &[&first.stdout, &first.stderr, &second.stdout, &second.stderr, &logs]);
}

fn assert_nowhere(place: &Place, said: &[&str]) {
    for key in [MODEL_KEY, VOICE_KEY] {
        assert!(said.iter().all(|text| !text.contains(key)), "{key} was said");
        for (name, _) in files(Path::new(&place.path("home"))) {
            let bytes = std::fs::read(place.path("home").join(&name)).unwrap_or_default();
            assert!(!bytes.windows(key.len()).any(|part| part == key.as_bytes()), "{key} stands in {name}");
        }
    }
}
