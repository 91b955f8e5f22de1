//! What starts runs by itself, as functions: when a schedule is due, what happens when the run before has not ended,
//! when a file has arrived, whether a call is signed. Pure: times and listings are arguments, nothing is remembered
//! but what the caller keeps.
//!
//! A [`Firing`] has a run id of its own, drawn from what fired and when. So schedulers need no leader: two that fire
//! the same firing submit the same run, and the store keeps one.

mod arrival;
mod due;
mod firing;
mod overlap;
mod webhook;

pub use arrival::{Arrivals, FileStat};
pub use due::due;
pub use firing::{Firing, Source, about, call_run_id, run_id};
pub use overlap::{Came, Decision, Mark, Told, decide};
pub use webhook::{BODY_SIGNATURE, BadSignature, SIGNATURE, Signed, TIMESTAMP, sign, verify};
