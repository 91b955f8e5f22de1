//! Decoding on a GPU, where somebody wants that. Pictures come down into memory again, because all that follows works on
//! them there. What the GPU does not decode, or stops decoding in the middle, software decodes, and why is kept.
#![expect(unsafe_code, reason = "hardware contexts have no safe door")]

use crate::codec::Vendor;
use crate::error::{Error, Result};
use crate::fault::{self, Fault};
use ffmpeg_next::{self as av, ffi};
use std::ffi::CString;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Reasons that are kept.
const REASONS_MAX: usize = 8;

/// A way to a GPU that decodes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GpuDecoder {
    vaapi: bool,
    device: Option<String>,
}

impl GpuDecoder {
    /// NVIDIA's, by the number that its driver gives the device.
    #[must_use]
    pub fn cuda(device: Option<String>) -> Self {
        Self { vaapi: false, device }
    }

    /// Intel's and AMD's, by render node.
    #[must_use]
    pub fn vaapi(node: Option<String>) -> Self {
        Self { vaapi: true, device: node }
    }

    /// Whether it is Intel's or AMD's.
    #[must_use]
    pub fn is_vaapi(&self) -> bool {
        self.vaapi
    }

    /// The way to a device that encodes; none where that says nothing of decoding.
    #[must_use]
    pub fn beside(encoder: &str, device: Option<&str>) -> Option<Self> {
        let device = device.map(str::to_owned);
        match Vendor::of(encoder) {
            Vendor::Nvenc => Some(Self::cuda(device)),
            Vendor::Vaapi => Some(Self::vaapi(device)),
            Vendor::Qsv | Vendor::Amf | Vendor::Software => None,
        }
    }

    /// Its word, by which a fault is put in too.
    fn word(&self) -> &'static str {
        if self.vaapi { "decode_vaapi" } else { "decode_cuda" }
    }
}

/// Who decodes the pictures of files, and how that went. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Decoding(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Tried in this order; none is software.
    gpus: Vec<GpuDecoder>,
    device: OnceLock<Option<Device>>,
    by_gpu: AtomicU64,
    by_cpu: AtomicU64,
    reasons: Mutex<Vec<String>>,
}

/// How it went.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Decoded {
    /// Frames that a GPU decoded.
    pub by_gpu: u64,
    /// Frames that software decoded.
    pub by_cpu: u64,
    /// Why a GPU did not decode all of them.
    pub reasons: Vec<String>,
}

impl PartialEq for Decoding {
    /// Whether the same is wanted.
    fn eq(&self, other: &Self) -> bool {
        self.0.gpus == other.0.gpus
    }
}

impl Decoding {
    /// By the first of these that can be opened, and by software where none can.
    #[must_use]
    pub fn by_gpu(gpus: Vec<GpuDecoder>) -> Self {
        Self(Arc::new(Inner { gpus, ..Inner::default() }))
    }

    /// By software that is to fail somewhere in the place of a GPU.
    #[cfg(test)]
    pub(crate) fn failing(fault: Fault) -> Self {
        let gpu = GpuDecoder::cuda(None);
        let device = OnceLock::from(Some(Device::StandIn(gpu.word(), fault)));
        Self(Arc::new(Inner { gpus: vec![gpu], device, ..Inner::default() }))
    }

    /// Whether a GPU is wanted.
    #[must_use]
    pub fn wants_gpu(&self) -> bool {
        !self.0.gpus.is_empty()
    }

    /// How it went so far.
    #[must_use]
    pub fn went(&self) -> Decoded {
        let reasons = self.0.reasons.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = |frames: &AtomicU64| frames.load(Ordering::Relaxed);
        Decoded { by_gpu: count(&self.0.by_gpu), by_cpu: count(&self.0.by_cpu), reasons }
    }

    /// The device, opened once for all files.
    pub(crate) fn device(&self) -> Option<&Device> {
        let open = || {
            let mut failed = Vec::new();
            for gpu in &self.0.gpus {
                match Device::open(gpu) {
                    Ok(device) => return Some(device),
                    Err(error) => failed.push((gpu.word(), error)),
                }
            }
            for (word, error) in failed {
                self.note(word, error);
            }
            None
        };
        self.0.device.get_or_init(open).as_ref()
    }

    /// A frame was decoded.
    pub(crate) fn count(&self, by_gpu: bool) {
        let frames = if by_gpu { &self.0.by_gpu } else { &self.0.by_cpu };
        frames.fetch_add(1, Ordering::Relaxed);
    }

    /// Keeps why software decodes something.
    pub(crate) fn note(&self, what: impl std::fmt::Display, why: impl std::fmt::Display) {
        let mut reasons = self.0.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let reason = format!("{what}: {why}");
        if reasons.len() < REASONS_MAX && !reasons.contains(&reason) {
            reasons.push(reason);
        }
    }
}

