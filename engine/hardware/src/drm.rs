//! Intel's, AMD's and other GPUs: what the kernel says of its render nodes.

use crate::gpu::{Gpu, GpuDriver, Reading, Vendor};
use std::fs;
use std::path::Path;

/// Intel's cards, by their PCI numbers: Alchemist and Battlemage. All else of Intel's is within a processor.
const ARC: [std::ops::RangeInclusive<u32>; 2] = [0x5690..=0x56bf, 0xe202..=0xe2ff];
/// AMD's RDNA 3 and 4, as far as their PCI numbers are known here.
const RDNA3: [u32; 9] = [0x744c, 0x745e, 0x747e, 0x7480, 0x7483, 0x15bf, 0x15c8, 0x7550, 0x7590];

/// The render nodes of a `/dev/dri` folder, as `/sys/class/drm` describes them.
pub(crate) fn render_nodes(dri: &Path, sys: &Path) -> Vec<Gpu> {
    let Ok(entries) = fs::read_dir(dri) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with("renderD"));
    names.sort();
    names.iter().zip(0..).map(|(name, index)| node(name, index, dri, sys)).collect()
}

fn node(name: &str, index: u32, dri: &Path, sys: &Path) -> Gpu {
    let device = sys.join(name).join("device");
    let link = |path: &Path| {
        let target = fs::read_link(path).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    };
    let driver = link(&device.join("driver")).unwrap_or_else(|| "unknown".to_owned());
    let vendor = match hexadecimal(&device.join("vendor")) {
        Some(0x8086) => Vendor::Intel,
        Some(0x1002) => Vendor::Amd,
        Some(0x10de) => Vendor::Nvidia,
        _ => Vendor::Other,
    };
    let product = hexadecimal(&device.join("device")).unwrap_or(0);
    let total = number(&device.join("mem_info_vram_total"));
    let used = number(&device.join("mem_info_vram_used"));
    Gpu {
        driver: GpuDriver::Dri,
        vendor,
        index,
        id: link(&device).unwrap_or_else(|| name.to_owned()),
        // A driver of the kernel is as old as the kernel, unless it says otherwise.
        driver_version: text(&sys.join(name).join("device/driver/module/version"))
            .or_else(|| text(Path::new("/proc/sys/kernel/osrelease"))),
        name: driver,
        generation: generation(vendor, product).to_owned(),
        compute: None,
        memory_total_bytes: total,
        memory_free_bytes: total.zip(used).map(|(total, used)| total.saturating_sub(used)),
        reading: Reading {
            busy_percent: number(&device.join("gpu_busy_percent")).and_then(|busy| busy.try_into().ok()),
            temperature_celsius: temperature(&device),
            ..Reading::default()
        },
        node: Some(dri.join(name)),
    }
}

fn generation(vendor: Vendor, product: u32) -> &'static str {
    match vendor {
        Vendor::Intel if ARC.iter().any(|range| range.contains(&product)) => "arc",
        Vendor::Intel => "integrated",
        Vendor::Amd if RDNA3.contains(&product) => "rdna3",
        _ => "",
    }
}

/// The first sensor of the device's own, which counts in thousandths.
fn temperature(device: &Path) -> Option<u32> {
    let folder = fs::read_dir(device.join("hwmon")).ok()?.flatten().next()?;
    u32::try_from(number(&folder.path().join("temp1_input"))? / 1_000).ok()
}

fn text(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}

fn hexadecimal(path: &Path) -> Option<u32> {
    u32::from_str_radix(text(path)?.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn render_nodes_are_described_by_the_kernel() {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let (dri, sys) = (root.path().join("dri"), root.path().join("drm"));
        fs::create_dir_all(&dri).expect("a folder can be made");
        for node in ["renderD129", "renderD128", "renderD130", "card0"] {
            fs::write(dri.join(node), "").expect("a file can be written");
        }
        let write = |node: &str, name: &str, text: &str| {
            let path = sys.join(node).join("device").join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
            fs::write(path, format!("{text}\n")).expect("a file can be written");
        };
        write("renderD128", "vendor", "0x8086");
        write("renderD128", "device", "0x56a0");
        symlink("../../../bus/pci/drivers/i915", sys.join("renderD128/device/driver")).expect("a link");
        write("renderD129", "vendor", "0x1002");
        write("renderD129", "device", "0x744c");
        write("renderD129", "mem_info_vram_total", "1000");
        write("renderD129", "mem_info_vram_used", "300");
        write("renderD129", "gpu_busy_percent", "7");
        write("renderD129", "hwmon/hwmon3/temp1_input", "51000");
        let found = render_nodes(&dri, &sys);
        let kinds: Vec<_> = found.iter().map(|gpu| (gpu.vendor, gpu.generation.as_str())).collect();
        assert_eq!(kinds, [(Vendor::Intel, "arc"), (Vendor::Amd, "rdna3"), (Vendor::Other, "")]);
        assert_eq!((found[0].name.as_str(), found[2].name.as_str()), ("i915", "unknown"));
        assert_eq!(found[1].memory_free_bytes, Some(700));
        let reading = found[1].reading;
        assert_eq!((reading.busy_percent, reading.temperature_celsius), (Some(7), Some(51)));
        assert!(render_nodes(Path::new("/no/such/folder"), &sys).is_empty());
    }
}
