//! GPUs: which there are and by which driver they can be reached. Presence only: what a GPU can encode is known
//! from encoding one frame, never from its name.

use crate::nvml;
use serde::Serialize;
use std::fs;
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

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// How it is reached.
    pub driver: GpuDriver,
    /// Its name, or of a render node the kernel driver's.
    pub name: String,
    /// Its memory, in bytes, where the driver says it.
    pub memory_total_bytes: Option<u64>,
    /// How much of it is free, in bytes.
    pub memory_free_bytes: Option<u64>,
    /// The file through which it is opened, for a render node.
    pub node: Option<PathBuf>,
}

/// The GPUs of this machine; empty where there are none or no driver is installed.
#[must_use]
pub fn gpus() -> Vec<Gpu> {
    let mut found = nvml::gpus();
    // A render node of NVIDIA's driver is a card that NVML has named already.
    let nodes = render_nodes(Path::new("/dev/dri"), Path::new("/sys/class/drm"));
    found.extend(nodes.into_iter().filter(|gpu| gpu.name != "nvidia"));
    found
}

/// The render nodes of a `/dev/dri` folder, named by the kernel driver that `/sys/class/drm` links to.
fn render_nodes(dri: &Path, sys: &Path) -> Vec<Gpu> {
    let Ok(entries) = fs::read_dir(dri) else { return Vec::new() };
    let mut nodes: Vec<Gpu> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
        .map(|entry| {
            let driver = fs::read_link(sys.join(entry.file_name()).join("device/driver")).ok();
            let name = driver.as_deref().and_then(Path::file_name).map(|name| name.to_string_lossy());
            Gpu {
                driver: GpuDriver::Dri,
                name: name.map_or_else(|| "unknown".to_owned(), std::borrow::Cow::into_owned),
                memory_total_bytes: None,
                memory_free_bytes: None,
                node: Some(entry.path()),
            }
        })
        .collect();
    nodes.sort_by(|a, b| a.node.cmp(&b.node));
    nodes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn render_nodes_are_named_by_their_driver() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let (dri, sys) = (root.path().join("dri"), root.path().join("drm"));
        fs::create_dir_all(&dri).expect("a folder can be made");
        for node in ["renderD129", "renderD128", "card0"] {
            fs::write(dri.join(node), "").expect("a file can be written");
        }
        fs::create_dir_all(sys.join("renderD128/device")).expect("a folder can be made");
        symlink("../../../bus/pci/drivers/i915", sys.join("renderD128/device/driver"))
            .expect("a link can be made");
        let names: Vec<String> = render_nodes(&dri, &sys).into_iter().map(|gpu| gpu.name).collect();
        assert_eq!(names, ["i915", "unknown"]);
        assert!(render_nodes(Path::new("/no/such/folder"), &sys).is_empty());
    }
}
