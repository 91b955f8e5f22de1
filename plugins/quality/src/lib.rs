//! Looks into finished videos and says whether they are fit to be shown: `quality.gate`.
//!
//! The rooms: `look` (what is seen), `listen` (what is heard), `checks` (figures against limits; pure), `gate` (the
//! stage), `media` (what it is given). Nothing here changes a file.

mod checks;
mod gate;
mod listen;
mod look;
mod media;

pub use checks::{Check, Figures, Likeness, Limits, judge, score};
pub use gate::Gate;
pub use look::Span;

reelmill_sdk::export_plugin! {
    name: "quality",
    version: env!("CARGO_PKG_VERSION"),
    license: "MIT OR Apache-2.0",
    description: "Checks finished videos: length, sync, loudness, black and frozen pictures, likeness",
    stages: [Gate],
}
