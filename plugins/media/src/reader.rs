//! Decoding one stream of one file, frame by frame, from a point in time on.
//!
//! A file may lie about itself: packets that cannot be decoded are passed over as long as some frame comes out,
//! and a file that stops in the middle simply ends there. A file without a single frame is an error.
#![expect(unsafe_code, reason = "discarding other streams and decoder settings have no safe door")]

use crate::decode::{Decoding, Device};
use crate::error::{Error, Result};
use crate::graph::{Graph, VideoFormat};
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
    /// Packets in a row that may fail. None where a GPU decodes: software is asked then.
    bad_packets_max: u32,
    frames: u64,
}

impl Stream {
    fn open(
        path: &Path,
        kind: media::Type,
        start_ms: u64,
        threads: usize,
        gpu: Option<&Device>,
    ) -> Result<Self> {
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
        if let Some(device) = gpu {
            device.attach(&mut context);
        }
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
            bad_packets_max: if gpu.is_some() { 0 } else { BAD_PACKETS_MAX },
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
        if self.bad_packets > self.bad_packets_max {
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
pub struct VideoReader {
    stream: Stream,
    start_ms: u64,
    threads: usize,
    decoding: Decoding,
    /// Whether a GPU may decode it.
    gpu: bool,
    given: u64,
    /// What the frames are, and what makes those of software into the same.
    pixel: Option<av::format::Pixel>,
    alike: Option<Graph>,
}

impl VideoReader {
    /// Opens the best video stream at the last key frame before `start_ms`, with this many decoder threads.
    pub fn open(path: &Path, start_ms: u64, threads: usize) -> Result<Self> {
        Self::open_by(path, start_ms, threads, &Decoding::default())
    }

    /// The same, decoded by whom somebody wants.
    pub fn open_by(path: &Path, start_ms: u64, threads: usize, decoding: &Decoding) -> Result<Self> {
        let open = |threads, gpu| Stream::open(path, media::Type::Video, start_ms, threads, gpu);
        let by_gpu = decoding.device().map(|device| open(1, Some(device)));
        let (stream, gpu) = match by_gpu {
            Some(Ok(stream)) => (stream, true),
            Some(Err(error)) => {
                decoding.note("software decodes", error);
                (open(threads, None)?, false)
            }
            None => (open(threads, None)?, false),
        };
        let decoding = decoding.clone();
        Ok(Self { stream, start_ms, threads, decoding, gpu, given: 0, pixel: None, alike: None })
    }

    /// The next frame, its time counted from the start of the stream in [`Self::time_base`]; `None` at the end.
    pub fn next_frame(&mut self) -> Result<Option<frame::Video>> {
        loop {
            let mut frame = frame::Video::empty();
            match self.fill(&mut frame) {
                Ok(there) => return Ok(there.then_some(frame)),
                Err(error) if self.gpu => self.go_on_in_software(&error)?,
                Err(error) => return Err(error),
            }
        }
    }

    fn fill(&mut self, frame: &mut frame::Video) -> Result<bool> {
        if !self.stream.next(frame)? {
            return Ok(false);
        }
        let device = if self.gpu { self.decoding.device() } else { None };
        let by_gpu = match device {
            Some(device) => device.bring_down(frame, self.given, &self.stream.path)?,
            None => false,
        };
        if self.gpu && !by_gpu {
            if self.given > 0 {
                return Err(Error::input(&self.stream.path, "the GPU decodes no more of it"));
            }
            self.gpu = false;
            self.decoding
                .note("software decodes", format!("{} is not for the GPU", self.stream.path.display()));
        }
        if let Some(graph) = self.alike.as_mut() {
            *frame = graph.through("the decoder", std::mem::replace(frame, frame::Video::empty()))?;
        }
        self.given += 1;
        self.pixel = Some(frame.format());
        self.decoding.count(by_gpu);
        Ok(true)
    }

    /// Opens the file again and goes on where the GPU stopped, with frames like those before.
    fn go_on_in_software(&mut self, error: &Error) -> Result<()> {
        self.gpu = false;
        self.decoding.note("software decodes", error);
        let path = self.stream.path.clone();
        self.stream = Stream::open(&path, media::Type::Video, self.start_ms, self.threads, None)?;
        let mut frame = frame::Video::empty();
        for _ in 0..self.given {
            if !self.stream.next(&mut frame)? {
                return Ok(());
            }
        }
        let like = self.pixel.filter(|pixel| self.given > 0 && *pixel != frame.format());
        let Some(name) =
            like.and_then(av::format::Pixel::descriptor).map(av::format::pixel::Descriptor::name)
        else {
            return Ok(());
        };
        let format = VideoFormat::of(&frame, self.stream.time_base);
        self.alike = Some(Graph::video(&format!("[in0]format={name}[out]"), &[format])?);
        Ok(())
    }

    /// The unit of frame times.
    #[must_use]
    pub fn time_base(&self) -> av::Rational {
        self.stream.time_base
    }

    /// When the stream begins by the file's clock, in milliseconds; frame times are counted from there.
    #[must_use]
    pub fn start_ms(&self) -> f64 {
        self.stream.start_ms()
    }
}

/// Reads the sound of a file.
pub struct AudioReader(Stream);

impl AudioReader {
    /// Opens the best audio stream at or before `start_ms`.
    pub fn open(path: &Path, start_ms: u64) -> Result<Self> {
        Stream::open(path, media::Type::Audio, start_ms, 1, None).map(Self)
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

#[cfg(test)]
mod tests {
    use super::VideoReader;
    use crate::codec::VideoCodec;
    use crate::decode::{Decoded, Decoding};
    use crate::encode::VideoSettings;
    use crate::error::Error;
    use crate::fault::Fault;
    use crate::frames::{gray_mean, plane};
    use crate::{Pixel, Unwatched, synth};
    use std::path::{Path, PathBuf};

    /// 60 frames that grow brighter, with a key frame in the middle.
    fn ramp(dir: &Path) -> PathBuf {
        let settings = VideoSettings {
            codec: VideoCodec::H264,
            width: 64,
            height: 64,
            fps: 30,
            crf: 12.0,
            preset: "ultrafast".into(),
            threads: 1,
            keyframe_interval: 30,
            ten_bit: false,
        };
        let path = dir.join("ramp.mp4");
        let spec =
            "color=c=black:s=64x64:r=30:d=2,geq=lum='20+100*T':cb=128:cr=128,setsar=1,format=yuv420p[out]";
        synth(&path, Some((spec, &settings)), None, &Unwatched).unwrap();
        path
    }

    /// Time and brightness of all frames from the last key frame before a time on.
    fn shown(path: &Path, start_ms: u64, decoding: &Decoding) -> Vec<(Option<i64>, f64)> {
        let mut reader = VideoReader::open_by(path, start_ms, 1, decoding).unwrap();
        let frames = std::iter::from_fn(|| reader.next_frame().unwrap());
        frames.map(|frame| (frame.pts(), gray_mean(plane(&frame, 0)))).collect()
    }

    #[test]
    fn where_a_gpu_stops_software_goes_on_with_the_next_frame() {
        let dir = tempfile::tempdir().unwrap();
        let path = ramp(dir.path());
        for (start_ms, fault, by_gpu) in
            [(0, Fault::Frame(7), 7), (1_200, Fault::Frame(0), 0), (0, Fault::Never, 60)]
        {
            let decoding = Decoding::failing(fault);
            let plain = shown(&path, start_ms, &Decoding::default());
            assert_eq!(shown(&path, start_ms, &decoding), plain, "{fault:?}");
            let Decoded { by_gpu: gpu, by_cpu: cpu, reasons } = decoding.went();
            assert_eq!((gpu, gpu + cpu), (by_gpu, plain.len() as u64), "{fault:?}");
            let told = reasons.iter().any(|reason| reason.contains("the device was lost"));
            assert_eq!(told, fault != Fault::Never, "{reasons:?}");
        }
    }

    #[test]
    fn frames_of_software_are_like_those_that_came_from_the_gpu() {
        let dir = tempfile::tempdir().unwrap();
        let path = ramp(dir.path());
        let mut reader = VideoReader::open_by(&path, 0, 1, &Decoding::failing(Fault::Never)).unwrap();
        reader.next_frame().unwrap().unwrap();
        reader.pixel = Some(Pixel::NV12);
        reader.go_on_in_software(&Error::Setting("lost".into())).unwrap();
        let frame = reader.next_frame().unwrap().unwrap();
        assert_eq!(frame.format(), Pixel::NV12);
        let second = shown(&path, 0, &Decoding::default())[1];
        assert_eq!((frame.pts(), gray_mean(plane(&frame, 0))), second);
    }
}
