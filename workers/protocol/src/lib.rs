//! What a worker and the process that runs its plugin say to each other, over a Unix socket that is the
//! process's file descriptor 0.
//!
//! There are two codecs with one meaning. [`frame`]s carry messages between worker and `reelmill-runner`, which
//! has loaded a native plugin. [`line`]s are for `kind: exec` plugins: one JSON object a line, so that a script
//! needs nothing but its standard library. Standard output and standard error of a plugin's process never
//! carry messages: they become log lines.
//!
//! ```text
//! worker                      process
//!   load ───────────────────▶  sandboxes itself, loads the plugin, opens the stage
//!   ◀─────────────────── ready (or fail)
//!   run 1 ──────────────────▶
//!   ◀──────── log, progress, … reply 1 or fail 1
//!   cancel 1 ───────────────▶  (at any time; the process answers with its fail, or is killed)
//!   end of stream ──────────▶  closes and exits
//! ```
//!
//! Nothing here does input or output: bytes in, messages out.

pub mod frame;
pub mod line;
pub mod message;

pub use frame::FrameReader;
pub use line::LineReader;
pub use message::{Confinement, FromRunner, Load, Program, Protection, SandboxReport, ToRunner};

/// The other side broke the protocol.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    /// A message is longer than the limit.
    #[error("a message of {0} bytes is over the limit of {max}", max = reelmill_model::limits::FRAME_BYTES_MAX)]
    TooLong(usize),
    /// A frame has a tag nobody knows.
    #[error("a message has the unknown tag {0}")]
    UnknownTag(u8),
    /// A frame ends before its fields do.
    #[error("a message with tag {0} is cut short")]
    CutShort(u8),
    /// JSON that is none, or of another shape.
    #[error("a message could not be read: {0}")]
    Json(#[from] serde_json::Error),
}
