//! Decoding one stream of one file, frame by frame, from a point in time on.
//!
//! A file may lie about itself: packets that cannot be decoded are passed over as long as some frame comes out,
//! and a file that stops in the middle simply ends there. A file without a single frame is an error.
#![expect(unsafe_code, reason = "discarding other streams and decoder settings have no safe door")]

use crate::error::{Error, Result};
use ffmpeg_next::{self as av, ffi, frame, media};
use std::ffi::c_int;
use std::path::{Path, PathBuf};

/// Packets in a row that may fail before the file counts as unreadable.
const BAD_PACKETS_MAX: u32 = 500;

/// Opens a container without letting its content point anywhere but at files.
pub(crate) fn open_input(path: &Path) -> Result<av::format::context::Input> {
    crate::log::clear();
    if !path.is_file() {
        return Err(Error::input(path, "there is no such file"));
    }
    let mut options = av::Dictionary::new();
    options.set("protocol_whitelist", "file");
    // The scheme keeps a name such as `http:x.mp4` or `concat:…` from being taken for an address.
    let mut name = std::ffi::OsString::from("file:");
    name.push(path);
    av::format::input_with_dictionary(&PathBuf::from(name), options).map_err(|e| Error::input(path, e))
}

/// The index of the best stream of a kind; attached pictures (album art) do not count.
pub(crate) fn find_stream(input: &av::format::context::Input, kind: media::Type) -> Option<usize> {
    let usable = |s: &av::Stream<'_>| {
        s.parameters().medium() == kind
            && !s.disposition().contains(av::format::stream::Disposition::ATTACHED_PIC)
    };
    let best = input.streams().best(kind).filter(usable).map(|s| s.index());
    best.or_else(|| input.streams().find(usable).map(|s| s.index()))
}

/// One open stream.
struct Stream {
    path: PathBuf,
    input: av::format::context::Input,
    decoder: av::decoder::Opened,
    index: usize,
    time_base: av::Rational,
    /// Where the stream's own clock starts; subtracted so that a file always starts at 0.
    origin: i64,
    draining: bool,
    bad_packets: u32,
    frames: u64,
}

impl Stream {
    fn open(path: &Path, kind: media::Type, start_ms: u64, threads: usize) -> Result<Self> {
        let mut input = open_input(path)?;
        let what = if kind == media::Type::Video { "picture" } else { "sound" };
        let index =
            find_stream(&input, kind).ok_or_else(|| Error::input(path, format!("it has no {what}")))?;
        discard_others(&mut input, index);
        let stream = input.stream(index).ok_or_else(|| Error::input(path, "its stream is gone"))?;
        let time_base = stream.time_base();
        let origin = if stream.start_time() == ffi::AV_NOPTS_VALUE { 0 } else { stream.start_time() };
        let mut context =
            av::codec::Context::from_parameters(stream.parameters()).map_err(|e| Error::input(path, e))?;
        context.set_threading(av::threading::Config { count: threads, ..kind_of_threads() });
        let mut decoder = context.decoder();
        decoder.set_packet_time_base(time_base);
        let codec = av::decoder::find(decoder.id()).ok_or_else(|| Error::Missing {
            what: format!("decoder for {} (in {})", decoder.id().name(), path.display()),
        })?;
        let decoder = decoder.open_as(codec).map_err(|e| Error::input(path, e))?;
        if start_ms > 0 {
            let start = i64::try_from(start_ms).unwrap_or(i64::MAX / 2_000) * 1_000;
            // To the key frame before; the caller drops what lies between. A file that cannot seek is read on.
            let _ = input.seek(start, ..start);
        }
        let path = path.to_owned();
        Ok(Self {
            path,
            input,
            decoder,
            index,
            time_base,
            origin,
            draining: false,
            bad_packets: 0,
            frames: 0,
        })
    }

    fn start_ms(&self) -> f64 {
        self.origin as f64 * f64::from(self.time_base) * 1_000.0
    }

    /// The next frame into `frame`; false at the end of the file.
    fn next(&mut self, frame: &mut av::Frame) -> Result<bool> {
        loop {
            match self.decoder.receive_frame(frame) {
                Ok(()) => {
                    let pts = frame.timestamp().map(|t| t.saturating_sub(self.origin));
                    frame.set_pts(pts);
                    self.frames += 1;
                    self.bad_packets = 0;
                    return Ok(true);
                }
                Err(av::Error::Other { errno: av::error::EAGAIN }) if !self.draining => self.feed()?,
                Err(av::Error::Eof | av::Error::Other { errno: av::error::EAGAIN }) => return self.ended(),
                Err(e) => self.passed_over(e)?,
            }
        }
    }

