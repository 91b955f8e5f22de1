//! Looks into videos: `quality.analyse` says what one shows, `quality.gate` whether it is fit to be shown.
//!
//! The rooms: `look` (what is seen), `listen` (what is heard), `checks` (figures against limits; pure), `gate` and
//! `analyse` (the stages), `media` (what they are given). Nothing here changes a file.

mod analyse;
mod checks;
mod gate;
mod listen;
mod look;
mod media;

pub use analyse::Analyse;
pub use checks::{Check, Figures, Likeness, Limits, judge, score};
pub use gate::Gate;
pub use look::Span;

reelmill_sdk::export_plugin! {
    name: "quality",
    version: env!("CARGO_PKG_VERSION"),
    license: "MIT OR Apache-2.0",
    description: "Looks into videos: what they show; length, sync, loudness, black and frozen pictures, likeness",
    stages: [Gate, Analyse],
}
