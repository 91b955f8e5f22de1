//! Content-addressed files on the local disk.
//!
//! ```text
//! <root>/objects/ab/ab12…   one read-only file an artifact, named by its BLAKE3 hash
//! <root>/incoming/          files on their way in; left behind only by processes that died
//! ```
//! A file is written whole, synced, and renamed into place: an address either has its whole content or nothing.
//! Nothing here knows who refers to an artifact; what to keep is the caller's word.

mod collect;
mod error;
mod media_type;
mod store;

pub use collect::Usage;
pub use error::ArtifactError;
pub use media_type::media_type;
pub use store::{LocalArtifacts, PutMode};
