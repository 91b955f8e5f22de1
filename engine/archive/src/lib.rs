//! A fleet's store and its archive as one: work happens in the first, and ended runs are moved to the second, so that
//! Redis holds what is alive and little more. The archive is a file of the embedded store on one machine, or a database
//! in PostgreSQL that all machines share ([`PostgresArchive`]). Listings, `status`, `why` and `logs` read both.
//!
//! A run is kept in the archive before it is trimmed from the store; a crash in between leaves it in both, and it is
//! listed once. Everything that is alive goes on while the archive is away.

mod figures;
mod keeper;
mod mover;
mod postgres;
mod store;
mod stuck;
mod young;

pub use figures::Figures;
pub use keeper::{Keeper, Kept};
pub use mover::{Moved, Mover};
pub use postgres::PostgresArchive;
pub use store::Archived;
