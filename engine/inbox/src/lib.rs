//! The way in for other systems: whoever can write to a Redis stream can submit a run, with nothing but an ordinary
//! Redis client.
//!
//! ```text
//! XADD rm:inbox * envelope '{"version":1,"id":"order-17","pipeline":"demo","inputs":{"topic":"Tides"}}'
//! ```
//! The walk: a producer adds an [`Envelope`]; one of the consumers ([`Consumer`]) reads it (`stream`), takes it apart
//! ([`parse`]), hands it to whoever submits ([`Submitter`]), and deletes it when the run is durable. What cannot be
//! submitted ever goes to the dead stream with everything that is wrong with it; what cannot be submitted for now
//! stays where it is and is tried again. Nothing here knows what a pipeline is.

mod consumer;
mod envelope;
mod link;
mod parse;
mod stream;
mod submit;
mod waiting;

pub use consumer::{Consumer, ConsumerConfig, Tally};
pub use envelope::{Envelope, schema};
pub use parse::{BadEnvelope, Problem, parse};
pub use stream::{DEAD_STREAM, FIELD, GROUP, ID_PREFIX, STREAM};
pub use submit::{Request, SubmitError, Submitted, Submitter, run_id};
