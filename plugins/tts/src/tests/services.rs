//! Services, played by a server on loopback that answers as their documentation says.

use super::{assert_times, protocols, speak, wave};
use crate::Speak;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use reelmill_http::testing::{Case, Played, Reply, Seen, Server, matrix};
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::Bench;
use reelmill_sdk::{FailureClass, StageError};

pub const KEY: &str = "sk-0123456789/very+secret";
pub const RATE: u32 = 24_000;
pub const TEXT: &str = "The sea rises. The sea falls again, slowly.";

/// A loud tone between silences, whose ends are steps.
pub fn tone(ms: usize) -> Vec<i16> {
    let hush = vec![0; 24 * 300];
    let loud: Vec<i16> = (0..24 * ms).map(|at| if at % 120 < 60 { 12_000 } else { -12_000 }).collect();
    [hush.clone(), loud, hush].concat()
}

pub fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

pub fn wav(samples: &[i16]) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().unwrap();
    crate::wav::write(file.path(), RATE, 1, samples).unwrap();
    std::fs::read(file.path()).unwrap()
}

fn wav_reply(ms: usize) -> Reply {
    Reply::body(200, "audio/wav", wav(&tone(ms)))
}

/// `ElevenLabs`: each character takes 50 ms, after 300 ms of silence.
fn timed_reply(text: &str) -> Reply {
    let characters: Vec<String> = text.chars().map(String::from).collect();
    let starts: Vec<f64> = (0..characters.len()).map(|at| 0.3 + 0.05 * at as f64).collect();
    let ends: Vec<f64> = starts.iter().map(|start| start + 0.05).collect();
    let audio = BASE64_STANDARD.encode(bytes(&tone(50 * characters.len())));
    Reply::json(
        200,
        json!({
            "audio_base64": audio,
            "alignment": {
                "characters": characters, "character_start_times_seconds": starts,
                "character_end_times_seconds": ends
            },
            "normalized_alignment": null
        }),
    )
}

/// The services, each at an address, and a good answer of each.
fn services(base: &str) -> [(Value, Reply); 7] {
    [
        (
            json!({ "provider": "azure", "base_url": base, "key": KEY, "voice": "nb-NO-PernilleNeural" }),
            wav_reply(900),
        ),
        (json!({ "provider": "openai", "base_url": base, "key": KEY, "voice": "alloy" }), wav_reply(900)),
        (
            json!({ "provider": "elevenlabs", "base_url": base, "key": KEY, "voice": "v1" }),
            timed_reply("Tides rise."),
        ),
        (
            json!({ "provider": "gpt-sovits", "base_url": base, "reference_audio": "/srv/me.wav" }),
            wav_reply(900),
        ),
        (
            json!({ "provider": "gemini", "base_url": base, "key": KEY, "voice": "Kore" }),
            protocols::gemini_reply("audio/L16;codec=pcm;rate=24000", &bytes(&tone(900))),
        ),
        (
            json!({ "provider": "minimax", "base_url": base, "key": KEY, "voice": "narrator" }),
            protocols::minimax_reply(&json!({ "audio": protocols::hex(&wav(&tone(900))), "status": 2 })),
        ),
        (
            json!({ "provider": "mimo", "base_url": base, "key": KEY }),
            protocols::mimo_reply(&wav(&tone(900))),
        ),
    ]
}

#[test]
fn every_service_tells_its_failures_apart_and_no_key_is_seen() {
    let play = |place: usize| {
        let one = |base: &str| services(base).into_iter().nth(place).unwrap();
        let (voice, good) = one("");
        let key = voice["key"].as_str().unwrap_or_default();
        matrix(key, &good, |case: &Case<'_>| {
            let scratch = tempfile::tempdir().unwrap();
            let (voice, _) = one(case.base);
            let with =
                json!({ "text": "Tides rise.", "voice": voice, "timeout_seconds": case.timeout_seconds });
            let played = Played::stage::<Speak>(&Bench::new(scratch.path()), with);
            let left = std::fs::read_dir(scratch.path()).unwrap().count();
            assert_eq!(left, usize::from(played.result.is_ok()), "{}: files are left", case.name);
            played
        });
    };
    std::thread::scope(|scope| (0..7).for_each(|place| drop(scope.spawn(move || play(place)))));
}

