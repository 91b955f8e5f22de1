//! The engine, put together: on one machine with no services (a SQLite file, a local folder of artifacts, one worker),
//! or as a member of a fleet that shares a Redis. Decides nothing.
//!
//! [`State`] is what readers need (`status`, `why`, `cancel`); [`Engine`] is a state with plugins and a worker.

mod answer;
mod capacity;
mod encoders;
mod engine;
mod exposition;
mod gpus;
mod hooks;
mod identity;
mod ids;
mod lane_gauges;
pub mod memory;
mod scratch;
mod server;
mod state;

pub use encoders::{ENCODERS_FILE, Prober};
pub use engine::{Engine, Options, SlotsChoice};
pub use exposition::Exposition;
pub use hooks::Hooks;
pub use identity::worker_id;
pub use ids::new_run_id;
pub use reelmill_archive::Kept;
pub use reelmill_runtime::Probed as ProbedEncoder;
pub use server::serve;
pub use state::{Place, State};

/// The engine could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database could not be opened.
    #[error(transparent)]
    Store(#[from] reelmill_ports::StoreError),
    /// The artifacts could not be opened.
    #[error(transparent)]
    Artifacts(#[from] reelmill_artifacts::ArtifactError),
    /// What is remembered could not be opened.
    #[error(transparent)]
    Memory(#[from] reelmill_memory::MemoryError),
    /// Plugins could not be hosted.
    #[error("plugins cannot be run: {0}")]
    Host(String),
    /// A folder could not be made, or a thread not started.
    #[error("failed to {what}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Figures could not be registered.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
}
