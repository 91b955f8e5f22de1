//! The embedded store: one `SQLite` file in WAL mode holds runs, tasks, events, logs and the result cache.
//!
//! All state is in SQL, so several processes may open the same file. In each process one thread writes and
//! shares a transaction among the requests that have gathered (`writer`); decisions are those of
//! `reelmill-lifecycle`, whose rows are read by `source` and written by `apply`. Nothing is cached between
//! transactions except graphs, which never change.

mod apply;
mod archive;
mod cache;
mod clock;
mod codec;
mod error;
mod fleet;
mod limits;
mod log;
mod queue;
mod readers;
mod registry;
mod rows;
mod runs;
mod schema;
mod source;
mod store;
mod unit;
mod writer;

pub use clock::SystemClock;
pub use store::SqliteStore;
