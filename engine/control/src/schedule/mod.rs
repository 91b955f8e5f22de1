//! The scheduler: starts the runs of triggers when they are due. Every process may run one, and needs to know of no
//! other: a firing has a run id of its own, so that two schedulers that fire it submit one run.
//!
//! `scheduler` looks at every trigger when it is due; `ports` are what it asks of whoever runs it, and `launcher` is who
//! starts runs in a store; `follow` says which triggers there are; `folder` lists the files of a watched folder; `call`
//! takes the calls of webhooks. When something is due, and what then happens, `reelmill-triggers` decides.

mod call;
mod figures;
mod folder;
mod follow;
mod launcher;
mod ports;
mod scheduler;

pub use call::{Call, CallError, Called, Calls};
pub use figures::Figures;
pub use follow::{follow, triggers_of};
pub use launcher::StoreLauncher;
pub use ports::{Launch, LaunchError, Launched, Launcher, SystemTimer, Timer};
pub use scheduler::{Fired, Registered, Scheduler};
