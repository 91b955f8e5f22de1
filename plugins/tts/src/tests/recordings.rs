//! Recordings in the place of voices. A voice that says its own times is recorded, so that what alignment finds can be
//! compared with the truth.

use super::{assert_times, speak, wave};
use crate::{Speak, Split};
use reelmill_sdk::prelude::*;
use reelmill_sdk::{FailureClass, testing};

const ENGLISH: &str = "Twice a day the sea climbs the shore, and twice a day it falls back again. Fishermen have set \
their clocks by it for as long as there have been boats; some of them still do. The moon is the cause of most of it. \
Its gravity pulls the water on the near side of the Earth into a bulge, and every shore passes through it.";
const NORWEGIAN: &str = "To ganger om dagen stiger havet opp på stranden, og to ganger trekker det seg tilbake. \
Fiskere har stilt klokkene sine etter det så lenge det har vært båter. Månen er grunnen til det meste av det.";
const CHINESE: &str = "潮水每天涨落两次。月亮拉动海水，太阳也有一点力量。海岸的形状决定水位有多高。";

fn recorded(with: &Value, text: &str) -> (Value, Value) {
    let (truth, scratch) = speak(with.clone());
    let recording = testing::artifact(&scratch.path().join("speech.wav"), "audio/wav");
    let own = tempfile::tempdir().unwrap();
    let with = json!({ "text": text, "language": with["language"], "audio": recording });
    let found = testing::run::<Speak>(with, own.path()).unwrap();
    // The recording stays as it is.
    assert_eq!(wave(&own.path().join("speech.wav")), wave(&scratch.path().join("speech.wav")));
    (truth.unwrap(), found)
}

#[test]
fn words_are_found_where_they_were_said() {
    for (voice, language, text) in [
        ("flite/slt", "en", ENGLISH),
        ("flite/awb", "en", ENGLISH),
        ("espeak/en-gb", "en", ENGLISH),
        ("espeak/nb", "no", NORWEGIAN),
        ("espeak/cmn", "zh", CHINESE),
    ] {
        let (truth, found) = recorded(&json!({ "text": text, "voice": voice, "language": language }), text);
        assert_eq!((&found["timing"], &found["engine"]), (&json!("aligned"), &json!("recording")));
        assert_times(&found, text);
        let starts = |output: &Value| -> Vec<f64> {
            output["words"]
                .as_array()
                .unwrap()
                .iter()
                .map(|word| word["start_ms"].as_f64().unwrap())
                .collect()
        };
        let errors: Vec<f64> =
            starts(&truth).iter().zip(starts(&found)).map(|(one, other)| (one - other).abs()).collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let worst = errors.iter().copied().fold(0.0, f64::max);
        assert!(mean < 150.0 && worst < 600.0, "{voice}: mean {mean:.0} ms, worst {worst:.0} ms");
        // Shared out over the whole length by letters alone, words would be further off.
        let duration = truth["duration_ms"].as_f64().unwrap();
        let words = truth["words"].as_array().unwrap();
        let letters: Vec<f64> =
            words.iter().map(|word| word["text"].as_str().unwrap().chars().count() as f64).collect();
        let whole: f64 = letters.iter().sum();
        let mut at = 0.0;
        let mut sum = 0.0;
        for (start, count) in starts(&truth).into_iter().zip(letters) {
            sum += (start - at / whole * duration).abs();
            at += count;
        }
        let naive = sum / errors.len() as f64;
        assert!(mean < 0.9 * naive, "{voice}: {mean:.0} ms against {naive:.0}");
    }
}

#[test]
fn a_recording_in_another_form_is_read_and_kept() {
    let (spoken, scratch) = speak(json!({ "text": "The sea rises. The sea falls." }));
    let spoken = spoken.unwrap();
    // A WAV file with two channels of floats, which only libav reads here.
    let (rate, samples) = wave(&scratch.path().join("speech.wav"));
    let body: Vec<u8> =
        samples.iter().flat_map(|sample| (f32::from(*sample) / 32768.0).to_le_bytes().repeat(2)).collect();
    let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x03\0\x02\0".to_vec();
    file.extend([rate.to_le_bytes(), (rate * 8).to_le_bytes()].concat());
    file.extend(b"\x08\0\x20\0data");
    file.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    file.extend(body);
    let path = scratch.path().join("mine.WAV");
    std::fs::write(&path, &file).unwrap();
    let own = tempfile::tempdir().unwrap();
    let with = json!({ "text": "The sea rises. The sea falls.", "audio": testing::artifact(&path, "audio/wav"), "rate": 1.5 });
    let found = testing::run::<Speak>(with, own.path()).unwrap();
    assert_eq!(std::fs::read(own.path().join("speech.wav")).unwrap(), file);
    assert_eq!((&found["audio"]["name"], &found["sample_rate"]), (&json!("mine.WAV"), &json!(16000)));
    assert_eq!(found["notes"].as_array().unwrap().len(), 1);
    let (length, spoken) = (found["duration_ms"].as_f64().unwrap(), spoken["duration_ms"].as_f64().unwrap());
    assert!((length - spoken).abs() < 20.0, "{length} {spoken}");
}

