//! A text said by an offline engine, piece by piece.

use crate::engine::{Engine, Manner, OfflineVoice};
use crate::speech::Speech;
use crate::timing::spans;
use crate::token::Tokens;
use crate::types::Timing;
use crate::{align, shape};
use reelmill_sdk::prelude::*;

/// Says a text.
pub fn speak(
    engine: &mut dyn Engine,
    voice: &OfflineVoice,
    manner: Manner,
    tokens: &Tokens,
    cx: &Cx<'_>,
) -> Result<Speech, StageError> {
    let mut speech = Speech::new(voice.kind.name(), &voice.name);
    for (done, piece) in tokens.pieces.iter().enumerate() {
        cx.check()?;
        cx.progress(&Progress {
            done: done as f64,
            total: Some(tokens.pieces.len() as f64),
            unit: "sentences".into(),
            phase: "speaking".into(),
            ..Progress::default()
        });
        let texts = tokens.texts(piece.clone());
        let mut spoken = engine.say(&voice.name, manner, &texts)?;
        if spoken.samples.is_empty() {
            speech.pass_over(&texts);
            continue;
        }
        shape::fade_ends(&mut spoken.samples, spoken.sample_rate);
        let (spans, timing) = if spoken.marks.is_empty() {
            (align::spans(&spoken.samples, spoken.sample_rate, &texts), Timing::Aligned)
        } else {
            let lengths: Vec<usize> = texts.iter().map(|text| text.chars().count()).collect();
            let duration_ms = spoken.samples.len() as f64 * 1000.0 / f64::from(spoken.sample_rate);
            (spans(&spoken.marks, &lengths, duration_ms), Timing::Provider)
        };
        speech.append(&texts, &spoken.samples, spoken.sample_rate, &spans, timing);
    }
    if speech.samples.is_empty() {
        return Err(StageError::invalid_input(format!(
            "the voice `{}` of {} cannot read this text; set `language` to the language it is in",
            voice.name,
            voice.kind.name()
        ))
        .code("unreadable_text"));
    }
    Ok(speech)
}