/// A GPU that was opened.
#[derive(Debug)]
pub(crate) enum Device {
    Open(Context),
    /// Software, that is to fail somewhere.
    StandIn(&'static str, Fault),
}

/// A device of libav's.
#[derive(Debug)]
pub(crate) struct Context(*mut ffi::AVBufferRef);

// SAFETY: libav's buffer references are counted atomically, and devices are locked by libav where they have to be; nothing
// is tied to a thread.
unsafe impl Send for Context {}
// SAFETY: as above; through a shared reference only new references are made.
unsafe impl Sync for Context {}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used afterwards.
        unsafe { ffi::av_buffer_unref(&raw mut self.0) };
    }
}

impl Device {
    fn open(gpu: &GpuDecoder) -> Result<Self> {
        crate::log::clear();
        if let Some(fault) = fault::of(gpu.word()) {
            fault.at_open(gpu.word(), false)?;
            return Ok(Self::StandIn(gpu.word(), fault));
        }
        let name = gpu.device.as_deref().map(CString::new).transpose();
        let name = name.map_err(|e| Error::Setting(format!("no name of a device: {e}")))?;
        let kind = if gpu.vaapi {
            ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI
        } else {
            ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_CUDA
        };
        let mut device: *mut ffi::AVBufferRef = std::ptr::null_mut();
        // SAFETY: the name is null or ends with a zero and lives through the call; `device` is a place for one pointer.
        let code = unsafe {
            let name = name.as_ref().map_or(std::ptr::null(), |name| name.as_ptr());
            ffi::av_hwdevice_ctx_create(&raw mut device, kind, name, std::ptr::null_mut(), 0)
        };
        if code < 0 {
            return Err(Error::input(
                Path::new(gpu.device.as_deref().unwrap_or("the GPU")),
                av::Error::from(code),
            ));
        }
        Ok(Self::Open(Context(device)))
    }

    /// Lets a decoder that is not open yet use it, as far as it can.
    pub(crate) fn attach(&self, context: &mut av::codec::Context) {
        let Self::Open(device) = self else { return };
        // SAFETY: the context is owned and not open yet; it owns the new reference and gives it back when it is freed.
        unsafe { (*context.as_mut_ptr()).hw_device_ctx = ffi::av_buffer_ref(device.0) };
    }

    /// Whether a frame came from a GPU; then it lies in memory afterwards.
    pub(crate) fn bring_down(&self, frame: &mut av::Frame, number: u64, path: &Path) -> Result<bool> {
        if let Self::StandIn(word, fault) = self {
            return fault.at_frame(word, number).map(|()| true);
        }
        // SAFETY: the frame is valid and borrowed mutably. `down` is new and empty; it is filled with what libav can bring
        // down, gets the other fields, and takes the frame's place, which gives up its own content first.
        let code = unsafe {
            let from = frame.as_mut_ptr();
            if (*from).hw_frames_ctx.is_null() {
                return Ok(false);
            }
            let mut down = av::Frame::empty();
            let to = down.as_mut_ptr();
            match ffi::av_hwframe_transfer_data(to, from, 0) {
                0.. => match ffi::av_frame_copy_props(to, from) {
                    0.. => {
                        ffi::av_frame_unref(from);
                        ffi::av_frame_move_ref(from, to);
                        0
                    }
                    code => code,
                },
                code => code,
            }
        };
        if code < 0 { Err(Error::input(path, av::Error::from(code))) } else { Ok(true) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoding, GpuDecoder};

    #[test]
    fn a_device_that_encodes_is_asked_to_decode_where_both_go_the_same_way() {
        let cuda = GpuDecoder::beside("hevc_nvenc", Some("1"));
        assert_eq!(cuda, Some(GpuDecoder::cuda(Some("1".into()))));
        let node = "/dev/dri/renderD128";
        assert_eq!(GpuDecoder::beside("av1_vaapi", Some(node)), Some(GpuDecoder::vaapi(Some(node.into()))));
        assert_eq!((GpuDecoder::beside("h264_qsv", None), GpuDecoder::beside("libx264", None)), (None, None));
    }

    #[test]
    fn a_gpu_that_is_not_there_is_told_once() {
        let decoding = Decoding::by_gpu(vec![GpuDecoder::vaapi(Some("/dev/dri/none".into()))]);
        assert!(decoding.device().is_none() && decoding.device().is_none());
        let went = decoding.went();
        assert_eq!(went.reasons.len(), 1, "{went:?}");
        assert!(went.reasons[0].contains("decode_vaapi") && went.reasons[0].contains("none"), "{went:?}");
        assert!(Decoding::default().device().is_none() && Decoding::default().went().reasons.is_empty());
    }
}
