//! Shared libraries that stages load or are linked with: whether the system's linker finds them, and what libav
//! among them can encode.
#![expect(
    unsafe_code,
    reason = "libraries are opened, and two functions of libavcodec are called, only here"
)]

use libloading::{Library, Symbol};
use serde::Serialize;
use std::ffi::{CString, c_char, c_uint, c_void};

/// Encoders that first-party stages use, and what for.
pub const LIBAV_ENCODERS: &[(&str, &str)] = &[
    ("libx264", "H.264"),
    ("libx265", "H.265"),
    ("libsvtav1", "AV1"),
    ("aac", "AAC sound"),
    ("mjpeg", "JPEG"),
];

/// Major versions of libavcodec that `ffmpeg-next` builds with, newest first: FFmpeg 8 down to 5.
const LIBAVCODEC_MAJORS: [u32; 4] = [62, 61, 60, 59];

/// One encoder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Encoder {
    /// Its name in libav.
    pub name: &'static str,
    /// What it makes.
    pub makes: &'static str,
    /// Whether this libav has it. That it works on this machine is seen from one encoded frame only.
    pub present: bool,
}

/// The libav of this system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Libav {
    /// Version of libavcodec.
    pub libavcodec: String,
    /// The encoders of `LIBAV_ENCODERS`.
    pub encoders: Vec<Encoder>,
}

/// Whether the system's linker finds a library, by its file name (`libespeak-ng.so.1`). Loading it runs its
/// initialisers; it is unloaded again.
#[must_use]
pub fn is_loadable(file_name: &str) -> bool {
    // SAFETY: only names of well-known system libraries are asked for, whose initialisers do no harm.
    unsafe { Library::new(file_name) }.is_ok()
}

/// The newest libav that is installed; none when there is none.
#[must_use]
pub fn libav() -> Option<Libav> {
    LIBAVCODEC_MAJORS.iter().find_map(|major| {
        // SAFETY: as in `is_loadable`.
        let library = unsafe { Library::new(format!("libavcodec.so.{major}")) }.ok()?;
        describe(&library)
    })
}

fn describe(library: &Library) -> Option<Libav> {
    // SAFETY: both signatures are those of libavcodec's public header, unchanged since FFmpeg 4, and the two
    // functions may be called from any thread without preparation.
    let (version, find) = unsafe {
        let version: Symbol<unsafe extern "C" fn() -> c_uint> = library.get(b"avcodec_version").ok()?;
        let find: Symbol<unsafe extern "C" fn(*const c_char) -> *const c_void> =
            library.get(b"avcodec_find_encoder_by_name").ok()?;
        (version, find)
    };
    let encoders = LIBAV_ENCODERS
        .iter()
        .map(|&(name, makes)| {
            let c_name = CString::new(name).ok();
            // SAFETY: the name ends with a zero and lives through the call; the answer is only compared with null.
            let present = c_name.is_some_and(|name| !unsafe { find(name.as_ptr()) }.is_null());
            Encoder { name, makes, present }
        })
        .collect();
    // SAFETY: it takes nothing and answers a number.
    Some(Libav { libavcodec: dotted(unsafe { version() }), encoders })
}

/// A version as libav packs it: sixteen bits, eight and eight.
fn dotted(version: c_uint) -> String {
    format!("{}.{}.{}", version >> 16, (version >> 8) & 0xff, version & 0xff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_unpacked() {
        assert_eq!(dotted(0x003b_2564), "59.37.100");
    }

    #[test]
    fn the_c_library_is_there_and_a_made_up_one_is_not() {
        assert!(is_loadable("libc.so.6"));
        assert!(!is_loadable("libreelmill-no-such-thing.so.1"));
    }

    #[test]
    fn the_libav_that_this_workspace_is_built_with_has_its_encoders() {
        let libav = libav().expect("libavcodec is installed where this workspace builds");
        let present = |name| libav.encoders.iter().any(|encoder| encoder.name == name && encoder.present);
        assert!(present("libx264") && present("aac"), "{libav:?}");
    }
}
