//! The reference twin: the same decisions as every store, over maps. Nothing outlives the process.
//!
//! It is as plain as can be, because simulations compare the others with it. What it lacks in speed (scans
//! where a database has an index) it never lacks in answers.

mod archive;
mod cache;
mod fleet;
mod limits;
mod log;
mod queue;
mod registry;
mod runs;
mod state;
mod store;

pub use store::MemoryStore;
