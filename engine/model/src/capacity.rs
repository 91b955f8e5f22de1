//! What an attempt needs of a machine, and what a machine has.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a machine must have for an attempt (`runs_on`). Zero and nothing ask for nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Requirements {
    /// CPU cores.
    pub cpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Disk for the attempt, in bytes.
    pub scratch_bytes: u64,
    /// GPUs.
    pub gpus: u32,
    /// Memory of each of them, in bytes.
    pub vram_bytes: u64,
    /// A hardware encoder.
    pub encoder: Option<String>,
    /// Labels the worker must have.
    pub labels: BTreeMap<String, String>,
    /// The build of a plugin (`manifest::build`) that did not come with the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// Whether it can do without GPUs and encoder where no worker has them.
    pub fallback_cpu: bool,
}

impl Requirements {
    /// Whether any machine will do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl std::fmt::Display for Requirements {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let numbers = [
            ("cpu", self.cpus.into()),
            ("memory", self.memory_bytes),
            ("scratch", self.scratch_bytes),
            ("gpu", self.gpus.into()),
            ("vram", self.vram_bytes),
        ];
        let numbers = numbers.iter().filter(|(_, number)| *number > 0);
        let mut all: Vec<String> = numbers.map(|(word, number)| format!("{word} {number}")).collect();
        all.extend(self.encoder.iter().map(|encoder| format!("encoder {encoder}")));
        all.extend(self.labels.iter().map(|(label, value)| format!("label {label}={value}")));
        all.extend(self.plugin.iter().map(|build| format!("plugin {build}")));
        f.write_str(&all.join(", "))
    }
}

/// What a worker's machine has.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerCapacity {
    /// Its name for people.
    pub name: String,
    /// CPU cores.
    pub cpus: u32,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Disk for attempts, in bytes.
    pub scratch_bytes: u64,
    /// GPUs.
    pub gpus: u32,
    /// Memory of the largest of them, in bytes.
    pub vram_bytes: u64,
    /// Hardware encoders that were seen to work.
    pub encoders: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The builds of the plugins it has (`manifest::build`).
    pub plugins: Vec<String>,
}
