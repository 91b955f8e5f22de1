//! Which hardware encoders are worth a try on this machine. Whether they work is another question: one real frame answers it.

use crate::gpu::{Gpu, GpuDriver, Vendor};

/// The codecs of hardware encoders, as their names begin.
const CODECS: [&str; 3] = ["h264", "hevc", "av1"];
/// The doors to them, as their names end.
const DOORS: [&str; 4] = ["nvenc", "qsv", "amf", "vaapi"];

/// An encoder to be tried on a GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its name in libav.
    pub encoder: String,
    /// The GPU, by its place in the list; none where somebody named the encoder and no GPU was found for it.
    pub gpu: Option<usize>,
    /// The GPU as the encoder names it.
    pub device: Option<String>,
    /// What the GPU is, in a word.
    pub generation: String,
    /// What the answer depends on: it is another question when this is another text.
    pub key: String,
}

/// Whether this is the name of a hardware encoder that stages know how to use.
#[must_use]
pub fn is_hardware_encoder(name: &str) -> bool {
    name.split_once('_').is_some_and(|(codec, door)| CODECS.contains(&codec) && DOORS.contains(&door))
}

/// What is to be tried: every encoder of every GPU, and those that somebody named.
#[must_use]
pub fn candidates(gpus: &[Gpu], named: &[String]) -> Vec<Candidate> {
    let mut all: Vec<Candidate> =
        gpus.iter().enumerate().flat_map(|(place, gpu)| of_gpu(place, gpu)).collect();
    for name in named.iter().filter(|name| is_hardware_encoder(name)) {
        if all.iter().all(|one| one.encoder != *name) {
            all.push(Candidate {
                encoder: name.clone(),
                gpu: None,
                device: None,
                generation: String::new(),
                key: format!("{name}|named"),
            });
        }
    }
    all
}

fn of_gpu(place: usize, gpu: &Gpu) -> impl Iterator<Item = Candidate> {
    let doors: &[&str] = match (gpu.vendor, gpu.driver) {
        (Vendor::Nvidia, GpuDriver::Nvml) => &["nvenc"],
        (Vendor::Intel, _) => &["qsv", "vaapi"],
        (Vendor::Amd, _) => &["amf", "vaapi"],
        _ => &[],
    };
    doors.iter().flat_map(move |door| {
        let device = match *door {
            "nvenc" => Some(gpu.index.to_string()),
            "vaapi" => gpu.node.as_ref().map(|node| node.display().to_string()),
            // They take the driver's first.
            _ => None,
        };
        let driver = gpu.driver_version.as_deref().unwrap_or("unknown").to_owned();
        CODECS.iter().map(move |codec| Candidate {
            encoder: format!("{codec}_{door}"),
            gpu: Some(place),
            key: format!("{codec}_{door}|{}|{}|{driver}", gpu.id, gpu.name),
            device: device.clone(),
            generation: gpu.generation.clone(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::nvidia;

    #[test]
    fn every_gpu_has_its_doors_and_a_name_is_tried_without_a_gpu() {
        let intel = Gpu {
            driver: GpuDriver::Dri,
            vendor: Vendor::Intel,
            node: Some("/dev/dri/renderD128".into()),
            generation: "arc".into(),
            ..nvidia(0, 0, 0)
        };
        let told = ["h264_nvenc", "h264_amf", "dream", "h264_amf"].map(str::to_owned);
        let all = candidates(&[nvidia(1, 8, 8), intel], &told);
        let names: Vec<&str> = all.iter().map(|one| one.encoder.as_str()).collect();
        assert_eq!(
            names,
            [
                "h264_nvenc",
                "hevc_nvenc",
                "av1_nvenc",
                "h264_qsv",
                "hevc_qsv",
                "av1_qsv",
                "h264_vaapi",
                "hevc_vaapi",
                "av1_vaapi",
                "h264_amf"
            ]
        );
        assert_eq!((all[0].device.as_deref(), all[0].gpu), (Some("1"), Some(0)));
        assert_eq!(all[6].device.as_deref(), Some("/dev/dri/renderD128"));
        assert_eq!(all[9].gpu, None);
        let newer = Gpu { driver_version: Some("580.2".into()), ..nvidia(1, 8, 8) };
        assert_ne!(candidates(&[newer], &[])[0].key, all[0].key, "another driver is another question");
    }
}
