//! A chain of sources: the first that can makes the music.

use crate::types::{Fallback, Input, Output, Service, Source};
use crate::{offline, remote};
use reelmill_http::after_a_moment;
use reelmill_sdk::FailureClass;
use reelmill_sdk::prelude::*;
use std::path::PathBuf;
use std::time::Duration;

/// Music as it was made.
pub struct Made {
    pub path: PathBuf,
    pub media_type: &'static str,
    pub duration_ms: u64,
    pub source: &'static str,
    pub notes: Vec<String>,
}

/// Lets the sources try in turn.
pub fn make(input: &Input, cx: &Cx<'_>) -> Result<Output, StageError> {
    let patience = Duration::from_secs(input.patience_seconds.into());
    let mut failures: Vec<(Fallback, StageError)> = Vec::new();
    for source in &input.sources {
        let made = if input.sources.len() == 1 {
            // The only source is not waited for here; the engine tries it again without holding a worker.
            one(source, input, cx)
        } else {
            after_a_moment(patience, &source.label(), cx, || one(source, input, cx))
        };
        match made {
            Ok(made) => return output(made, failures, cx),
            Err(error) if error.class() == FailureClass::Cancelled || input.sources.len() == 1 => {
                return Err(error);
            }
            Err(error) => {
                let failure = error.failure();
                let (code, reason) = (failure.code.clone(), failure.message.clone());
                cx.warn(format!("{} makes no music: {reason}", source.label()));
                failures.push((Fallback { source: source.label(), code, reason }, error));
            }
        }
    }
    Err(all_failed(failures))
}

/// The failure of a chain: of the first source that may do better another time, else of the first.
fn all_failed(mut failures: Vec<(Fallback, StageError)>) -> StageError {
    let reasons: Vec<Fallback> = failures.iter().map(|(fallback, _)| fallback.clone()).collect();
    let hopeful = failures.iter().position(|(_, error)| error.class().is_retryable()).unwrap_or(0);
    let (_, error) = failures.swap_remove(hopeful);
    error.context("none of the sources makes music").detail(json!({ "sources": reasons }))
}

fn one(source: &Source, input: &Input, cx: &Cx<'_>) -> Result<Made, StageError> {
    match source {
        Source::Name(_) => offline::make(input, cx),
        Source::Service(service) => match service.as_ref() {
            Service::Elevenlabs(elevenlabs) => remote::elevenlabs(elevenlabs, input, cx),
            Service::Minimax(minimax) => remote::minimax(minimax, input, cx),
        },
    }
}

fn output(made: Made, failures: Vec<(Fallback, StageError)>, cx: &Cx<'_>) -> Result<Output, StageError> {
    Ok(Output {
        music: OutputFile::new(cx, made.path, made.media_type)?,
        duration_ms: made.duration_ms,
        source: made.source.to_owned(),
        fallbacks: failures.into_iter().map(|(fallback, _)| fallback).collect(),
        notes: made.notes,
    })
}
