//! Encoders that fail on demand, for tests of what comes after: where no GPU is, nothing else shows it.
//!
//! `REELMILL_ENCODER_FAULTS=h264_nvenc=probe,h264_qsv=open,h264_vaapi=frame:40,hevc_nvenc=never` in the environment of a
//! worker puts libx264 in the place of the encoders it names, and lets each fail where it says. Nothing that a pipeline or
//! its inputs say can set it: the environment of a stage's process is made by the worker.
#![expect(unsafe_code, reason = "a line of libav's log is written through its C function")]

use crate::error::Error;
use ffmpeg_next::{self as av, ffi};
use std::ffi::CString;

/// Where an encoder fails, or a GPU that decodes (`decode_cuda`, `decode_vaapi`): software stands in for that too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// When it is probed, and when it is opened.
    Probe,
    /// When it is opened; probed, it works.
    Open,
    /// At this frame.
    Frame(u64),
    /// Nowhere.
    Never,
}

/// Who stands in for an encoder that is to fail.
pub(crate) const STAND_IN: &str = "libx264";

/// Whether and where this encoder is to fail.
pub(crate) fn of(encoder: &str) -> Option<Fault> {
    let all = std::env::var("REELMILL_ENCODER_FAULTS").ok()?;
    parse(&all, encoder)
}

fn parse(all: &str, encoder: &str) -> Option<Fault> {
    let place = all.split(',').find_map(|one| one.trim().strip_prefix(encoder)?.strip_prefix('='))?;
    match (place, place.strip_prefix("frame:")) {
        ("probe", _) => Some(Fault::Probe),
        ("open", _) => Some(Fault::Open),
        ("never", _) => Some(Fault::Never),
        (_, Some(frame)) => frame.parse().ok().map(Fault::Frame),
        _ => None,
    }
}

impl Fault {
    /// The error of an encoder that fails when it is opened.
    pub(crate) fn at_open(self, encoder: &str, probing: bool) -> Result<(), Error> {
        match self {
            Self::Probe => fail(encoder, None, "no capable device was found (injected)"),
            Self::Open if !probing => fail(encoder, None, "too many sessions are open (injected)"),
            _ => Ok(()),
        }
    }

    /// The error of an encoder that fails at a frame.
    pub(crate) fn at_frame(self, encoder: &str, frame: u64) -> Result<(), Error> {
        if self == Self::Frame(frame) {
            return fail(encoder, Some(frame), "the device was lost (injected)");
        }
        Ok(())
    }
}

/// Says it as libav's encoders do: in the log, and with an errno that says little.
fn fail(encoder: &str, frame: Option<u64>, words: &str) -> Result<(), Error> {
    if let Ok(line) = CString::new(format!("{encoder}: {words}")) {
        // SAFETY: the format takes one text, which ends with a zero and lives through the call; a null context is allowed.
        unsafe { ffi::av_log(std::ptr::null_mut(), ffi::AV_LOG_ERROR, c"%s\n".as_ptr(), line.as_ptr()) };
    }
    Err(Error::encoder_at(encoder, frame, av::Error::External))
}

#[cfg(test)]
mod tests {
    use super::{Fault, parse};

    #[test]
    fn faults_are_read_by_whole_names() {
        let all = "h264_nvenc=probe, hevc_nvenc=frame:12,av1_qsv=never,h264_vaapi=somewhere";
        assert_eq!(parse(all, "h264_nvenc"), Some(Fault::Probe));
        assert_eq!(parse(all, "hevc_nvenc"), Some(Fault::Frame(12)));
        assert_eq!(parse(all, "av1_qsv"), Some(Fault::Never));
        assert_eq!((parse(all, "h264_vaapi"), parse(all, "h264"), parse("", "h264")), (None, None, None));
    }
}
