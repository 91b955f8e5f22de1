//! The worker's side of the plugin boundary: finds plugins, and spawns, pools and supervises the processes that
//! run them. Whatever a plugin does, an attempt ends with outputs or with a failure that says what happened.
//!
//! ```text
//! Host::run ── check input ── Pool (idle processes) or Process::spawn ── drive ── verdict ── check output
//!                                                      │
//!                                  reelmill-runner ◀───┘ socket on fd 0, output on a pipe, exit on a pidfd
//! ```
//!
//! This crate knows nothing of tasks, leases, artifacts or secrets: the worker has resolved them before.
//! Invariant: every process it starts is waited for, and its files and descriptors are gone after
//! [`Host::shutdown`].

pub mod attempt;
pub mod catalog;
pub mod config;
pub mod plugin;

mod check;
mod drive;
mod environment;
mod host;
mod inline;
mod output;
mod pool;
mod process;
mod quarantine;
mod sys;
mod usage;
mod verdict;

pub use attempt::{Attempt, AttemptEnd, AttemptEvent};
pub use catalog::{Problem, discover};
pub use config::HostConfig;
pub use host::Host;
pub use plugin::Plugin;
pub use reelmill_model::CallInfo;
pub use reelmill_protocol::{Protection, SandboxReport};
