//! What happens next: start, lease, settle, expand, cancel, retry, as pure functions over rows.
//!
//! A store loads rows through [`Source`], lets a [`Transaction`] decide, and writes the rows that it changed:
//! Rust decides, the store applies. Nothing here does I/O, reads a clock or draws at random; the moment and the
//! seed are arguments. All stores share these functions, so that they cannot disagree.

pub mod admit;
mod approval;
mod cancel;
mod compensate;
pub mod edits;
mod expand;
mod lease;
pub mod limits;
pub mod path;
mod pause;
mod phase;
pub mod policy;
pub mod rate;
pub mod registry;
mod retry;
pub mod rows;
mod settle;
pub mod slots;
mod start;
pub mod transaction;
mod work;

pub use admit::{Admit, admit};
pub use approval::DecisionRefused;
pub use edits::Edits;
pub use lease::{BeatOutcome, Lease, Leased, Only};
pub use limits::{Admission, Asks, PlaceAsk, StartAsk};
pub use path::{Place, task_path};
pub use pause::PauseRefused;
pub use policy::Dice;
pub use retry::{RetryRefused, RetryScope};
pub use rows::{Damage, Fan, InstanceRow, NewEvent, RunRow, TaskRow};
pub use settle::Rejected;
pub use transaction::{PRIORITY, ReadyKey, Source, Transaction, Wish, rank};
pub use work::{Change, Changes};
