//! The doors for pipelines: each stage turns its `with` into a timeline or a call of the rooms beside.

mod assemble;
mod clip;
mod common;
mod compose;
mod cut;
mod edl;
mod encode;
mod music;
mod source;
mod subtitles;
mod thumbnail;

pub use clip::Clip;
pub use compose::Compose;
pub use encode::Encode;
pub use subtitles::Subtitles;
pub use thumbnail::Thumbnail;
