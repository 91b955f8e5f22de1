//! How much a worker takes on at once, and what follows for that from what attempts were seen to use.
//!
//! [`learned`] keeps what attempts of each stage use, and reckons from it and from what the stage says what the next one
//! will; [`room`] says who of those that wait may enter; [`tune`] decides how many slots a worker has and how much of its
//! machine they may use. All of it is decided from what the worker saw: nothing here looks at a machine or at a clock.

pub mod learned;
pub mod room;
pub mod tune;

pub use learned::{Ask, Learned, Mix, Stages, Used};
pub use room::{Share, beside_others, may_enter};
pub use tune::{Because, Bounds, Change, Room, Scarce, Sight, Tuner};
