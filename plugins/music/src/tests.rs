//! The stage: music made here, and by services that a server on loopback plays as their documentation says.

use crate::Generate;
use reelmill_http::testing::{Case, Played, Reply, Seen, Server, matrix};
use reelmill_media::{CHANNELS, StereoReader};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::{self, Bench};
use reelmill_sdk::{FailureClass, StageError};
use std::fmt::Write as _;
use std::path::Path;
use tempfile::TempDir;

const KEY: &str = "mk-0123456789/very+secret";

fn generate(with: Value) -> (Result<Value, StageError>, TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    (testing::run::<Generate>(with, scratch.path()), scratch)
}

fn heard(path: &Path) -> Vec<f32> {
    let mut reader = StereoReader::open(path, 0).unwrap();
    let (mut all, mut chunk) = (Vec::new(), Vec::new());
    loop {
        reader.read(48_000, &mut chunk).unwrap();
        if chunk.is_empty() {
            return all;
        }
        all.extend_from_slice(&chunk);
    }
}

fn loudness(samples: &[f32]) -> f32 {
    (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32).sqrt()
}

/// A second of tone as a WAV file: what services send is looked at, whatever its form.
fn sound() -> Vec<u8> {
    let samples: Vec<u8> =
        (0..48_000).flat_map(|at| (if at % 100 < 50 { 9_000_i16 } else { -9_000 }).to_le_bytes()).collect();
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    file.extend([48_000_u32.to_le_bytes(), 96_000_u32.to_le_bytes()].concat());
    file.extend(b"\x02\0\x10\0data");
    file.extend(u32::try_from(samples.len()).unwrap().to_le_bytes());
    file.extend(samples);
    file
}

fn minimax_reply() -> Reply {
    let digits = sound().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    Reply::json(
        200,
        json!({
            "data": { "audio": digits, "status": 2 }, "extra_info": { "music_duration": 1000 },
            "base_resp": { "status_code": 0, "status_msg": "success" }
        }),
    )
}

#[test]
fn music_made_here_is_as_long_as_it_was_asked_for_and_begins_and_ends_softly() {
    let (output, scratch) = generate(json!({ "mood": "bright", "seconds": 5, "seed": 4 }));
    let output = output.unwrap();
    assert_eq!((&output["source"], &output["duration_ms"]), (&json!("offline"), &json!(5000)));
    assert_eq!((&output["fallbacks"], &output["notes"]), (&json!([]), &json!([])));
    let samples = heard(&scratch.path().join("music.m4a"));
    let seconds = samples.len() as f64 / 48_000.0 / CHANNELS as f64;
    assert!((seconds - 5.0).abs() < 0.1, "{seconds}");
    let part = |from: f64, to: f64| {
        let at = |seconds: f64| (seconds * 48_000.0).round();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds")]
        let at = |seconds: f64| at(seconds) as usize * CHANNELS;
        loudness(&samples[at(from)..at(to)])
    };
    assert!(part(1.0, 3.0) > 0.03 && part(0.0, 0.02) < 0.01 && part(4.9, 4.98) < 0.02);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 1);
}

#[test]
fn the_same_seed_is_the_same_music() {
    let bytes = |seed: u64| {
        let (output, scratch) = generate(json!({ "seconds": 3, "seed": seed }));
        output.unwrap();
        heard(&scratch.path().join("music.m4a"))
    };
    assert!(bytes(1) == bytes(1), "the same seed");
    assert!(bytes(1) != bytes(2), "another seed");
}

