//! What is remembered from one run to the next: entries that live for a while, sessions and what happened in them, agents
//! and whether they are there, and outcomes, from which choices are learned (`reelmill-learn`).
//!
//! It lies in a file of the home folder, or in a PostgreSQL that all machines share. Both get the same statements
//! (`statements`, `store`); what differs is how they are asked (`sqlite`, `postgres`). Nothing here reads a clock: `now` is
//! an argument.

mod check;
mod database;
mod error;
mod model;
mod postgres;
mod sqlite;
mod statements;
mod store;

pub use error::MemoryError;
pub use model::{
    Agent, Cleaned, Entry, EntryQuery, Event, HistoryQuery, OutcomeQuery, Remembered, Session, Stats,
};
pub use store::{Memory, open};
