//! The doors for pipelines: each stage turns its `with` into a timeline or a call of the rooms beside.

mod analyse;
mod assemble;
mod clip;
mod common;
mod compose;
mod cut;
mod decoder;
mod edl;
mod encode;
mod encode_chunk;
mod encoder;
mod join;
mod learned;
mod music;
mod probe;
mod quality;
mod settings;
mod sound;
mod source;
mod split;
mod subtitles;
mod thumbnail;

pub use analyse::Analyse;
pub use clip::Clip;
pub use compose::Compose;
pub use encode::Encode;
pub use encode_chunk::EncodeChunk;
pub use join::Join;
pub use probe::Probe;
pub use sound::SoundStage;
pub use split::Split;
pub use subtitles::Subtitles;
pub use thumbnail::Thumbnail;
