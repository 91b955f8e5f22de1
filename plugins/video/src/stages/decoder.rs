//! Who decodes the files that a video is made of: the words for it, and what is told of how it went.

use reelmill_media::{Decoding, GpuDecoder};
use reelmill_sdk::prelude::*;

/// Who decodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decode {
    /// What is sooner: the processor, because pictures come back into memory from a GPU.
    #[default]
    Auto,
    /// A GPU (NVIDIA's, or one with VA-API), and the processor for what it does not decode. Its pictures come back into
    /// memory, which for small ones costs the processor more than decoding them: on an H100 beside 16 cores a video of 640 x
    /// 360 took 1.6 times as long.
    Gpu,
    /// The processor.
    Cpu,
}

/// Who decoded.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct DecodedBy {
    /// Frames that a GPU decoded.
    gpu_frames: u64,
    /// Frames that the processor decoded.
    cpu_frames: u64,
    /// Why the GPU did not decode all of them.
    reasons: Vec<String>,
}

impl DecodedBy {
    /// How it went; nothing where no GPU was wanted.
    pub fn of(decoding: &Decoding) -> Option<Self> {
        let went = decoding.wants_gpu().then(|| decoding.went())?;
        Some(Self { gpu_frames: went.by_gpu, cpu_frames: went.by_cpu, reasons: went.reasons })
    }
}

/// The ways to a GPU that are tried: the devices that this attempt may use first, then those that drivers take by themselves.
pub fn decoding(wish: Decode, cx: &Cx<'_>) -> Decoding {
    if wish != Decode::Gpu {
        return Decoding::default();
    }
    let seen = cx.encoders().iter().filter(|seen| seen.device.is_some());
    let seen = seen.filter_map(|seen| GpuDecoder::beside(&seen.encoder, seen.device.as_deref()));
    let mut all: Vec<GpuDecoder> = Vec::new();
    for gpu in seen.chain([GpuDecoder::cuda(None), GpuDecoder::vaapi(None)]) {
        if !all.contains(&gpu) {
            all.push(gpu);
        }
    }
    // Of both kinds NVIDIA's first: it is a card of its own.
    all.sort_by_key(GpuDecoder::is_vaapi);
    Decoding::by_gpu(all)
}
