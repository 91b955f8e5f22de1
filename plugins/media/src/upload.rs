//! Frames on a GPU, for encoders that take no others.
#![expect(unsafe_code, reason = "hardware contexts have no safe door")]

use crate::error::{Error, Result};
use ffmpeg_next::{self as av, ffi, frame};
use std::ffi::{CString, c_int};

/// Pictures that may be on the GPU at once: what an encoder holds back, and some in work.
const POOL: c_int = 32;

/// Brings pictures onto a GPU through VA-API.
pub(crate) struct Uploader {
    encoder: String,
    /// A pool of surfaces of one size and format; it holds the device.
    frames: *mut ffi::AVBufferRef,
}

// SAFETY: libav's buffer references are counted atomically, and the pool is locked; nothing is tied to a thread.
unsafe impl Send for Uploader {}

impl Uploader {
    /// Opens a device (its render node, or the driver's first) and a pool of surfaces.
    pub(crate) fn open(
        encoder: &str,
        node: Option<&str>,
        size: (u32, u32),
        pixel: ffi::AVPixelFormat,
    ) -> Result<Self> {
        let node = node.map(CString::new).transpose().map_err(|e| Error::encoder(encoder, e))?;
        let path = node.as_ref().map_or(std::ptr::null(), |node| node.as_ptr());
        let pixels = |side| c_int::try_from(side).unwrap_or(0);
        let mut device: *mut ffi::AVBufferRef = std::ptr::null_mut();
        // SAFETY: `path` is null or ends with a zero and lives through the calls; `device` is a place for one pointer. The
        // frames context is libav's, not yet initialised, and its fields are plain. `frames` takes a reference of its own on
        // the device, so ours is given back in any case; `frames` is given back when it cannot be initialised.
        unsafe {
            let kind = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI;
            let code = ffi::av_hwdevice_ctx_create(&raw mut device, kind, path, std::ptr::null_mut(), 0);
            if code < 0 {
                let what = node.as_ref().map_or("the first device".into(), |node| node.to_string_lossy());
                return Err(Error::encoder(encoder, format!("{what}: {}", av::Error::from(code))));
            }
            let mut frames = ffi::av_hwframe_ctx_alloc(device);
            ffi::av_buffer_unref(&raw mut device);
            if frames.is_null() {
                return Err(Error::encoder(encoder, "no memory for surfaces"));
            }
            #[expect(clippy::cast_ptr_alignment, reason = "libav allocated that very structure there")]
            let context = (*frames).data.cast::<ffi::AVHWFramesContext>();
            (*context).format = ffi::AVPixelFormat::AV_PIX_FMT_VAAPI;
            (*context).sw_format = pixel;
            (*context).width = pixels(size.0);
            (*context).height = pixels(size.1);
            (*context).initial_pool_size = POOL;
            let code = ffi::av_hwframe_ctx_init(frames);
            if code < 0 {
                ffi::av_buffer_unref(&raw mut frames);
                return Err(Error::encoder(encoder, av::Error::from(code)));
            }
            Ok(Self { encoder: encoder.to_owned(), frames })
        }
    }

    /// Tells an encoder that is not open yet where its frames come from.
    pub(crate) fn attach(&self, context: &mut av::codec::Context) {
        // SAFETY: the context is owned and not open yet; it owns the new reference and gives it back when it is freed.
        unsafe { (*context.as_mut_ptr()).hw_frames_ctx = ffi::av_buffer_ref(self.frames) };
    }

    /// The same picture on the GPU.
    pub(crate) fn upload(&self, frame: &frame::Video) -> Result<frame::Video> {
        let mut on_gpu = frame::Video::empty();
        // SAFETY: both frames are valid, `on_gpu` is empty; libav checks size and format against the pool.
        let code = unsafe {
            let to = on_gpu.as_mut_ptr();
            match ffi::av_hwframe_get_buffer(self.frames, to, 0) {
                0.. => match ffi::av_hwframe_transfer_data(to, frame.as_ptr(), 0) {
                    0.. => ffi::av_frame_copy_props(to, frame.as_ptr()),
                    code => code,
                },
                code => code,
            }
        };
        if code < 0 { Err(Error::encoder(&self.encoder, av::Error::from(code))) } else { Ok(on_gpu) }
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used afterwards.
        unsafe { ffi::av_buffer_unref(&raw mut self.frames) };
    }
}
