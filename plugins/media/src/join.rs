//! Parts of one video, encoded apart, become one file again without being decoded: packets are copied, their times moved.
//!
//! Players read one stream header, so the parts must have the same to the byte. Everything else is checked too: that a part
//! has the frames it says, that none is missing or twice, and that each begins with a key frame.
#![expect(unsafe_code, reason = "stream parameters and their extra data are plain fields of C structures")]

use crate::control::{Control, Progress};
use crate::error::{Error, Result};
use crate::mux::Muxer;
use crate::reader::{find_stream, open_input};
use ffmpeg_next::{self as av, media};
use std::path::{Path, PathBuf};

/// A part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its file: pictures only.
    pub path: PathBuf,
    /// Its frames.
    pub frames: u64,
}

/// Joins parts in their order into `to`, at `fps` frames a second, with the tracks of `beside` (sound, text), which are
/// copied as they are. The answer is the length of the file in bytes.
pub fn join(
    parts: &[Part],
    fps: u32,
    beside: Option<&Path>,
    to: &Path,
    control: &dyn Control,
) -> Result<u64> {
    let first = parts.first().ok_or_else(|| Error::Setting("there are no parts to join".into()))?;
    let total: u64 = parts.iter().map(|part| part.frames).sum();
    let header = Open::new(first)?;
    let time_base = av::Rational(1, i32::try_from(fps).unwrap_or(30));
    let mut muxer = Muxer::create(to)?;
    let pictures = muxer.add_copy(&header.parameters(), time_base, None)?;
    let mut beside = beside.map(|path| Beside::new(path, &mut muxer)).transpose()?;
    let mut at = 0;
    for (number, part) in parts.iter().enumerate() {
        let mut open = Open::new(part)?;
        if !header.is_like(&open) {
            return Err(Error::Setting(format!(
                "part {} has another stream header than part 1: encode all with the same encoder, preset and codec",
                number + 1
            )));
        }
        open.copy(at, fps, |packet, done| {
            control.check()?;
            if let Some(beside) = beside.as_mut() {
                beside.copy_until(&mut muxer, Some(done as f64 / f64::from(fps)))?;
            }
            control.progress(&Progress { done, total, unit: "frames", phase: "join", rate: 0.0 });
            muxer.write(pictures, packet)
        })?;
        at += part.frames;
    }
    if let Some(mut beside) = beside {
        beside.copy_until(&mut muxer, None)?;
    }
    muxer.finish()
}

/// An open part.
struct Open<'a> {
    part: &'a Part,
    input: av::format::context::Input,
    index: usize,
}

impl<'a> Open<'a> {
    fn new(part: &'a Part) -> Result<Self> {
        let input = open_input(&part.path)?;
        let index = find_stream(&input, media::Type::Video)
            .ok_or_else(|| Error::input(&part.path, "it has no picture"))?;
        Ok(Self { part, input, index })
    }

    fn parameters(&self) -> av::codec::Parameters {
        self.input.stream(self.index).map(|stream| stream.parameters()).unwrap_or_default()
    }

    /// Whether a player can go from one to the other without noticing.
    fn is_like(&self, other: &Self) -> bool {
        same_header(&self.parameters(), &other.parameters())
    }

    /// Hands out its packets, moved to frame `at`, each with the number of frames up to it.
    fn copy(&mut self, at: u64, fps: u32, mut take: impl FnMut(av::Packet, u64) -> Result<()>) -> Result<()> {
        let path = &self.part.path;
        let wrong = |what: &str| Error::input(path, what);
        let from = self.input.stream(self.index).map(|stream| stream.time_base());
        let from = from.ok_or_else(|| wrong("its stream is gone"))?;
        let mut seen = vec![false; usize::try_from(self.part.frames).unwrap_or(0)];
        let (mut origin, mut count) = (None, 0);
        for (stream, mut packet) in self.input.packets() {
            if stream.index() != self.index {
                continue;
            }
            let pts = frame_of(packet.pts(), from, fps).ok_or_else(|| wrong("a frame stands between two"))?;
            let dts = frame_of(packet.dts(), from, fps).ok_or_else(|| wrong("a frame stands between two"))?;
            if origin.is_none() && !packet.is_key() {
                return Err(wrong("it does not begin with a key frame"));
            }
            let origin = *origin.get_or_insert(pts);
            let place = usize::try_from(pts - origin).ok().and_then(|place| seen.get_mut(place));
            match place {
                Some(place) if !*place => *place = true,
                _ => return Err(wrong("a frame of it is twice, or beyond its end")),
            }
            let shift = i64::try_from(at).unwrap_or(i64::MAX) - origin;
            packet.set_pts(Some(pts + shift));
            packet.set_dts(Some(dts + shift));
            packet.set_duration(1);
            count += 1;
            take(packet, at + count)?;
        }
        if count != self.part.frames {
            return Err(wrong(&format!("it has {count} frames, not {}", self.part.frames)));
        }
        Ok(())
    }
}

