//! Music by services. What comes is kept as it came, once libav has found sound in it.

use crate::chain::Made;
use crate::types::{self, Input};
use reelmill_http::{Answer, Builder, Service, Settings, minimax as envelope};
use reelmill_media::{ErrorKind, probe};
use reelmill_sdk::prelude::*;
use std::time::Duration;

const SETTINGS: Settings = Settings {
    address: "sources.base_url",
    key: "sources.key",
    timeout: "timeout_seconds",
    subject: "sources.model",
    allow: "",
};
/// Bytes of one answer at the most: ten minutes at 320 kb/s in hexadecimal digits, and room to spare.
const ANSWER_BYTES_MAX: u64 = 96 << 20;

fn common(builder: Builder, input: &Input) -> Builder {
    builder
        .settings(SETTINGS)
        .timeout(Duration::from_secs(input.timeout_seconds.into()))
        .answer_bytes_max(ANSWER_BYTES_MAX)
}

/// `ElevenLabs` Music: JSON in, sound out.
pub fn elevenlabs(source: &types::ElevenLabs, input: &Input, cx: &Cx<'_>) -> Result<Made, StageError> {
    let service = common(Service::new("ElevenLabs", source.base_url.as_str()), input)
        .secret_header("xi-api-key", &source.key)
        .open()?;
    let mut prompt = input.wish();
    let mut notes = unseeded(input, "ElevenLabs takes no seed beside a prompt: every time it is other music");
    match &input.lyrics {
        Some(lyrics) if !input.instrumental => prompt = format!("{prompt}\n\nLyrics:\n{lyrics}"),
        Some(_) => notes.push("`lyrics` are not sung where `instrumental` is true".to_owned()),
        None => {}
    }
    let body = json!({
        "prompt": prompt, "music_length_ms": input.seconds * 1000, "model_id": source.model,
        "force_instrumental": input.instrumental
    });
    cx.progress(&Progress { phase: "asking ElevenLabs".into(), ..Progress::default() });
    let request = service.post("/v1/music").query("output_format", source.format.as_str());
    let answer = request.json(&body).send(cx)?;
    let kind = answer.media_type();
    if !kind.starts_with("audio/") && kind != "application/octet-stream" {
        return Err(answer.malformed(&format!("music is wanted, but `{kind}` came: {}", answer.quote())));
    }
    kept(&answer, answer.bytes(), "elevenlabs", notes, cx)
}

/// `MiniMax` music: JSON in, sound in hexadecimal digits out.
pub fn minimax(source: &types::MiniMax, input: &Input, cx: &Cx<'_>) -> Result<Made, StageError> {
    let service =
        common(Service::new("MiniMax", source.base_url.as_str()), input).bearer(&source.key).open()?;
    let mut body = json!({
        "model": source.model, "prompt": input.wish(), "is_instrumental": input.instrumental,
        "stream": false, "output_format": "hex",
        "audio_setting": { "sample_rate": 44_100, "bitrate": 256_000, "format": "mp3" }
    });
    let mut notes = unseeded(input, "MiniMax takes no seed: every time it is other music");
    notes.push("MiniMax chooses the length of its music by itself".to_owned());
    match (&input.lyrics, input.instrumental) {
        (Some(lyrics), false) => body["lyrics"] = json!(lyrics),
        // It writes words of its own.
        (None, false) => body["lyrics_optimizer"] = json!(true),
        (Some(_), true) => notes.push("`lyrics` are not sung where `instrumental` is true".to_owned()),
        (None, true) => {}
    }
    cx.progress(&Progress { phase: "asking MiniMax".into(), ..Progress::default() });
    let answer = service.post("/v1/music_generation").json(&body).send(cx)?;
    let data = envelope::data(&answer)?;
    kept(&answer, &envelope::sound(&answer, &data)?, "minimax", notes, cx)
}

fn unseeded(input: &Input, note: &str) -> Vec<String> {
    if input.seed == 0 { Vec::new() } else { vec![note.to_owned()] }
}

/// Keeps what came, once sound was found in it.
fn kept(
    answer: &Answer,
    bytes: &[u8],
    source: &'static str,
    notes: Vec<String>,
    cx: &Cx<'_>,
) -> Result<Made, StageError> {
    let (ending, media_type) = form(bytes);
    let path = cx.output(&format!("music.{ending}"));
    std::fs::write(&path, bytes).context("keep the music")?;
    let found = match probe(&path) {
        Ok(info) => match info.audio.map(|audio| audio.duration_ms).filter(|ms| *ms > 0) {
            Some(duration_ms) => Ok(Made { path: path.clone(), media_type, duration_ms, source, notes }),
            None => Err(answer.malformed("there is no sound in it")),
        },
        Err(error) if error.kind() == ErrorKind::Input => {
            Err(answer.malformed(&format!("its sound cannot be read: {error}")))
        }
        Err(error) => Err(StageError::internal(error.to_string()).code("media")),
    };
    if found.is_err() {
        let _ = std::fs::remove_file(&path);
    }
    found
}

/// Ending and media type of sound, by how it begins.
fn form(bytes: &[u8]) -> (&'static str, &'static str) {
    match bytes {
        [b'R', b'I', b'F', b'F', ..] => ("wav", "audio/wav"),
        [b'O', b'g', b'g', b'S', ..] => ("ogg", "audio/ogg"),
        [b'f', b'L', b'a', b'C', ..] => ("flac", "audio/flac"),
        _ => ("mp3", "audio/mpeg"),
    }
}
