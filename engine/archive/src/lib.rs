//! A fleet's store and its archive as one: work happens in the first, and ended runs are moved to the second, so that
//! Redis holds what is alive and little more. The archive is a file of the embedded store on one machine, or a database
//! in PostgreSQL that all machines share ([`PostgresArchive`]). Listings, `status`, `why` and `logs` read both.
//!
//! A run is kept in the archive before it is trimmed from the store; a crash in between leaves it in both, and it is
//! listed once.

mod mover;
mod postgres;
mod store;

pub use mover::{Retention, move_ended, run};
pub use postgres::PostgresArchive;
pub use store::Archived;