pub fn played(
    voice: &Value,
    over: &Value,
    reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> (Result<Value, StageError>, Vec<Seen>, tempfile::TempDir) {
    let server = Server::answering(reply);
    let mut with = json!({ "text": TEXT, "voice": voice });
    with["voice"]["base_url"] = json!(server.base());
    with.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    let (output, scratch) = speak(with);
    (output, server.requests(), scratch)
}

#[test]
fn azure_is_sent_ssml() {
    let voice = json!({
        "provider": "azure", "key": KEY, "voice": "nb-NO-PernilleNeural", "style": "cheerful", "style_degree": 1.5
    });
    let text = "Tide & time <wait> for \"no\" one.";
    let over = json!({ "text": text, "rate": 1.1, "pitch": 0.95 });
    let (output, seen, _scratch) = played(&voice, &over, |_| wav_reply(900));
    let output = output.unwrap();
    assert_times(&output, text);
    assert_eq!((&output["timing"], &output["engine"]), (&json!("aligned"), &json!("azure")));
    assert_eq!((&output["voice"], &output["notes"]), (&json!("nb-NO-PernilleNeural"), &json!([])));
    assert_eq!(seen[0].header("ocp-apim-subscription-key"), Some(KEY));
    assert_eq!(seen[0].header("content-type"), Some("application/ssml+xml"));
    assert_eq!(seen[0].header("x-microsoft-outputformat"), Some("riff-24khz-16bit-mono-pcm"));
    let ssml = seen[0].text();
    for part in [
        "xml:lang=\"nb-NO\"",
        "<voice name=\"nb-NO-PernilleNeural\"><mstts:express-as style=\"cheerful\" styledegree=\"1.5\">",
        "<prosody rate=\"+10%\" pitch=\"-5%\">Tide &amp; time &lt;wait&gt; for &quot;no&quot; one.</prosody>",
        "</mstts:express-as></voice></speak>",
    ] {
        assert!(ssml.contains(part), "{part}: {ssml}");
    }
}

#[test]
fn azure_needs_a_region_that_can_be_one() {
    for region in [json!(null), json!("evil.org/x"), json!("")] {
        let voice = json!({ "provider": "azure", "key": KEY, "voice": "v", "region": region });
        let error = speak(json!({ "text": "hi", "voice": voice })).0.unwrap_err();
        assert!(matches!(error.class(), FailureClass::InvalidConfig), "{error}");
    }
}

#[test]
fn openai_is_asked_for_wav_and_pcm_is_read_too() {
    let voice = json!({ "provider": "openai", "key": KEY, "voice": "alloy", "instructions": "Whisper." });
    let (output, seen, _scratch) =
        played(&voice, &json!({ "rate": 1.25, "pitch": 1.2 }), |_| wav_reply(1500));
    let output = output.unwrap();
    assert_eq!(output["notes"], json!(["the speech endpoint knows no `pitch`: it is the voice's own"]));
    assert_eq!(output["characters"], TEXT.chars().count());
    assert_eq!(seen[0].target, "/audio/speech");
    assert_eq!(seen[0].header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!(
        seen[0].json(),
        json!({
            "model": "gpt-4o-mini-tts", "voice": "alloy", "response_format": "wav", "speed": 1.25,
            "instructions": "Whisper.", "input": TEXT
        })
    );
    let voice = json!({ "provider": "openai", "voice": "alloy", "format": "pcm" });
    let (output, seen, _scratch) =
        played(&voice, &json!({}), |_| Reply::body(200, "audio/pcm", bytes(&tone(1000))));
    let length = output.unwrap()["duration_ms"].as_u64().unwrap();
    assert!((1070..=1090).contains(&length), "{length}");
    assert_eq!((seen[0].header("authorization"), &seen[0].json()["speed"]), (None, &Value::Null));
}

#[test]
fn a_form_of_sound_that_was_not_asked_for_is_read_by_libav() {
    // Two channels of 8 bits at 11 kHz.
    let body =
        [128_u8, 128].repeat(2000).into_iter().chain([250, 250, 6, 6].repeat(5000)).collect::<Vec<u8>>();
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
    file.extend([11_025_u32.to_le_bytes(), 22_050_u32.to_le_bytes()].concat());
    file.extend(b"\x02\0\x08\0data");
    file.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    file.extend(body);
    let voice = json!({ "provider": "openai", "voice": "alloy" });
    let (output, _, scratch) =
        played(&voice, &json!({}), move |_| Reply::body(200, "audio/wav", file.clone()));
    let output = output.unwrap();
    assert_eq!(output["sample_rate"], 48_000);
    let (_, samples) = wave(&scratch.path().join("speech.wav"));
    assert!(samples.iter().any(|sample| sample.abs() > 25_000), "as loud as it was sent");
    let (output, ..) = played(&voice, &json!({}), |_| Reply::body(200, "audio/mpeg", "not mp3"));
    assert_eq!(output.unwrap_err().failure().code, "malformed_answer");
}

#[test]
fn elevenlabs_says_when_words_are_heard() {
    let voice =
        json!({ "provider": "elevenlabs", "key": KEY, "voice": "a/b", "stability": 0.5, "similarity": 0.75 });
    let over = json!({ "rate": 1.5 });
    let (output, seen, _scratch) =
        played(&voice, &over, |seen| timed_reply(seen.json()["text"].as_str().unwrap()));
    let output = output.unwrap();
    assert_times(&output, TEXT);
    assert_eq!(output["timing"], "provider");
    // 40 ms of the silence before are kept, and "sea" begins with the fifth character.
    assert_eq!(output["words"][1], json!({ "text": "sea", "start_ms": 240, "end_ms": 390 }));
    assert_eq!(output["notes"][0], "ElevenLabs speaks at 1.2 times the voice's speed at the most, not 1.5");
    assert_eq!(seen[0].target, "/v1/text-to-speech/a%2Fb/with-timestamps?output_format=pcm_24000");
    assert_eq!(seen[0].header("xi-api-key"), Some(KEY));
    let body = seen[0].json();
    assert_eq!((&body["text"], &body["model_id"]), (&json!(TEXT), &json!("eleven_multilingual_v2")));
    assert_eq!(body["voice_settings"]["stability"], 0.5);
    assert!((body["voice_settings"]["speed"].as_f64().unwrap() - 1.2).abs() < 1e-6);
}

#[test]
fn times_of_another_text_are_not_believed() {
    let voice = json!({ "provider": "elevenlabs", "key": KEY, "voice": "v" });
    let (output, ..) =
        played(&voice, &json!({}), |_| timed_reply("Something else that is about as long as it."));
    assert_eq!(output.unwrap()["timing"], "aligned");
    let bad = Reply::json(200, json!({ "audio_base64": "%%%" }));
    let (output, ..) = played(&voice, &json!({}), move |_| bad.clone());
    assert_eq!(output.unwrap_err().failure().code, "malformed_answer");
}

#[test]
fn gpt_sovits_is_told_whose_voice_to_take() {
    let voice = json!({
        "provider": "gpt-sovits", "reference_audio": "/srv/voices/me.wav", "reference_text": "Hello.",
        "reference_language": "en"
    });
    let over = json!({ "language": "zh-CN", "text": "潮水每天涨落两次。", "rate": 0.9 });
    let (output, seen, _scratch) = played(&voice, &over, |_| wav_reply(2000));
    let output = output.unwrap();
    assert_eq!((&output["engine"], &output["voice"]), (&json!("gpt-sovits"), &json!("me.wav")));
    let body = seen[0].json();
    assert_eq!(seen[0].target, "/tts");
    assert_eq!((&body["text_lang"], &body["prompt_lang"]), (&json!("zh"), &json!("en")));
    assert_eq!((&body["ref_audio_path"], &body["media_type"]), (&json!("/srv/voices/me.wav"), &json!("wav")));
    let refusal = Reply::json(400, json!({ "message": "tts failed", "Exception": "no such file" }));
    let (output, ..) = played(&voice, &json!({}), move |_| refusal.clone());
    let error = output.unwrap_err();
    assert_eq!(
        (error.class(), error.failure().code.as_str()),
        (FailureClass::InvalidInput, "refused_request")
    );
    assert!(error.failure().message.contains("tts failed"), "{error}");
}

#[test]
fn a_long_text_is_said_in_parts_that_join_without_clicks() {
    let text = "The sea rises twice a day. ".repeat(12);
    let text = text.trim();
    let voice = json!({ "provider": "openai", "voice": "alloy" });
    let over = json!({ "text": text, "part_chars": 60 });
    let (output, seen, scratch) = played(&voice, &over, |_| wav_reply(1400));
    let output = output.unwrap();
    assert_eq!(seen.len(), 6);
    assert!(
        seen.iter()
            .all(|seen| seen.json()["input"] == "The sea rises twice a day. The sea rises twice a day.")
    );
    assert_times(&output, text);
    // Each part without its silence but for 80 ms, and five rests of 220 ms.
    let (rate, samples) = wave(&scratch.path().join("speech.wav"));
    assert_eq!((rate, output["duration_ms"].as_u64().unwrap()), (RATE, 6 * 1480 + 5 * 220));
    // The tone itself has steps of 24,000; where parts meet there is none but what silence and fades leave.
    let joint = 24 * (1480 + 220 / 2);
    assert!(samples[joint - 24 * 140..joint + 24 * 140].iter().all(|sample| *sample == 0));
    // The second part begins where its first word is heard.
    assert_eq!(output["words"][12]["start_ms"].as_u64().unwrap() / 20, 1740 / 20);
}

#[test]
fn silence_and_another_rate_are_no_speech() {
    let voice = json!({ "provider": "openai", "voice": "alloy" });
    let (output, ..) = played(&voice, &json!({}), |_| Reply::body(200, "audio/wav", wav(&vec![0; 9000])));
    assert_eq!(output.unwrap_err().failure().code, "silent_answer");
}

#[test]
fn a_chain_falls_back_and_says_why() {
    let busy = Server::always(
        Reply::json(429, json!({ "error": { "message": format!("{KEY} is busy") } }))
            .header("retry-after", "90"),
    );
    let closed = Server::always(Reply::json(401, json!({ "detail": { "message": "quota" } })));
    let service = |provider: &str, base: &str| json!({ "provider": provider, "base_url": base, "key": KEY, "voice": "v" });
    let two = [service("elevenlabs", &closed.base()), service("openai", &busy.base())];
    let with = |voices: Vec<Value>| json!({ "text": TEXT, "voices": voices });
    let scratch = tempfile::tempdir().unwrap();
    let bench = Bench::new(scratch.path());
    let output =
        bench.run::<Speak>(with([two.as_slice(), &[json!("flite/rms"), json!("none")]].concat())).unwrap();
    assert_eq!((&output["engine"], &output["voice"]), (&json!("flite"), &json!("rms")));
    let fallbacks = output["fallbacks"].as_array().unwrap();
    let said: Vec<_> =
        fallbacks.iter().map(|one| (one["voice"].as_str().unwrap(), one["code"].as_str().unwrap())).collect();
    assert_eq!(said, [("elevenlabs/v", "unauthorized"), ("openai/v", "rate_limited")]);
    assert!(fallbacks[0]["reason"].as_str().unwrap().contains("quota"), "{fallbacks:?}");
    let all = format!("{output} {:?}", bench.logs());
    assert!(!all.contains(KEY) && bench.logs().len() == 2, "{all}");
    // When nobody speaks, what may go better another time decides.
    let error = speak(with(two.to_vec())).0.unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::Transient, "rate_limited"));
    assert_eq!(error.failure().retry_after_ms, Some(90_000));
    let detail = error.failure().detail.as_ref().unwrap();
    assert_eq!(detail["voices"][0]["voice"], "elevenlabs/v");
    assert!(!serde_json::to_string(error.failure()).unwrap().contains(KEY));
    let error = speak(json!({ "text": TEXT, "voice": "flite/slt", "voices": two })).0.unwrap_err();
    assert!(error.failure().message.contains("both `voice` and `voices`"), "{error}");
}

