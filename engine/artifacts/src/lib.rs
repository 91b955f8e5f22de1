//! Artifacts on the local disk: files addressed by the BLAKE3 hash of what is in them.
//!
//! An object is whole and durable when it has its name: it is written beside, synced, and renamed. It is never
//! written again. This crate knows nothing of runs; what may be removed is the caller's to say.

mod collect;
mod error;
mod media;
mod put;
mod store;
mod temp;

pub use collect::Collected;
pub use error::ArtifactError;
pub use media::media_type;
pub use put::PutMode;
pub use store::{LocalArtifacts, Usage};
