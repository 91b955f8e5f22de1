//! `video.encode_chunk`: some frames of a long video, pictures only.

use super::common::{Watch, failure, traits};
use super::encoder::used;
use super::settings::{Chunk, Settings};
use super::source::Source;
use crate::render::render_part;
use crate::timeline::Fit;
use reelmill_sdk::prelude::*;

/// A chunk of a video.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The source that `video.split` was given.
    source: Source,
    /// `settings` of `video.split`.
    settings: Settings,
    /// One of its `chunks`.
    chunk: Chunk,
}

/// An encoded chunk.
#[derive(Clone, PartialEq, Debug, Serialize, JsonSchema)]
pub struct EncodedChunk {
    /// Its pictures.
    #[schemars(extend("x-media-types" = ["video/mp4"]))]
    pub video: OutputFile,
    /// Its first frame in the video.
    pub from: u64,
    /// Its frames.
    pub frames: u64,
    /// Length of the file.
    pub bytes: u64,
    /// The encoder that made it.
    pub encoder: String,
}

/// The stage.
pub struct EncodeChunk;

impl Stage for EncodeChunk {
    const ID: &'static str = "encode_chunk";
    const VERSION: &'static str = "1.0.0";
    const SUMMARY: &'static str = "Encodes some frames of a long video, to be joined with the others";
    type Input = Input;
    type Output = EncodedChunk;

    fn traits() -> StageTraits {
        let traits = traits(1, 3_072, Vec::new());
        StageTraits { needs: Needs { gpu: true, ..traits.needs }, ..traits }
    }

    fn open() -> Result<Self, StageError> {
        Ok(Self)
    }

    fn run(&mut self, input: Input, cx: &Cx<'_>) -> Result<EncodedChunk, StageError> {
        let Chunk { id, from, frames } = input.chunk;
        let ready = input.source.ready(Fit::default())?;
        let chain = input.settings.chain(cx)?;
        let to = cx.output(&format!("chunk_{from}.mp4"));
        let end = from
            .checked_add(frames)
            .ok_or_else(|| StageError::invalid_input(format!("chunk {id} has more frames than there are")))?;
        let output = input.settings.output();
        let (bytes, tried) =
            render_part(&chain, &ready.timeline, &output, from..end, &to, cx.scratch(), &Watch(cx))
                .map_err(failure)?;
        let video = OutputFile::new(cx, &to, "video/mp4")?;
        Ok(EncodedChunk { video, from, frames, bytes, encoder: used(&tried) })
    }
}
