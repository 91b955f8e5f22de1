//! Music made on this machine: a score that mood and seed make (`score.rs`), played by simple waves (`play.rs`), and
//! encoded as AAC.

mod play;
mod score;

use crate::chain::Made;
use crate::types::Input;
use reelmill_media::{AudioEncoder, AudioSettings, CHANNELS, ErrorKind, Muxer, RATE};
use reelmill_sdk::prelude::*;
use std::path::Path;

/// Frames that are encoded between two looks whether to stop: half a second.
const CHUNK: usize = RATE as usize / 2;
/// How long the music takes to rise at its start and to fall at its end, in seconds.
const RISE_SECONDS: f32 = 0.8;
const FALL_SECONDS: f32 = 2.0;

/// Makes it.
pub fn make(input: &Input, cx: &Cx<'_>) -> Result<Made, StageError> {
    let round = play::round(&score::compose(input.mood, input.seed), cx)?;
    let path = cx.output("music.m4a");
    let frames = input.seconds as usize * RATE as usize;
    write(&path, &round, frames, cx).inspect_err(|_| drop(std::fs::remove_file(&path)))?;
    let mut notes = Vec::new();
    if input.prompt.is_some() {
        notes.push("music made offline follows `mood`, not `prompt`".to_owned());
    }
    if !input.instrumental {
        notes.push("music made offline has no voice".to_owned());
    }
    let duration_ms = u64::from(input.seconds) * 1000;
    Ok(Made { path, media_type: "audio/mp4", duration_ms, source: "offline", notes })
}

/// Writes the round again and again, so many frames of it.
fn write(path: &Path, round: &[f32], frames: usize, cx: &Cx<'_>) -> Result<(), StageError> {
    let media = |error| failed(&error);
    let mut muxer = Muxer::create(path).map_err(media)?;
    let mut encoder = AudioEncoder::open(AudioSettings { bit_rate: 160_000 }).map_err(media)?;
    let stream = muxer.add_audio(&encoder).map_err(media)?;
    let mut chunk = Vec::with_capacity(CHUNK * CHANNELS);
    for start in (0..frames).step_by(CHUNK) {
        cx.check()?;
        cx.progress(&Progress {
            done: start as f64 / f64::from(RATE),
            total: Some(frames as f64 / f64::from(RATE)),
            unit: "seconds".into(),
            phase: "playing".into(),
            ..Progress::default()
        });
        chunk.clear();
        for frame in start..(start + CHUNK).min(frames) {
            let gain = loudness(frame, frames);
            let at = frame * CHANNELS % round.len();
            chunk.extend(round[at..at + CHANNELS].iter().map(|sample| sample * gain));
        }
        encoder.encode(&chunk, |packet| muxer.write(stream, packet)).map_err(media)?;
    }
    encoder.finish(|packet| muxer.write(stream, packet)).map_err(media)?;
    muxer.finish().map_err(media)?;
    Ok(())
}

/// How loud a frame is: it rises from nothing and falls to nothing.
fn loudness(frame: usize, frames: usize) -> f32 {
    let seconds = |frames: usize| frames as f32 / RATE as f32;
    let (rise, fall) = (seconds(frame) / RISE_SECONDS, seconds(frames - frame) / FALL_SECONDS);
    rise.min(fall).min(1.0)
}

fn failed(error: &reelmill_media::Error) -> StageError {
    match error.kind() {
        ErrorKind::Resource => StageError::resource(error.to_string()).code("not_written"),
        ErrorKind::Setup => StageError::invalid_config(error.to_string()).code("libav_lacks"),
        ErrorKind::Cancelled => StageError::cancelled(),
        _ => StageError::internal(error.to_string()).code("media"),
    }
}