fn same_header(a: &av::codec::Parameters, b: &av::codec::Parameters) -> bool {
    // SAFETY: both belong to open inputs and are only read; extra data is as long as its size says, or null with size 0.
    unsafe {
        let (a, b) = (&*a.as_ptr(), &*b.as_ptr());
        let extra = |p: &av::ffi::AVCodecParameters| {
            let length = usize::try_from(p.extradata_size).unwrap_or(0);
            if p.extradata.is_null() { &[][..] } else { std::slice::from_raw_parts(p.extradata, length) }
        };
        (a.codec_id, a.width, a.height, a.format) == (b.codec_id, b.width, b.height, b.format)
            && extra(a) == extra(b)
    }
}

/// The number of the frame at a time; none where the time is that of no frame.
fn frame_of(time: Option<i64>, unit: av::Rational, fps: u32) -> Option<i64> {
    let scaled = i128::from(time?) * i128::from(unit.numerator()) * i128::from(fps);
    let whole = i128::from(unit.denominator().max(1));
    let frame = (scaled + whole.div_euclid(2)).div_euclid(whole);
    // Units of containers may not divide a second by the rate: half a tick of them is forgiven.
    let off = (scaled - frame * whole).abs();
    let forgiven = i128::from(unit.numerator()) * i128::from(fps);
    (off <= forgiven).then(|| i64::try_from(frame).ok()).flatten()
}

/// Tracks that are copied as they are.
struct Beside {
    input: av::format::context::Input,
    /// For each of its streams: that of the new file.
    streams: Vec<usize>,
    next: Option<(usize, av::Packet)>,
}

impl Beside {
    fn new(path: &Path, muxer: &mut Muxer) -> Result<Self> {
        let input = open_input(path)?;
        let mut streams = Vec::new();
        for stream in input.streams() {
            let language = stream.metadata().get("language").map(str::to_owned);
            streams.push(muxer.add_copy(&stream.parameters(), stream.time_base(), language.as_deref())?);
        }
        let mut beside = Self { input, streams, next: None };
        beside.advance();
        Ok(beside)
    }

    fn advance(&mut self) {
        self.next = self.input.packets().next().map(|(stream, packet)| (stream.index(), packet));
    }

    /// Copies what begins before a time in seconds; all that is left without one.
    fn copy_until(&mut self, muxer: &mut Muxer, seconds: Option<f64>) -> Result<()> {
        while let Some((index, packet)) = self.next.take() {
            let unit = self.input.stream(index).map_or(av::Rational(1, 1), |stream| stream.time_base());
            let begins = packet.dts().or(packet.pts()).unwrap_or(0) as f64 * f64::from(unit);
            if seconds.is_some_and(|seconds| begins >= seconds) {
                self.next = Some((index, packet));
                return Ok(());
            }
            if let Some(stream) = self.streams.get(index) {
                muxer.write(*stream, packet)?;
            }
            self.advance();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::frame_of;
    use ffmpeg_next::Rational;

    #[test]
    fn times_are_numbers_of_frames_or_none() {
        let of = |time, unit| frame_of(Some(time), unit, 30);
        assert_eq!(of(1_024, Rational(1, 15_360)), Some(2));
        assert_eq!(of(-1_024, Rational(1, 15_360)), Some(-2));
        assert_eq!(of(33, Rational(1, 1_000)), Some(1), "a millisecond is as near as it comes");
        assert_eq!(of(700, Rational(1, 15_360)), None, "between two frames");
        assert_eq!(frame_of(None, Rational(1, 30), 30), None);
    }
}
