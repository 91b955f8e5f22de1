//! The real offline engines.

use super::{assert_times, loudness, speak, wave};
use crate::{Input, Speak, engine};
use reelmill_sdk::prelude::*;
use reelmill_sdk::{FailureClass, testing};

const TEXT: &str =
    "“Twice a day,” said Dr. Smith — in 1999 — the sea rises by 3.5 m & falls again. Then it rests.";

#[test]
fn every_voice_speaks_and_times_every_word() {
    for (voice, language, engine, text) in [
        ("auto", "en", "flite", TEXT),
        ("flite/rms", "en", "flite", TEXT),
        ("flite/kal", "en", "flite", TEXT),
        ("flite/kal16", "en", "flite", TEXT),
        ("flite/awb", "en", "flite", TEXT),
        ("espeak/en-gb", "en", "espeak-ng", TEXT),
        ("auto", "no", "espeak-ng", "Tidevannet kommer to ganger om dagen. Så går det ut igjen."),
        ("auto", "de", "espeak-ng", "Zweimal am Tag steigt das Meer, und zweimal fällt es."),
        ("auto", "zh", "espeak-ng", "潮水每天涨落两次。月亮拉动海水。"),
    ] {
        let (output, scratch) = speak(json!({ "text": text, "voice": voice, "language": language }));
        let output = output.unwrap();
        assert_eq!(output["engine"], engine);
        assert_eq!(output["timing"], "provider", "{voice} {language}");
        assert_eq!((&output["fallbacks"], &output["characters"]), (&json!([]), &json!(0)));
        assert_times(&output, text);
        let (rate, samples) = wave(&scratch.path().join("speech.wav"));
        assert_eq!(u64::from(rate), output["sample_rate"].as_u64().unwrap());
        let duration = samples.len() as f64 * 1000.0 / f64::from(rate);
        assert!((duration - output["duration_ms"].as_f64().unwrap()).abs() <= 1.0);
        assert!(loudness(&samples) > 200.0, "{voice} is silent");
    }
}

#[test]
fn word_times_fall_on_sound_not_on_the_pause_between_sentences() {
    let (output, scratch) = speak(json!({ "text": "Boats. Boats." }));
    let output = output.unwrap();
    let (rate, samples) = wave(&scratch.path().join("speech.wav"));
    let part = |from: u64, to: u64| {
        let at = |ms: u64| (ms * u64::from(rate) / 1000) as usize;
        loudness(&samples[at(from)..at(to)])
    };
    let time = |word: usize, field: &str| output["words"][word][field].as_u64().unwrap();
    let pause = part(time(0, "end_ms") + 20, time(1, "start_ms") - 20);
    for word in 0..2 {
        let sound = part(time(word, "start_ms"), time(word, "end_ms"));
        assert!(sound > 5.0 * pause, "word {word}: {sound} against {pause}");
    }
}

#[test]
fn rate_pitch_and_volume_do_what_they_say_and_do_not_stay() {
    for voice in ["flite/slt", "espeak/en"] {
        let scratch = tempfile::tempdir().unwrap();
        let bench = testing::Bench::new(scratch.path());
        let mut stage = Speak::open().unwrap();
        let mut say = |extra: Value| {
            let mut with = json!({ "text": "Our boats are away all year long.", "voice": voice });
            with.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            let output = bench.run_on(&mut stage, with).unwrap();
            let (rate, samples) = wave(&scratch.path().join("speech.wav"));
            (output["duration_ms"].as_f64().unwrap(), pitch(rate, &samples), loudness(&samples))
        };
        let (duration, hertz, loud) = say(json!({}));
        assert!(say(json!({ "rate": 0.6 })).0 > 1.3 * duration, "{voice}");
        let high = say(json!({ "pitch": 1.5 })).1;
        assert!(high > 1.3 * hertz && high < 1.7 * hertz, "{voice}: {high} Hz against {hertz}");
        let soft = say(json!({ "volume": 0.5 })).2;
        assert!(soft > 0.4 * loud && soft < 0.6 * loud, "{voice}: {soft} against {loud}");
        assert!(say(json!({ "volume": 0 })).2 < f64::EPSILON);
        // Settings of one call must not stay for the next.
        let (again, same_hertz, same_loud) = say(json!({}));
        for (one, other) in [(again, duration), (same_hertz, hertz), (same_loud, loud)] {
            assert!((one / other - 1.0).abs() < 0.05, "{voice}: {one} against {other}");
        }
    }
}

