//! Along a chain with the real encoders: the first that makes the whole video is taken, and what the others said is kept.

use super::plan::{Chain, Choice};
use crate::encode::{VideoEncoder, VideoSettings};
use crate::error::{Error, Result};

/// How it went with an encoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It made the video.
    Used,
    /// It failed, and the next one was tried.
    Failed,
    /// It was not tried.
    LeftOut,
}

impl Outcome {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Failed => "failed",
            Self::LeftOut => "left_out",
        }
    }
}

/// An encoder and how it went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tried {
    /// Its name in libav.
    pub encoder: String,
    /// How it went.
    pub outcome: Outcome,
    /// The frame at which it failed; nothing where it could not be opened.
    pub frame: Option<u64>,
    /// Why it was taken, or what was wrong with it: libav's words.
    pub reason: String,
}

impl std::fmt::Display for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { encoder, outcome, frame, reason } = self;
        match (outcome, frame) {
            (Outcome::Failed, Some(frame)) => write!(f, "{encoder} failed at frame {frame}: {reason}"),
            (Outcome::Failed, None) => write!(f, "{encoder} could not be opened: {reason}"),
            (Outcome::LeftOut, _) => write!(f, "{encoder} was left out: {reason}"),
            (Outcome::Used, _) => write!(f, "{encoder} was used: {reason}"),
        }
    }
}

/// Opens one encoder of the chain after the other, and makes the whole video with it (`pass`), until one does not fail.
/// `failed` hears at once of each that does. What `pass` has written when its encoder fails is its own to remove.
pub fn walk<T>(
    chain: &Chain,
    settings: &VideoSettings,
    mut failed: impl FnMut(&Tried),
    mut pass: impl FnMut(VideoEncoder) -> Result<T>,
) -> Result<(T, Vec<Tried>)> {
    let mut tried: Vec<Tried> = chain
        .left_out
        .iter()
        .map(|one| Tried {
            encoder: one.encoder.clone(),
            outcome: Outcome::LeftOut,
            frame: None,
            reason: one.reason.clone(),
        })
        .collect();
    for choice in &chain.choices {
        match VideoEncoder::open_choice(settings, choice).and_then(&mut pass) {
            Ok(done) => {
                let (encoder, reason) = (choice.encoder.clone(), choice.why.clone());
                tried.push(Tried { encoder, outcome: Outcome::Used, frame: None, reason });
                return Ok((done, tried));
            }
            Err(error) => {
                let one = fault_of(choice, &error).ok_or(error)?;
                failed(&one);
                tried.push(one);
            }
        }
    }
    Err(Error::Encoders { tried })
}

/// What an error says of the encoder; nothing where it is not the encoder's.
fn fault_of(choice: &Choice, error: &Error) -> Option<Tried> {
    let (frame, reason) = match error {
        Error::Encoder { encoder, frame, reason, log } if *encoder == choice.encoder => {
            let log = if log.is_empty() { String::new() } else { format!(" ({})", log.join("; ")) };
            (*frame, format!("{reason}{log}"))
        }
        Error::Missing { what } if *what == format!("encoder {}", choice.encoder) => {
            (None, "libav on this machine does not have it".to_owned())
        }
        _ => return None,
    };
    Some(Tried { encoder: choice.encoder.clone(), outcome: Outcome::Failed, frame, reason })
}
