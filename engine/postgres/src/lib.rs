//! What everything that keeps something in PostgreSQL has in common: one connection, and tables that are brought to the
//! version that a program knows. What is asked, and what it means, its users know.

mod link;
mod schema;

pub use link::{Link, LinkError};
pub use schema::Tables;
