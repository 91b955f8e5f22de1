//! Which libav this is: part of the cache key, because another encoder makes other files.
#![expect(unsafe_code, reason = "version numbers come from C functions")]

use ffmpeg_next::ffi;
use std::ffi::CStr;

fn number(version: u32) -> String {
    format!("{}.{}.{}", version >> 16, (version >> 8) & 0xff, version & 0xff)
}

/// The libraries whose version changes what comes out, as `name=version`.
#[must_use]
pub fn tools() -> Vec<String> {
    // SAFETY: these functions take nothing and return numbers, or a text that lives as long as the process.
    let (codec, filter, scale, release) = unsafe {
        (
            ffi::avcodec_version(),
            ffi::avfilter_version(),
            ffi::swscale_version(),
            CStr::from_ptr(ffi::av_version_info()).to_string_lossy().into_owned(),
        )
    };
    vec![
        format!("ffmpeg={release}"),
        format!("libavcodec={}", number(codec)),
        format!("libavfilter={}", number(filter)),
        format!("libswscale={}", number(scale)),
    ]
}

/// Which of the encoders this project knows are compiled into libav here.
#[must_use]
pub fn video_encoders() -> Vec<&'static str> {
    crate::log::init();
    ["libx264", "libx265", "libsvtav1"]
        .into_iter()
        .filter(|name| ffmpeg_next::encoder::find_by_name(name).is_some())
        .collect()
}