/// The pitch in hertz: in each loud tenth of a second the lag at which the wave is most like itself, and of these
/// the median.
fn pitch(rate: u32, samples: &[i16]) -> f64 {
    let rate = rate as usize;
    let mut lags: Vec<usize> = samples
        .chunks_exact(rate / 10)
        .filter(|frame| loudness(frame) >= 0.5 * loudness(samples))
        .map(|frame| {
            let likeness = |lag: usize| {
                let pairs = frame[lag..].iter().zip(frame);
                pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() / (frame.len() - lag) as f64
            };
            (rate / 400..rate / 60).max_by(|a, b| likeness(*a).total_cmp(&likeness(*b))).unwrap()
        })
        .collect();
    lags.sort_unstable();
    rate as f64 / lags[lags.len() / 2] as f64
}

#[test]
fn texts_that_cannot_be_said_are_invalid_input() {
    for (with, code) in [
        (json!({ "text": "  \n " }), "nothing_to_say"),
        (json!({ "text": "… — 🙂" }), "nothing_to_say"),
        (json!({ "text": "潮水" }), "unreadable_text"),
        (json!({ "text": "hi", "voice": "espeak/xx-nowhere" }), "no_such_voice"),
        (json!({ "text": "hi", "voice": "flite/nobody" }), "no_such_voice"),
        (json!({ "text": "hi", "rate": 9 }), ""),
        (json!({ "text": "a ".repeat(crate::types::TEXT_CHARS_MAX) }), ""),
    ] {
        let error = speak(with.clone()).0.unwrap_err();
        assert_eq!(
            (error.class(), error.failure().code.as_str()),
            (FailureClass::InvalidInput, code),
            "{with} {error}"
        );
    }
}

#[test]
fn odd_texts_keep_every_word() {
    for text in [
        "a@b.com & 50% of O'Brien's 10:30...",
        "naïve Ærø “café” 42 €",
        "hello.World a,b one",
        "MIXED 潮水 words",
        "never ending words without any stop ".repeat(30).trim_end(),
        "\"(quoted)\" [brackets] {braces} <angle> http://example.org/a?b=c#d",
    ] {
        for voice in ["flite/slt", "espeak/en"] {
            let (output, _scratch) = speak(json!({ "text": text, "voice": voice }));
            assert_times(&output.unwrap(), text);
        }
    }
}

#[test]
fn a_long_text_stops_when_it_is_cancelled() {
    let scratch = tempfile::tempdir().unwrap();
    let bench = testing::Bench::new(scratch.path()).cancel_at_question(3);
    let text = "A short sentence. ".repeat(50);
    assert_eq!(bench.run::<Speak>(json!({ "text": text })).unwrap_err().class(), FailureClass::Cancelled);
    // How much of its progress is sent depends on how quick it is.
    let said = bench.progress();
    assert!(!said.is_empty() && said.iter().all(|progress| progress.done < 2.0), "two were begun: {said:?}");
    assert!(!scratch.path().join("speech.wav").exists());
}

#[test]
fn a_missing_library_names_its_package() {
    let error = engine::load("libreelmill-no-such-library.so.1", "libflite1").err().unwrap();
    assert_eq!(
        (error.class(), error.failure().code.as_str()),
        (FailureClass::InvalidConfig, "missing_library")
    );
    assert!(error.failure().message.contains("apt install libflite1"), "{error}");
}

#[test]
fn defaults_are_those_of_the_schema() {
    let input: Input = serde_json::from_value(json!({ "text": "x" })).unwrap();
    assert_eq!((input.language.as_str(), input.voice.label().as_str()), ("en", "auto"));
}