#[test]
fn a_voice_that_asks_for_a_moment_is_waited_for_and_then_asked_again() {
    let busy = || Reply::status(429).header("retry-after", "1");
    let voice = |server: &Server| json!({ "provider": "openai", "base_url": server.base(), "voice": "v" });
    let server = Server::in_turn([busy(), wav_reply(900)]);
    let output = speak(json!({ "text": TEXT, "voices": [voice(&server), "none"] })).0.unwrap();
    assert_eq!((&output["engine"], &output["fallbacks"]), (&json!("openai"), &json!([])));
    // Once, and for no longer than is said.
    let server = Server::in_turn([busy(), busy(), wav_reply(900)]);
    let output = speak(json!({ "text": TEXT, "voices": [voice(&server), "none"] })).0.unwrap();
    assert_eq!((&output["engine"], server.requests().len()), (&json!("none"), 2));
    let server = Server::in_turn([busy(), wav_reply(900)]);
    let with = json!({ "text": TEXT, "voices": [voice(&server), "none"], "patience_seconds": 0 });
    assert_eq!((&speak(with).0.unwrap()["engine"], server.requests().len()), (&json!("none"), 1));
    // The only voice is tried again by the engine, which holds no worker meanwhile.
    let server = Server::in_turn([busy(), wav_reply(900)]);
    let error = speak(json!({ "text": TEXT, "voice": voice(&server) })).0.unwrap_err();
    assert_eq!((error.class(), server.requests().len()), (FailureClass::Transient, 1));
}

#[test]
fn a_cancel_does_not_try_the_next_voice() {
    let server = Server::always(Reply::mute());
    let scratch = tempfile::tempdir().unwrap();
    let bench = Bench::new(scratch.path()).cancel_at_question(2);
    let slow = json!({ "provider": "openai", "base_url": server.base(), "voice": "v" });
    let error = bench.run::<Speak>(json!({ "text": TEXT, "voices": [slow, "none"] })).unwrap_err();
    assert_eq!(error.class(), FailureClass::Cancelled);
}