#[test]
fn what_cannot_be_done_here_is_noted_or_refused() {
    let (output, _scratch) = generate(json!({ "seconds": 3, "prompt": "harps", "instrumental": false }));
    assert_eq!(output.unwrap()["notes"].as_array().unwrap().len(), 2);
    for with in [
        json!({ "seconds": 2 }),
        json!({ "seconds": 601 }),
        json!({ "sources": [] }),
        json!({ "sources": ["someone"] }),
        json!({ "sources": [{ "provider": "elevenlabs" }] }),
        json!({ "prompt": "x".repeat(2001) }),
    ] {
        assert_eq!(generate(with.clone()).0.unwrap_err().class(), FailureClass::InvalidInput, "{with}");
    }
    let scratch = tempfile::tempdir().unwrap();
    let bench = Bench::new(scratch.path()).cancel_at_question(3);
    assert_eq!(bench.run::<Generate>(json!({})).unwrap_err().class(), FailureClass::Cancelled);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

fn asked(
    source: &Value,
    over: &Value,
    reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Value, Vec<Seen>, TempDir) {
    let server = Server::answering(reply);
    let mut source = source.clone();
    source["base_url"] = json!(server.base());
    let mut with = json!({ "sources": [source], "seconds": 45 });
    with.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    let (output, scratch) = generate(with);
    (output.unwrap(), server.requests(), scratch)
}

#[test]
fn elevenlabs_is_asked_by_its_protocol() {
    let source = json!({ "provider": "elevenlabs", "key": KEY });
    let (output, seen, scratch) = asked(&source, &json!({ "prompt": "soft harps", "seed": 3 }), |_| {
        Reply::body(200, "audio/mpeg", sound())
    });
    assert_eq!((&output["source"], &output["duration_ms"]), (&json!("elevenlabs"), &json!(1000)));
    assert_eq!(output["notes"].as_array().unwrap().len(), 1, "it takes no seed");
    assert_eq!(std::fs::read(scratch.path().join("music.wav")).unwrap(), sound(), "it stays as it came");
    assert_eq!(seen[0].target, "/v1/music?output_format=mp3_44100_128");
    assert_eq!(seen[0].header("xi-api-key"), Some(KEY));
    assert_eq!(
        seen[0].json(),
        json!({
            "prompt": "soft harps", "music_length_ms": 45_000, "model_id": "music_v1", "force_instrumental": true
        })
    );
    let (_, seen, _scratch) =
        asked(&source, &json!({ "mood": "epic" }), |_| Reply::body(200, "audio/mpeg", sound()));
    assert!(seen[0].json()["prompt"].as_str().unwrap().starts_with("epic background music"));
}

#[test]
fn minimax_is_asked_by_its_protocol() {
    let source = json!({ "provider": "minimax", "key": KEY });
    let (output, seen, _scratch) = asked(&source, &json!({ "prompt": "soft harps" }), |_| minimax_reply());
    assert_eq!((&output["source"], &output["duration_ms"]), (&json!("minimax"), &json!(1000)));
    assert_eq!(output["notes"], json!(["MiniMax chooses the length of its music by itself"]));
    assert_eq!(seen[0].target, "/v1/music_generation");
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let instrumental = json!({
        "model": "music-2.6", "prompt": "soft harps", "is_instrumental": true, "stream": false,
        "output_format": "hex", "audio_setting": { "sample_rate": 44_100, "bitrate": 256_000, "format": "mp3" }
    });
    assert_eq!(seen[0].json(), instrumental);
    for (over, name, value) in [
        (json!({ "instrumental": false, "lyrics": "[Verse]\nTides" }), "lyrics", json!("[Verse]\nTides")),
        (json!({ "instrumental": false }), "lyrics_optimizer", json!(true)),
    ] {
        let (_, seen, _scratch) = asked(&source, &over, |_| minimax_reply());
        assert_eq!((&seen[0].json()[name], &seen[0].json()["is_instrumental"]), (&value, &json!(false)));
    }
    let told = json!({ "base_resp": { "status_code": 1002, "status_msg": format!("{KEY}: slower") } });
    let server = Server::always(Reply::json(200, told));
    let with = json!({ "sources": [{ "provider": "minimax", "key": KEY, "base_url": server.base() }] });
    let error = generate(with).0.unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::Transient, "rate_limited"));
    assert!(!serde_json::to_string(error.failure()).unwrap().contains(KEY), "{error}");
}

#[test]
fn every_service_tells_its_failures_apart_and_no_key_is_seen() {
    for (provider, good) in
        [("elevenlabs", Reply::body(200, "audio/mpeg", sound())), ("minimax", minimax_reply())]
    {
        matrix(KEY, &good, |case: &Case<'_>| {
            let scratch = tempfile::tempdir().unwrap();
            let source = json!({ "provider": provider, "base_url": case.base, "key": KEY });
            let with = json!({ "sources": [source], "timeout_seconds": case.timeout_seconds });
            let played = Played::stage::<Generate>(&Bench::new(scratch.path()), with);
            let left = std::fs::read_dir(scratch.path()).unwrap().count();
            assert_eq!(left, usize::from(played.result.is_ok()), "{}: files are left", case.name);
            played
        });
    }
    let server = Server::always(Reply::body(200, "audio/mpeg", "no music"));
    let source = json!({ "provider": "elevenlabs", "base_url": server.base(), "key": KEY });
    let (output, scratch) = generate(json!({ "sources": [source] }));
    assert_eq!(output.unwrap_err().failure().code, "malformed_answer");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn a_chain_falls_back_to_music_made_here_and_says_why() {
    let closed =
        Server::always(Reply::json(401, json!({ "detail": { "message": format!("{KEY} is none") } })));
    let busy = Server::always(Reply::status(429).header("retry-after", "90"));
    let source = |provider: &str, server: &Server| json!({ "provider": provider, "base_url": server.base(), "key": KEY });
    let two = [source("elevenlabs", &closed), source("minimax", &busy)];
    let scratch = tempfile::tempdir().unwrap();
    let bench = Bench::new(scratch.path());
    let with = json!({ "seconds": 3, "sources": [two[0], two[1], "offline"] });
    let output = bench.run::<Generate>(with).unwrap();
    assert_eq!(output["source"], "offline");
    let fallbacks = output["fallbacks"].as_array().unwrap();
    let said: Vec<_> = fallbacks
        .iter()
        .map(|one| (one["source"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    assert_eq!(said, [("elevenlabs/music_v1", "unauthorized"), ("minimax/music-2.6", "rate_limited")]);
    assert!(!format!("{output} {:?}", bench.logs()).contains(KEY));
    // When nobody can, what may go better another time decides.
    let error = generate(json!({ "sources": two })).0.unwrap_err();
    assert_eq!((error.class(), error.failure().retry_after_ms), (FailureClass::Transient, Some(90_000)));
    let moment = Server::in_turn([Reply::status(429).header("retry-after", "1"), minimax_reply()]);
    let (output, _scratch) = generate(json!({ "sources": [source("minimax", &moment), "offline"] }));
    assert_eq!((&output.unwrap()["source"], moment.requests().len()), (&json!("minimax"), 2));
}
