//! The scheduler: starts the runs of triggers when they are due. Every process may run one, and needs to know of no
//! other: a firing has a run id of its own, so that two schedulers that fire it submit one run.
//!
//! `scheduler` looks at every trigger when it is due; `ports` are what it asks of whoever runs it; `folder` lists the
//! files of a watched folder. When something is due, and what then happens, `reelmill-triggers` decides.

mod folder;
mod ports;
mod scheduler;

pub use ports::{Launch, LaunchError, Launcher, SystemTimer, Timer};
pub use scheduler::{Fired, Registered, Scheduler};
