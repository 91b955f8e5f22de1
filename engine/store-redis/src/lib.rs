//! The store of a fleet, in Redis (7 or newer), Valkey or Redis Cluster.
//!
//! Runs lie in partitions, each with one hash tag (`keys`). A process has a thread a partition (`desk`) whose `link`
//! lets `reelmill-lifecycle` decide on the rows that its `book` remembers or `source` reads, writes down what changed
//! as `block`s, and sends them with its wishes for tasks in one call of `lua/step.lua`. The script checks of every run
//! that it is as the decision saw it, applies the changes of those that are, and leases. So a worker that works alone
//! on a run needs one round trip a batch, and two that settle in the same run at once need one more: the second decides
//! again on what the first has left.
//!
//! A lease makes no decision out of date: it stands in front of its task's row (`codec::write_task`), is counted in the
//! head of its run's, and is found in an index of ends.

mod archive;
mod block;
mod book;
mod cache;
mod clerk;
mod codec;
mod connect;
mod deed;
mod desk;
mod ear;
mod error;
mod events;
mod fleet;
mod graphs;
mod health;
mod index;
mod keys;
mod leased;
mod limits;
mod line;
mod link;
mod log;
mod marks;
mod offer;
mod pack;
mod pen;
mod queue;
mod readers;
mod reading;
mod registry;
mod resp;
mod runs;
mod scripts;
mod socket;
mod source;
mod store;
mod wake;
mod wire;

pub use connect::{Address, Conn};
pub use health::{ACL_RULES, COMMANDS, Health, look};
pub use store::{Config, RedisStore};
