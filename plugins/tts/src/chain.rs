//! A chain of voices: the first that can speaks the whole text.

use crate::engine::{self, Manner};
use crate::speech::Speech;
use crate::token::Tokens;
use crate::types::{Fallback, Input, Output, Timing};
use crate::voices::Voice;
use crate::{found, local, remote, silent};
use reelmill_http::after_a_moment;
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;

/// Lets the voices try in turn.
pub fn speak(input: &Input, tokens: &Tokens, cx: &Cx<'_>) -> Result<Output, StageError> {
    let chain = input.chain();
    let mut failures: Vec<(Fallback, StageError)> = Vec::new();
    for voice in chain {
        match patiently(voice, input, tokens, cx) {
            Ok(mut speech) => {
                let mut fallbacks: Vec<Fallback> =
                    failures.into_iter().map(|(fallback, _)| fallback).collect();
                fallbacks.extend(time(&mut speech, input, tokens, cx)?);
                return speech.finish(input, fallbacks, cx);
            }
            Err(error) if error.class() == FailureClass::Cancelled || chain.len() == 1 => return Err(error),
            Err(error) => {
                let failure = error.failure();
                let (code, reason) = (failure.code.clone(), failure.message.clone());
                cx.warn(format!("the voice {} does not speak: {reason}", voice.label()));
                failures.push((Fallback { voice: voice.label(), code, reason }, error));
            }
        }
    }
    Err(all_failed(failures))
}

/// Has the words of a voice that says no times recognised, where somebody is given who can. What comes instead, when not.
fn time(
    speech: &mut Speech,
    input: &Input,
    tokens: &Tokens,
    cx: &Cx<'_>,
) -> Result<Option<Fallback>, StageError> {
    if speech.timing != Timing::Aligned || input.recognition.is_none() {
        return Ok(None);
    }
    let texts = tokens.texts(0..tokens.ranges.len());
    let found = found::words(&speech.samples, speech.sample_rate, &texts, &input.wish(), cx)?;
    // What was aligned part by part is better than the whole aligned at once.
    if found.timing == Timing::Recognised {
        speech.retime(&found.spans, found.timing);
    }
    Ok(found.fallback)
}

/// One voice of a chain, asked again where it wants to be left alone for a moment only: a worse voice is no remedy for
/// that. The only voice is not waited for here; the engine tries it again without holding a worker.
fn patiently(voice: &Voice, input: &Input, tokens: &Tokens, cx: &Cx<'_>) -> Result<Speech, StageError> {
    let one = || one(voice, input, tokens, cx);
    if input.chain().len() == 1 {
        return one();
    }
    after_a_moment(input.patience(), &format!("the voice {}", voice.label()), cx, one)
}

/// The failure of a chain: of the first voice that may do better another time, else of the first.
fn all_failed(mut failures: Vec<(Fallback, StageError)>) -> StageError {
    let reasons: Vec<Fallback> = failures.iter().map(|(fallback, _)| fallback.clone()).collect();
    let hopeful = failures.iter().position(|(_, error)| error.class().is_retryable()).unwrap_or(0);
    let (_, error) = failures.swap_remove(hopeful);
    error.context("none of the voices speaks").detail(json!({ "voices": reasons }))
}

fn one(voice: &Voice, input: &Input, tokens: &Tokens, cx: &Cx<'_>) -> Result<Speech, StageError> {
    match voice {
        Voice::Name(name) if name.trim().eq_ignore_ascii_case("none") => Ok(silent::speak(input, tokens)),
        Voice::Name(name) => {
            let voice = engine::choose(name, &input.language)?;
            let manner = Manner { rate: input.rate, pitch: input.pitch };
            engine::with(voice.kind, |engine| local::speak(engine, &voice, manner, tokens, cx))
        }
        Voice::Service(service) => remote::speak(service, input, tokens, cx),
    }
}
