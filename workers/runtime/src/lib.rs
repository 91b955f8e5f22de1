//! The worker: an apalis worker over the task queue.
//!
//! `pump` is the only part that steps the queue; `backend` hands what it leased to apalis and takes the ends
//! back; `execute` makes an outcome of a lease; `heartbeat` and `services` go on beside. Nothing here decides what
//! an outcome leads to: that is `lifecycle`, in the store.

mod adapt;
mod backend;
mod ends;
mod execute;
mod files;
mod gpus;
mod heartbeat;
mod held;
mod lanes;
mod learning;
mod limits;
mod metrics;
mod needs;
mod paces;
mod patience;
mod presence;
mod pump;
mod recall;
mod report;
mod scratch;
mod secrets;
mod services;
mod slots;
mod worker;

pub use adapt::Adapt;
pub use execute::{Executor, Plugins};
pub use gpus::{Gpus, Probed};
pub use lanes::Lanes;
pub use learning::Learning;
pub use metrics::Metrics;
pub use paces::Paces;
pub use presence::bury;
pub use recall::{ATTEMPTS, Recall};
pub use scratch::Scratch;
pub use secrets::Secrets;
pub use slots::{Capacity, Slots};
pub use worker::{Worker, WorkerConfig};
