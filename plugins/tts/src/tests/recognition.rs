//! Recordings whose words are recognised. The recogniser is played by a server on loopback that answers as the documentation
//! says.

use super::services::{KEY, tone, wav};
use super::{assert_times, speak};
use crate::{Speak, Split, Transcribe};
use reelmill_http::testing::{Case, Played, Reply, Seen, Server, matrix};
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use reelmill_sdk::testing::{self, Bench};
use tempfile::TempDir;

const TEXT: &str = "Twice a day the sea climbs the shore. Dr. Smith knows it, and twice a day it falls.";

/// A recording of a text, a tone for each word, and what was said when. (Voices are no use here: engines remember what they
/// said before, and other tests measure it.)
fn recorded(text: &str) -> (Value, Value, TempDir) {
    let mut samples = vec![0; 24 * 100];
    let mut words = Vec::new();
    for word in text.split(' ') {
        let start = samples.len() / 24;
        samples.extend((0..24 * 200).map(|at| if at % 120 < 60 { 9_000 } else { -9_000 }));
        words.push(json!({ "text": word, "start_ms": start, "end_ms": start + 200 }));
        samples.extend(vec![0; 24 * if word.ends_with('.') { 400 } else { 100 }]);
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("mine.wav");
    std::fs::write(&path, wav(&samples)).unwrap();
    let recording = testing::artifact(&path, "audio/wav");
    (serde_json::to_value(recording).unwrap(), json!({ "words": words }), scratch)
}

/// The words of a speech, as a recogniser writes them.
fn heard(spoken: &Value) -> Vec<Value> {
    let words = spoken["words"].as_array().unwrap();
    words
        .iter()
        .map(|word| {
            let text = word["text"].as_str().unwrap().trim_end_matches(['.', ',']).to_lowercase();
            let seconds = |field: &str| word[field].as_f64().unwrap() / 1000.0;
            json!({ "word": text, "start": seconds("start_ms"), "end": seconds("end_ms") })
        })
        .collect()
}

fn verbose(words: &[Value]) -> Reply {
    let text: Vec<&str> = words.iter().map(|word| word["word"].as_str().unwrap()).collect();
    let end = words.last().map_or(&Value::Null, |word| &word["end"]);
    let segments = json!([{ "id": 0, "text": text.join(" "), "start": 0.0, "end": end }]);
    Reply::json(
        200,
        json!({
            "task": "transcribe", "language": "english", "duration": 9.0, "text": text.join(" "),
            "words": words, "segments": segments
        }),
    )
}

fn recognition(server: &Server) -> Value {
    json!({ "base_url": server.base(), "model": "large-v3", "api_key": KEY })
}

fn starts(output: &Value) -> Vec<i64> {
    output["words"].as_array().unwrap().iter().map(|word| word["start_ms"].as_i64().unwrap()).collect()
}

/// What a form says under a name.
fn field<'a>(form: &'a str, name: &str) -> Vec<&'a str> {
    let head = format!("name=\"{name}\"\r\n\r\n");
    form.split(head.as_str()).skip(1).filter_map(|rest| rest.split("\r\n").next()).collect()
}

#[test]
fn words_of_a_recording_are_the_scripts_at_the_times_that_were_heard() {
    let (recording, spoken, _kept) = recorded(TEXT);
    let mut words = heard(&spoken);
    // Heard as others, put in, and not heard at all.
    words[4]["word"] = json!("see");
    words[8]["word"] = json!("doctor");
    words.insert(1, json!({ "word": "um", "start": 0.0, "end": 0.01 }));
    words.remove(13);
    let server = Server::always(verbose(&words));
    let with = json!({ "text": TEXT, "audio": recording, "recognition": recognition(&server) });
    let (output, _scratch) = speak(with);
    let output = output.unwrap();
    assert_times(&output, TEXT);
    assert_eq!((&output["timing"], &output["fallbacks"]), (&json!("recognised"), &json!([])));
    let (found, truth) = (starts(&output), starts(&spoken));
    for (place, (found, truth)) in found.iter().zip(&truth).enumerate().filter(|(place, _)| *place != 12) {
        assert!((found - truth).abs() <= 1, "{place}: {found} {truth}");
    }
    assert!(
        (truth[11]..=truth[13]).contains(&found[12]),
        "a word that was not heard stands where it has to be"
    );
}

