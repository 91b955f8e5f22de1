//! What requests are answered from.

use crate::keys::Keys;
use crate::library::Library;
use reelmill_control::Control;
use reelmill_embedded::{Exposition, Hooks};
use reelmill_graph::compile::Catalog;
use reelmill_host::Plugin;
use reelmill_ports::Store;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Everything there is.
pub struct Site {
    /// Use cases.
    pub control: Control,
    /// The store.
    pub store: Arc<dyn Store>,
    /// Plugins, and what pipelines are compiled against.
    pub plugins: Vec<Arc<Plugin>>,
    /// The same, for compiling.
    pub catalog: Catalog,
    /// Where pipelines lie.
    pub pipelines: PathBuf,
    /// Uploaded files.
    pub library: Library,
    /// Bytes of one upload.
    pub upload_bytes_max: u64,
    /// Figures.
    pub exposition: Exposition,
    /// Calls of webhooks.
    pub hooks: Option<Hooks>,
    /// Who may do what.
    pub keys: Keys,
    /// Names of this server, beside addresses.
    pub names: Vec<String>,
    /// Room for those who listen to events.
    pub listeners: Arc<Semaphore>,
    /// Room for those who upload.
    pub uploads: Arc<Semaphore>,
}
