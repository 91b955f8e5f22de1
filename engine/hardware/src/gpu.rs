//! GPUs: which there are, by which driver they can be reached, and how busy they are. What a GPU can encode is known from
//! encoding one frame, never from its name.

use crate::drm;
use crate::nvml::Nvml;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// How a GPU is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuDriver {
    /// NVIDIA's driver, asked through its management library.
    Nvml,
    /// A render node of the kernel (`/dev/dri/renderD…`): VA-API or Quick Sync.
    Dri,
}

/// Who made a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// NVIDIA.
    Nvidia,
    /// Intel.
    Intel,
    /// AMD.
    Amd,
    /// Somebody else, or a virtual machine.
    Other,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// How it is reached.
    pub driver: GpuDriver,
    /// Who made it.
    pub vendor: Vendor,
    /// Its number among those of its driver: what CUDA and NVENC call it, if nothing hides any.
    pub index: u32,
    /// What it is told apart by, on this machine.
    pub id: String,
    /// Its name, or of a render node the kernel driver's.
    pub name: String,
    /// The version of its driver, where it says it.
    pub driver_version: Option<String>,
    /// What it is a child of, in a word: `ada`, `arc`; empty when it is not known.
    pub generation: String,
    /// Its CUDA compute capability: `8.9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<String>,
    /// Its memory, in bytes, where the driver says it.
    pub memory_total_bytes: Option<u64>,
    /// How much of it is free, in bytes.
    pub memory_free_bytes: Option<u64>,
    /// How busy it was when it was looked at.
    pub reading: Reading,
    /// The file through which it is opened, for a render node.
    pub node: Option<PathBuf>,
}

/// How busy a GPU is. What its driver does not say is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Time in which something ran on it, in percent.
    pub busy_percent: Option<u32>,
    /// Use of its encoders, in percent.
    pub encoder_percent: Option<u32>,
    /// Use of its decoders, in percent.
    pub decoder_percent: Option<u32>,
    /// Encode sessions that are open, of whoever.
    pub encoder_sessions: Option<u32>,
    /// Its temperature.
    pub temperature_celsius: Option<u32>,
}

/// Looks at GPUs again and again; drivers are loaded once.
#[derive(Debug, Default)]
pub struct GpuWatch {
    nvml: Option<Nvml>,
}

impl GpuWatch {
    /// Loads what drivers there are.
    #[must_use]
    pub fn open() -> Self {
        Self { nvml: Nvml::open() }
    }

    /// The GPUs of this machine as they are now; empty where there are none or no driver is installed.
    #[must_use]
    pub fn look(&self) -> Vec<Gpu> {
        let mut found = self.nvml.as_ref().map(Nvml::gpus).unwrap_or_default();
        // A render node of NVIDIA's driver is a card that NVML has named already.
        let nodes = drm::render_nodes(Path::new("/dev/dri"), Path::new("/sys/class/drm"));
        found.extend(nodes.into_iter().filter(|gpu| gpu.name != "nvidia"));
        found
    }
}

/// The GPUs of this machine; empty where there are none or no driver is installed.
#[must_use]
pub fn gpus() -> Vec<Gpu> {
    GpuWatch::open().look()
}

#[cfg(test)]
pub(crate) fn nvidia(index: u32, total_gib: u64, free_gib: u64) -> Gpu {
    Gpu {
        driver: GpuDriver::Nvml,
        vendor: Vendor::Nvidia,
        index,
        id: format!("GPU-{index}"),
        name: "NVIDIA test".to_owned(),
        driver_version: Some("570.1".to_owned()),
        generation: "ada".to_owned(),
        compute: Some("8.9".to_owned()),
        memory_total_bytes: Some(total_gib << 30),
        memory_free_bytes: Some(free_gib << 30),
        reading: Reading::default(),
        node: None,
    }
}