#[test]
fn a_recogniser_is_sent_a_form() {
    let (recording, spoken, _kept) = recorded("The sea rises.");
    let server = Server::always(verbose(&heard(&spoken)));
    let mut recognition = recognition(&server);
    recognition["prompt"] = json!("Lofoten");
    let scratch = tempfile::tempdir().unwrap();
    let with = json!({ "audio": recording, "recognition": recognition, "language": "en-GB" });
    let output = testing::run::<Transcribe>(with, scratch.path()).unwrap();
    assert_eq!((&output["pieces"], &output["language"]), (&json!(1), &json!("english")));
    let seen = &server.requests()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/audio/transcriptions"));
    assert_eq!(seen.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    let form = seen.text();
    for (name, values) in [
        ("model", vec!["large-v3"]),
        ("response_format", vec!["verbose_json"]),
        ("timestamp_granularities[]", vec!["word", "segment"]),
        ("language", vec!["en"]),
        ("prompt", vec!["Lofoten"]),
    ] {
        assert_eq!(field(&form, name), values, "{name}");
    }
    // A WAV file of one channel at 16 kHz.
    let at = seen.body.windows(4).position(|part| part == b"RIFF").unwrap();
    assert_eq!(seen.body[at + 22..at + 28], [1, 0, 0x80, 0x3e, 0, 0]);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left");
}

#[test]
fn without_a_recogniser_that_answers_words_are_aligned_and_it_is_said_why() {
    let (recording, spoken, _kept) = recorded(TEXT);
    let other: Vec<Value> = heard(&spoken)
        .into_iter()
        .map(|mut word| {
            word["word"] = json!("klang");
            word
        })
        .collect();
    let aligned = speak(json!({ "text": TEXT, "audio": recording })).0.unwrap();
    for (reply, code) in [
        (Reply::json(503, json!({ "error": format!("no room for {KEY}") })), "endpoint_failed"),
        (Reply::json(401, json!({ "error": format!("{KEY} is none") })), "unauthorized"),
        (Reply::json(200, json!({ "text": "Twice a day." })), "malformed_answer"),
        (verbose(&other), "another_text"),
    ] {
        let server = Server::always(reply);
        let scratch = tempfile::tempdir().unwrap();
        let bench = Bench::new(scratch.path());
        let with = json!({ "text": TEXT, "audio": recording, "recognition": recognition(&server) });
        let output = bench.run::<Speak>(with).unwrap();
        assert_eq!((&output["timing"], &output["words"]), (&json!("aligned"), &aligned["words"]), "{code}");
        let fallbacks = output["fallbacks"].as_array().unwrap();
        assert_eq!(fallbacks.len(), 1);
        assert_eq!(
            (&fallbacks[0]["voice"], &fallbacks[0]["code"]),
            (&json!("recognition/large-v3"), &json!(code))
        );
        assert!(!format!("{output} {:?}", bench.logs()).contains(KEY));
    }
    let server = Server::always(Reply::mute());
    let scratch = tempfile::tempdir().unwrap();
    let bench = Bench::new(scratch.path()).cancel_at_question(40);
    let with = json!({ "text": TEXT, "audio": recording, "recognition": recognition(&server) });
    assert_eq!(bench.run::<Speak>(with).unwrap_err().class(), FailureClass::Cancelled);
}

#[test]
fn a_recogniser_that_asks_for_a_moment_is_asked_again() {
    let (recording, spoken, _kept) = recorded(TEXT);
    let busy = Reply::status(429).header("retry-after", "1");
    let server = Server::in_turn([busy.clone(), verbose(&heard(&spoken))]);
    let with = json!({ "text": TEXT, "audio": recording, "recognition": recognition(&server) });
    let output = speak(with.clone()).0.unwrap();
    assert_eq!((&output["timing"], server.requests().len()), (&json!("recognised"), 2));
    let server = Server::in_turn([busy, verbose(&heard(&spoken))]);
    let with = json!({
        "text": TEXT, "audio": recording, "recognition": recognition(&server), "patience_seconds": 0
    });
    let output = speak(with).0.unwrap();
    assert_eq!(
        (&output["timing"], &output["fallbacks"][0]["code"]),
        (&json!("aligned"), &json!("rate_limited"))
    );
}

#[test]
fn a_voice_that_says_no_times_is_listened_to() {
    let text = "The sea rises. The sea falls again, slowly.";
    let second = |place: usize| place as f64 * 0.2;
    let words: Vec<Value> = text
        .split(' ')
        .enumerate()
        .map(|(place, word)| json!({ "word": word, "start": second(place), "end": second(place) + 0.15 }))
        .collect();
    let server = Server::answering(move |seen: &Seen| match seen.path() {
        "/audio/speech" => Reply::body(200, "audio/wav", wav(&tone(1800))),
        _ => verbose(&words),
    });
    let voice = json!({ "provider": "openai", "base_url": server.base(), "voice": "alloy" });
    let with = json!({ "text": text, "voice": voice, "recognition": recognition(&server) });
    let output = speak(with).0.unwrap();
    assert_times(&output, text);
    assert_eq!((&output["engine"], &output["timing"]), (&json!("openai"), &json!("recognised")));
    assert_eq!(starts(&output), [0, 200, 400, 600, 800, 1000, 1200, 1400]);
    // Silence is not.
    let before = server.requests().len();
    let with = json!({ "text": text, "voice": "none", "recognition": recognition(&server) });
    assert_eq!(speak(with).0.unwrap()["timing"], "estimated");
    assert_eq!(server.requests().len(), before);
}

#[test]
fn a_transcription_says_what_it_corrected_by_the_script() {
    let (recording, spoken, _kept) = recorded(TEXT);
    let mut words = heard(&spoken);
    words[4]["word"] = json!("see");
    words.insert(1, json!({ "word": "um", "start": 0.0, "end": 0.01 }));
    words.remove(13);
    let server = Server::always(verbose(&words));
    let run = |text: Option<&str>| {
        let scratch = tempfile::tempdir().unwrap();
        let with = json!({ "audio": recording, "recognition": recognition(&server), "text": text });
        testing::run::<Transcribe>(with, scratch.path())
    };
    let own = run(None).unwrap();
    assert_eq!((&own["timing"], &own["corrections"]), (&json!("recognised"), &Value::Null));
    assert!(own["text"].as_str().unwrap().starts_with("twice um a day the see"), "{}", own["text"]);
    assert_eq!(own["words"].as_array().unwrap().len(), words.len());
    let script = run(Some(TEXT)).unwrap();
    assert_times(&script, TEXT);
    let corrections = &script["corrections"];
    let counts = ["same", "other", "missing", "extra"].map(|name| corrections[name].as_u64().unwrap());
    assert_eq!(counts, [16, 1, 1, 1], "{corrections}");
    assert!(corrections["agreement"].as_f64().unwrap() > 0.9);
    let error = run(Some("Nothing of this was ever spoken here, quoth my uncle.")).unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::InvalidInput, "another_text"));
    let error = run(Some("…")).unwrap_err();
    assert_eq!(error.failure().code, "nothing_to_say");
}

