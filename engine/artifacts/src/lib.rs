//! Artifacts: files addressed by the BLAKE3 hash of what is in them, in a folder of this machine and, for a fleet, in
//! a store that all machines share.
//!
//! An object is whole and durable when it has its name: it is written beside, synced, and renamed. It is never
//! written again. This crate knows nothing of runs; what may be removed is the caller's to say.
//!
//! [`Artifacts`] is what callers have. Without a shared store it is [`LocalArtifacts`] alone. With one, the folder is
//! a cache of it: what is put goes on to the shared store before the put returns, and what is fetched comes from there
//! if it is not here.

mod artifacts;
mod block;
mod claim;
mod collect;
mod config;
mod download;
mod error;
mod evict;
mod media;
mod pin;
mod put;
mod remote;
mod store;
mod temp;
mod transfers;

pub use artifacts::Artifacts;
pub use collect::{Collected, Scope};
pub use config::{RemoteConfig, Retry};
pub use error::ArtifactError;
pub use media::media_type;
pub use pin::Pin;
pub use put::PutMode;
pub use store::{LocalArtifacts, Usage};