#[test]
fn what_is_no_sound_is_invalid_input() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("notes.txt");
    std::fs::write(&path, "no sound").unwrap();
    let recording = testing::artifact(&path, "audio/mpeg");
    let error = speak(json!({ "text": "hi", "audio": recording })).0.unwrap_err();
    assert_eq!((error.class(), error.failure().code.as_str()), (FailureClass::InvalidInput, "bad_media"));
    let error = speak(json!({ "text": "hi", "audio": recording, "voice": "flite/slt" })).0.unwrap_err();
    assert!(error.failure().message.contains("both a voice and `audio`"), "{error}");
}

#[test]
fn no_voice_is_silence_with_the_times_that_words_would_have() {
    let text = "The sea rises twice a day. Then, slowly, it falls.";
    let (output, scratch) = speak(json!({ "text": text, "voice": "none" }));
    let output = output.unwrap();
    assert_eq!((&output["timing"], &output["engine"]), (&json!("estimated"), &json!("none")));
    assert_times(&output, text);
    let (_, samples) = wave(&scratch.path().join("speech.wav"));
    assert!(samples.iter().all(|sample| *sample == 0));
    let duration = output["duration_ms"].as_f64().unwrap();
    let (spoken, _scratch) = speak(json!({ "text": text, "voice": "flite/slt" }));
    let spoken = spoken.unwrap()["duration_ms"].as_f64().unwrap();
    assert!((duration / spoken - 1.0).abs() < 0.35, "{duration} ms against {spoken} ms spoken");
    // The rest after a sentence is longer than that between words.
    let time = |word: usize, field: &str| output["words"][word][field].as_f64().unwrap();
    assert!(time(6, "start_ms") - time(5, "end_ms") > 150.0);
    assert!((time(1, "start_ms") - time(0, "end_ms")).abs() <= 1.0);
    let (quick, _scratch) = speak(json!({ "text": text, "voice": "none", "rate": 2.0 }));
    assert!((quick.unwrap()["duration_ms"].as_f64().unwrap() * 2.0 - duration).abs() < 5.0);
}

#[test]
fn a_recording_of_a_whole_script_is_cut_into_its_scenes() {
    let scenes = [
        "Twice a day the sea climbs the shore. Fishermen know it.",
        "The moon is the cause of most of it, and the sun pulls as well.",
        "In a narrow bay, the tide can climb higher than a house!",
    ];
    let (spoken, scratch) = speak(json!({ "text": scenes.join(" ") }));
    let spoken = spoken.unwrap();
    let recording = testing::artifact(&scratch.path().join("speech.wav"), "audio/wav");
    let list: Vec<Value> = scenes
        .iter()
        .enumerate()
        .map(|(at, text)| json!({ "id": format!("s{at}"), "narration": text }))
        .collect();
    let out = tempfile::tempdir().unwrap();
    let output = testing::run::<Split>(json!({ "audio": recording, "scenes": list }), out.path()).unwrap();
    let cut = output["scenes"].as_array().unwrap();
    assert_eq!(cut.len(), 3);
    let mut word = 0;
    let mut start = 0;
    let mut samples = 0;
    for (scene, text) in cut.iter().zip(scenes) {
        assert_times(scene, text);
        // The scene's first word was said where it is found, and not cut into.
        let truth = spoken["words"][word]["start_ms"].as_i64().unwrap();
        let found = start + scene["words"][0]["start_ms"].as_i64().unwrap();
        assert!((truth - found).abs() < 120 && truth >= start, "{truth} {found} {start}");
        word += scene["words"].as_array().unwrap().len();
        start += scene["duration_ms"].as_i64().unwrap();
        let (rate, part) = wave(&out.path().join(scene["audio"]["$file"].as_str().unwrap()));
        assert_eq!(rate, 48_000);
        assert_eq!((part[0], part[part.len() - 1]), (0, 0), "no clicks where it was cut");
        samples += part.len() / 2;
    }
    let whole = spoken["duration_ms"].as_f64().unwrap();
    assert!((samples as f64 / 48.0 - whole).abs() < 50.0 && (start as f64 - whole).abs() < 5.0);
    let twice = json!({ "audio": recording, "scenes": [list[0], list[0]] });
    assert!(testing::run::<Split>(twice, out.path()).unwrap_err().failure().message.contains("`s0`"));
    let silent = json!({ "audio": recording, "scenes": [{ "id": "x", "narration": "…" }] });
    assert!(testing::run::<Split>(silent, out.path()).unwrap_err().failure().message.contains("`x`"));
}