#[test]
fn a_long_recording_is_recognised_in_pieces() {
    // Twenty-five seconds with pauses, in pieces of ten at the most; of each a word is heard after half a second.
    let part = tone(4400);
    let recording = wav(&part.repeat(5));
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("long.wav");
    std::fs::write(&path, recording).unwrap();
    let server = Server::always(verbose(&[json!({ "word": "tide", "start": 0.5, "end": 0.75 })]));
    let mut recognition = recognition(&server);
    recognition["piece_seconds"] = json!(10);
    let out = tempfile::tempdir().unwrap();
    let with = json!({ "audio": testing::artifact(&path, "audio/wav"), "recognition": recognition });
    let output = testing::run::<Transcribe>(with, out.path()).unwrap();
    let pieces = output["pieces"].as_u64().unwrap();
    assert!((3..=5).contains(&pieces), "{pieces}");
    assert_eq!(server.requests().len() as u64, pieces);
    assert_eq!(output["text"], vec!["tide"; usize::try_from(pieces).unwrap()].join(" "));
    // Pauses lie around every five seconds, and there it is cut.
    for start in starts(&output).into_iter().skip(1) {
        let from_pause = (start - 500) % 5000;
        assert!(!(350..=4650).contains(&from_pause), "{start}");
    }
    assert_eq!(output["duration_ms"], 25_000);
}

#[test]
fn scenes_are_cut_where_their_words_are_recognised() {
    let scenes = ["Twice a day the sea climbs the shore.", "The moon is the cause of most of it."];
    let (recording, spoken, _kept) = recorded(&scenes.join(" "));
    let server = Server::always(verbose(&heard(&spoken)));
    let list: Vec<Value> =
        (0..).zip(scenes).map(|(at, text)| json!({ "id": format!("s{at}"), "narration": text })).collect();
    let with =
        json!({ "audio": recording, "scenes": list, "recognition": recognition(&server), "language": "en" });
    let out = tempfile::tempdir().unwrap();
    let output = testing::run::<Split>(with, out.path()).unwrap();
    assert_eq!((&output["timing"], &output["fallbacks"]), (&json!("recognised"), &json!([])));
    let truth = starts(&spoken);
    let first = output["scenes"][0]["duration_ms"].as_i64().unwrap();
    let second = starts(&output["scenes"][1]);
    for (found, truth) in second.iter().zip(&truth[8..]) {
        assert!((first + found - truth).abs() <= 2, "{found} {truth}");
    }
    let down = Server::always(Reply::status(503));
    let with = json!({ "audio": recording, "scenes": list, "recognition": recognition(&down) });
    let output = testing::run::<Split>(with, out.path()).unwrap();
    assert_eq!(
        (&output["timing"], &output["fallbacks"][0]["code"]),
        (&json!("aligned"), &json!("endpoint_failed"))
    );
}

#[test]
fn a_recogniser_tells_its_failures_apart_and_no_key_is_seen() {
    let (recording, spoken, _kept) = recorded("Tides rise.");
    matrix(KEY, &verbose(&heard(&spoken)), |case: &Case<'_>| {
        let scratch = tempfile::tempdir().unwrap();
        let recognition = json!({
            "base_url": case.base, "model": "m", "api_key": KEY, "timeout_seconds": case.timeout_seconds
        });
        let with = json!({ "audio": recording, "recognition": recognition });
        let played = Played::stage::<Transcribe>(&Bench::new(scratch.path()), with);
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "{}: files are left", case.name);
        played
    });
}
