//! The words of the house: ids, task states, outcomes, events, manifests, limits.
//!
//! Pure data. Nothing here reads a clock, a file, the environment or the network,
//! and nothing here decides: decisions live in `reelmill-lifecycle`.

pub mod artifact;
pub mod call;
pub mod capacity;
pub mod event;
pub mod ids;
mod limit;
pub mod limits;
pub mod manifest;
mod map;
pub mod outcome;
pub mod pipeline;
pub mod state;
pub mod task_path;

pub use artifact::{ArtifactRef, Digest};
pub use call::{CallInfo, EncoderSeen, Progress};
pub use capacity::{Requirements, WorkerCapacity};
pub use event::{Event, EventKind, Severity};
pub use ids::{InstanceNo, NodeNo, RunId, ScopeNo, TaskNo, TaskRef, Token, WorkerId};
pub use limit::{LimitKind, Parked};
pub use manifest::{Effects, Manifest, Needs, PluginKind, Reuse, StageManifest};
pub use map::{IdMap, IdSet};
pub use outcome::{Decision, Failure, FailureClass, Item, Outcome, SkipReason, Usage};
pub use pipeline::{PipelineName, Revision, RevisionHead, RevisionText};
pub use state::{InstanceState, Phase, RunState, TaskState};