    fn ended(&self) -> Result<bool> {
        if self.frames == 0 {
            return Err(Error::input(&self.path, "not one frame of it can be decoded"));
        }
        Ok(false)
    }

    fn feed(&mut self) -> Result<()> {
        let mut packet = av::Packet::empty();
        loop {
            match packet.read(&mut self.input) {
                Ok(()) if packet.stream() != self.index => {}
                Ok(()) => match self.decoder.send_packet(&packet) {
                    Ok(()) => return Ok(()),
                    Err(e) => self.passed_over(e)?,
                },
                // The end, or a file that was cut off: what came so far is what there is.
                Err(_) => {
                    self.draining = true;
                    return self.decoder.send_eof().or(Ok(()));
                }
            }
        }
    }

    fn passed_over(&mut self, error: av::Error) -> Result<()> {
        self.bad_packets += 1;
        if self.bad_packets > BAD_PACKETS_MAX {
            return Err(Error::input(&self.path, format!("its data is damaged: {error}")));
        }
        Ok(())
    }
}

fn kind_of_threads() -> av::threading::Config {
    av::threading::Config { kind: av::threading::Type::Frame, ..Default::default() }
}

/// Tells the demuxer to pass over every stream but one.
fn discard_others(input: &mut av::format::context::Input, index: usize) {
    for mut stream in input.streams_mut() {
        // SAFETY: the pointer belongs to a stream of `input`, which is borrowed mutably here; `discard` and
        // `index` are plain fields that callers may read and set after opening.
        unsafe {
            let raw = stream.as_mut_ptr();
            if usize::try_from((*raw).index).ok() != Some(index) {
                (*raw).discard = ffi::AVDiscard::AVDISCARD_ALL;
            }
        }
    }
}

/// Reads the pictures of a file.
pub struct VideoReader(Stream);

impl VideoReader {
    /// Opens the best video stream at the last key frame before `start_ms`, with this many decoder threads.
    pub fn open(path: &Path, start_ms: u64, threads: usize) -> Result<Self> {
        Stream::open(path, media::Type::Video, start_ms, threads).map(Self)
    }

    /// The next frame, its time counted from the start of the stream in [`Self::time_base`]; `None` at the end.
    pub fn next_frame(&mut self) -> Result<Option<frame::Video>> {
        let mut frame = frame::Video::empty();
        Ok(self.0.next(&mut frame)?.then_some(frame))
    }

    /// The unit of frame times.
    #[must_use]
    pub fn time_base(&self) -> av::Rational {
        self.0.time_base
    }

    /// When the stream begins by the file's clock, in milliseconds; frame times are counted from there.
    #[must_use]
    pub fn start_ms(&self) -> f64 {
        self.0.start_ms()
    }
}

/// Reads the sound of a file.
pub struct AudioReader(Stream);

impl AudioReader {
    /// Opens the best audio stream at or before `start_ms`.
    pub fn open(path: &Path, start_ms: u64) -> Result<Self> {
        Stream::open(path, media::Type::Audio, start_ms, 1).map(Self)
    }

    /// The next frame; its channel layout is always named. `None` at the end.
    pub fn next_frame(&mut self) -> Result<Option<frame::Audio>> {
        let mut frame = frame::Audio::empty();
        if !self.0.next(&mut frame)? {
            return Ok(None);
        }
        name_layout(&mut frame);
        Ok(Some(frame))
    }

    /// The unit of frame times.
    #[must_use]
    pub fn time_base(&self) -> av::Rational {
        self.0.time_base
    }

    /// When the stream begins by the file's clock, in milliseconds; frame times are counted from there.
    #[must_use]
    pub fn start_ms(&self) -> f64 {
        self.0.start_ms()
    }
}

/// WAV files often say how many channels they have but not which; take the usual ones for the count.
fn name_layout(frame: &mut frame::Audio) {
    // SAFETY: the frame is owned here and holds decoded audio; its layout may be set in place, and the default
    // layouts own no memory.
    unsafe {
        let raw = frame.as_mut_ptr();
        if (*raw).ch_layout.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC {
            let channels: c_int = (*raw).ch_layout.nb_channels;
            ffi::av_channel_layout_default(&raw mut (*raw).ch_layout, channels);
        }
    }
}
