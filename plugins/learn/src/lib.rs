//! What outcomes teach: which of several ways to do a thing is the best here ([`choose`]), and how long it will take and
//! how much memory it wants ([`predict`]). Pure: history comes in as [`Advice`], dice as a seed.
//!
//! A way to do a thing is an *arm* (`libx264/fast`). What kind of thing it is done to is a *context*, a path from what
//! matters most to what matters least (`h264/talking_head/1080`); while little is known of a context, what is known of
//! those around it helps out. Durations and sizes are learned as logarithms for each unit of work, so that a long video and
//! a short one teach the same.

mod advice;
mod choose;
mod dice;
mod outcome;
mod posterior;
mod predict;
mod summary;

pub use advice::{Advice, ArmHistory};
pub use choose::{Ask, Choice, Goal, choose};
pub use outcome::{Measures, Outcome};
pub use predict::{Prediction, predict};
pub use summary::Summary;

/// Observations after which something is believed without what is known of others.
pub const KNOWN_MIN: u64 = 3;
