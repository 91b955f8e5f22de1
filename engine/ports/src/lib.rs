//! The doors between the engine and whatever keeps its state: traits, and (feature `conformance`) the suite
//! that every implementation passes. This crate does no I/O.

pub mod archive;
pub mod cache;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod fleet;
pub mod limits;
pub mod marks;
pub mod queue;
pub mod registry;
pub mod store;

pub use archive::{Archivable, Archive, Old, RunRecord};
pub use cache::{CacheEntry, CacheStats, ResultCache};
pub use clock::Clock;
pub use error::StoreError;
pub use fleet::{Adaptive, Fleet, InLine, LaneView, Pace, StageUse, WorkerCard};
pub use limits::{Admission, Asks, LimitView, Limits, PlaceAsk, Seat, StartAsk, Waiter};
pub use marks::{Marks, MemoryMarks};
pub use queue::{
    Beat, Edits, HeartbeatReply, Lease, LeaseRequest, Leased, NewRun, Only, PRIORITY, Rejected, RetryScope,
    Settle, Settled, StepReply, StepRequest, TaskQueue,
};
pub use registry::{PipelineFilter, Registered, Registry};
pub use store::{
    EventLog, EventQuery, InstanceView, LogLine, RunFilter, RunStore, RunView, TaskFilter, TaskView,
};

/// Everything a store does.
pub trait Store: TaskQueue + RunStore + EventLog + ResultCache + Fleet + Limits + Registry + Marks {}
impl<T: TaskQueue + RunStore + EventLog + ResultCache + Fleet + Limits + Registry + Marks> Store for T {}
