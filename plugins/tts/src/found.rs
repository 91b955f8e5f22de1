//! Where the words of a text are in a recording of it: by a recogniser where one is given, else, or where it fails, by
//! pauses and syllables.

use crate::align;
use crate::matching;
use crate::recognise::{Recogniser, recognise};
use crate::types::{Fallback, Timing};
use reelmill_http::after_a_moment;
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use std::time::Duration;

/// Who is asked.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    pub recogniser: Option<&'a Recogniser>,
    /// The language of the text, where it is known.
    pub language: Option<&'a str>,
    /// How long the recogniser may ask to wait.
    pub patience: Duration,
}

/// What was found.
pub struct Found {
    /// A span for each word, in milliseconds.
    pub spans: Vec<(f64, f64)>,
    pub timing: Timing,
    /// Why the recogniser did not find them.
    pub fallback: Option<Fallback>,
}

/// Finds the words.
pub fn words(
    samples: &[i16],
    rate: u32,
    texts: &[&str],
    wish: &Wish<'_>,
    cx: &Cx<'_>,
) -> Result<Found, StageError> {
    let aligned =
        |fallback| Ok(Found { spans: align::spans(samples, rate, texts), timing: Timing::Aligned, fallback });
    let Some(recogniser) = wish.recogniser else { return aligned(None) };
    match recognised(samples, rate, texts, recogniser, wish, cx) {
        Ok(spans) => Ok(Found { spans, timing: Timing::Recognised, fallback: None }),
        Err(error) if error.class() == FailureClass::Cancelled => Err(error),
        Err(error) => {
            let failure = error.failure();
            cx.warn(format!("the words are not recognised but aligned: {}", failure.message));
            let (code, reason) = (failure.code.clone(), failure.message.clone());
            aligned(Some(Fallback { voice: recogniser.label(), code, reason }))
        }
    }
}

fn recognised(
    samples: &[i16],
    rate: u32,
    texts: &[&str],
    recogniser: &Recogniser,
    wish: &Wish<'_>,
    cx: &Cx<'_>,
) -> Result<Vec<(f64, f64)>, StageError> {
    let heard = after_a_moment(wish.patience, "the recogniser", cx, || {
        recognise(samples, rate, recogniser, wish.language, cx)
    })?;
    let duration_ms = samples.len() as f64 * 1000.0 / f64::from(rate.max(1));
    let matched = matching::of(&heard.words, texts, duration_ms);
    if matched.is_believed() { Ok(matched.spans) } else { Err(another_text(matched.agreement)) }
}

/// The failure of a recording of something else.
pub fn another_text(agreement: f64) -> StageError {
    StageError::invalid_input(format!(
        "the recogniser heard {:.0} % of the text only: the recording is of another one, or in another language",
        agreement * 100.0
    ))
    .code("another_text")
}
