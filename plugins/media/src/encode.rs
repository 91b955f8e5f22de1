//! Encoders that take only what they were opened for, and keep the defaults that matter.
#![expect(unsafe_code, reason = "flags, options and audio layouts of a codec context have no safe door")]

use crate::error::{Error, Result};
use crate::graph::VideoFormat;
use ffmpeg_next::{self as av, ffi, format::Pixel, frame};
use std::ffi::{CString, c_int};

/// Names of presets, from fast to slow; the same for all codecs here.
const PRESETS: [&str; 10] = [
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
];

/// The codecs videos are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VideoCodec {
    /// H.264 by libx264.
    H264,
    /// H.265 by libx265.
    H265,
    /// AV1 by SVT-AV1.
    Av1,
}

impl VideoCodec {
    /// libav's name of the encoder.
    #[must_use]
    pub const fn encoder(self) -> &'static str {
        match self {
            Self::H264 => "libx264",
            Self::H265 => "libx265",
            Self::Av1 => "libsvtav1",
        }
    }

    /// The constant rate factor that looks like x264's 23.
    #[must_use]
    pub const fn default_crf(self) -> f32 {
        match self {
            Self::H264 => 23.0,
            Self::H265 => 26.0,
            Self::Av1 => 32.0,
        }
    }

    /// The encoder's own word for a preset named as x264 names them.
    fn preset(self, name: &str) -> String {
        if self != Self::Av1 {
            return name.to_owned();
        }
        let number = match name {
            "ultrafast" => "12",
            "superfast" => "11",
            "veryfast" => "10",
            "faster" => "9",
            "fast" => "8",
            "medium" => "7",
            "slow" => "5",
            "slower" => "4",
            "veryslow" | "placebo" => "3",
            other => other,
        };
        number.to_owned()
    }
}

/// How pictures are encoded.
#[derive(Clone, PartialEq, Debug)]
pub struct VideoSettings {
    /// By which codec.
    pub codec: VideoCodec,
    /// Pixels across; even.
    pub width: u32,
    /// Pixels down; even.
    pub height: u32,
    /// Frames a second.
    pub fps: u32,
    /// Constant rate factor; lower is better and larger.
    pub crf: f32,
    /// Speed, in x264's words (`ultrafast` … `veryslow`).
    pub preset: String,
    /// Encoder threads; 0 lets the encoder choose.
    pub threads: u32,
    /// Frames between two key frames at most.
    pub keyframe_interval: u32,
    /// Whether a colour takes 10 bits instead of 8.
    pub ten_bit: bool,
}

impl VideoSettings {
    /// What a frame has to be.
    #[must_use]
    pub fn format(&self) -> VideoFormat {
        let fps = c_int::try_from(self.fps).unwrap_or(30);
        VideoFormat {
            width: self.width,
            height: self.height,
            pixel: if self.ten_bit { Pixel::YUV420P10LE } else { Pixel::YUV420P },
            time_base: av::Rational(1, fps),
            sar: av::Rational(1, 1),
            rate: Some(av::Rational(fps, 1)),
        }
    }

    fn check(&self) -> Result<()> {
        if self.width < 16 || self.height < 16 || self.width % 2 == 1 || self.height % 2 == 1 {
            let size = format!("{}x{}", self.width, self.height);
            return Err(Error::Setting(format!(
                "a video of {size} is not possible: sides are even, 16 at least"
            )));
        }
        let number = self.codec == VideoCodec::Av1 && self.preset.parse::<u8>().is_ok_and(|n| n <= 13);
        if !PRESETS.contains(&self.preset.as_str()) && !number {
            let known = PRESETS.join(", ");
            return Err(Error::Setting(format!("there is no preset `{}`; take one of {known}", self.preset)));
        }
        if !(1..=240).contains(&self.fps) {
            return Err(Error::Setting(format!("{} frames a second are not possible: 1 to 240", self.fps)));
        }
        Ok(())
    }
}

/// Sets one option by name; an unknown name or value is an error instead of silence.
fn set_option(context: &mut av::codec::Context, encoder: &str, name: &str, value: &str) -> Result<()> {
    let (Ok(key), Ok(text)) = (CString::new(name), CString::new(value)) else {
        return Err(Error::Setting(format!("`{value}` is no value for {name}")));
    };
    // SAFETY: the context is owned and not open yet; both texts live through the call, which copies them.
    let code = unsafe {
        ffi::av_opt_set(
            context.as_mut_ptr().cast(),
            key.as_ptr(),
            text.as_ptr(),
            ffi::AV_OPT_SEARCH_CHILDREN as c_int,
        )
    };
    if code < 0 {
        return Err(Error::Setting(format!("encoder {encoder} does not take {name} `{value}`")));
    }
    Ok(())
}

/// Adds the flag MP4 needs to those the codec came with: setting flags as a whole would wipe `cgop`.
fn want_global_header(context: &mut av::codec::Context) {
    // SAFETY: the context is owned and not open yet; `flags` is a plain field to be set before opening.
    unsafe {
        (*context.as_mut_ptr()).flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER.cast_signed();
    }
}

fn drain(
    encoder: &mut av::codec::encoder::Encoder,
    name: &str,
    mut take: impl FnMut(av::Packet) -> Result<()>,
) -> Result<()> {
    loop {
        let mut packet = av::Packet::empty();
        match encoder.receive_packet(&mut packet) {
            Ok(()) => take(packet)?,
            Err(av::Error::Eof | av::Error::Other { errno: av::error::EAGAIN }) => return Ok(()),
            Err(e) => return Err(Error::encoder(name, e)),
        }
    }
}

/// Encodes pictures at a constant frame rate, BT.709 limited range, with closed GOPs.
pub struct VideoEncoder {
    inner: av::codec::encoder::video::Encoder,
    name: &'static str,
    format: VideoFormat,
    frames: u64,
}

impl VideoEncoder {
    /// Opens the encoder.
    pub fn open(settings: &VideoSettings) -> Result<Self> {
        crate::log::clear();
        settings.check()?;
        let name = settings.codec.encoder();
        let codec = av::encoder::find_by_name(name)
            .ok_or_else(|| Error::Missing { what: format!("encoder {name}") })?;
        let mut context = av::codec::Context::new_with_codec(codec);
        want_global_header(&mut context);
        set_option(&mut context, name, "preset", &settings.codec.preset(&settings.preset))?;
        set_option(&mut context, name, "crf", &settings.crf.to_string())?;
        if settings.codec == VideoCodec::H265 {
            // Its own log goes to stderr past libav's.
            set_option(&mut context, name, "x265-params", "log-level=error:open-gop=0")?;
        }
        // SAFETY: the context is owned and not open yet; `thread_count` is a plain field to be set before.
        unsafe {
            (*context.as_mut_ptr()).thread_count = c_int::try_from(settings.threads).unwrap_or(0);
        }
        let format = settings.format();
        let mut video = context.encoder().video().map_err(|e| Error::encoder(name, e))?;
        video.set_width(format.width);
        video.set_height(format.height);
        video.set_format(format.pixel);
        video.set_time_base(format.time_base);
        video.set_frame_rate(Some(format.time_base.invert()));
        video.set_aspect_ratio(format.sar);
        video.set_gop(settings.keyframe_interval);
        video.set_colorspace(av::color::Space::BT709);
        video.set_color_range(av::color::Range::MPEG);
        video.set_color_primaries(av::color::Primaries::BT709);
        video.set_color_transfer_characteristic(av::color::TransferCharacteristic::BT709);
        let inner = video.open_as(codec).map_err(|e| Error::encoder(name, e))?;
        Ok(Self { inner, name, format, frames: 0 })
    }

    /// What a frame has to be.
    #[must_use]
    pub fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// Frames taken so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        self.frames
    }

    pub(crate) fn context(&self) -> &av::codec::Context {
        self.inner.as_ref()
    }

    /// Encodes the next picture; its time becomes its number, so that the frame rate is constant.
    pub fn encode(
        &mut self,
        frame: &mut frame::Video,
        take: impl FnMut(av::Packet) -> Result<()>,
    ) -> Result<()> {
        if (frame.width(), frame.height(), frame.format())
            != (self.format.width, self.format.height, self.format.pixel)
        {
            let got = format!("{}x{} {:?}", frame.width(), frame.height(), frame.format());
            let wanted = format!("{}x{} {:?}", self.format.width, self.format.height, self.format.pixel);
            return Err(Error::mismatch(self.name, wanted, got));
        }
        crate::frames::prepare_for_encoder(frame);
        frame.set_pts(Some(i64::try_from(self.frames).unwrap_or(i64::MAX)));
        self.frames += 1;
        self.inner.send_frame(frame).map_err(|e| Error::encoder(self.name, e))?;
        drain(&mut self.inner, self.name, take)
    }

    /// Hands out what the encoder still holds.
    pub fn finish(&mut self, take: impl FnMut(av::Packet) -> Result<()>) -> Result<()> {
        self.inner.send_eof().map_err(|e| Error::encoder(self.name, e))?;
        drain(&mut self.inner, self.name, take)
    }
}

/// How sound is encoded: AAC, 48 kHz, stereo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AudioSettings {
    /// Bits a second.
    pub bit_rate: u32,
}

/// Encodes interleaved stereo floats at 48 kHz as AAC.
pub struct AudioEncoder {
    inner: av::codec::encoder::audio::Encoder,
    waiting: Vec<f32>,
    samples: i64,
}

impl AudioEncoder {
    const NAME: &str = "aac";

    /// Opens the encoder.
    pub fn open(settings: AudioSettings) -> Result<Self> {
        crate::log::clear();
        let codec = av::encoder::find_by_name(Self::NAME)
            .ok_or_else(|| Error::Missing { what: "encoder aac".to_owned() })?;
        let mut context = av::codec::Context::new_with_codec(codec);
        want_global_header(&mut context);
        // SAFETY: the context is owned and not open yet; the default stereo layout owns no memory.
        unsafe {
            ffi::av_channel_layout_default(&raw mut (*context.as_mut_ptr()).ch_layout, 2);
        }
        let mut audio = context.encoder().audio().map_err(|e| Error::encoder(Self::NAME, e))?;
        audio.set_rate(c_int::try_from(crate::RATE).unwrap_or(48_000));
        audio.set_format(av::format::Sample::F32(av::format::sample::Type::Planar));
        audio.set_bit_rate(settings.bit_rate as usize);
        audio.set_time_base(av::Rational(1, c_int::try_from(crate::RATE).unwrap_or(48_000)));
        let inner = audio.open_as(codec).map_err(|e| Error::encoder(Self::NAME, e))?;
        Ok(Self { inner, waiting: Vec::new(), samples: 0 })
    }

    pub(crate) fn context(&self) -> &av::codec::Context {
        self.inner.as_ref()
    }

    /// Samples (of each channel) taken so far.
    #[must_use]
    pub fn samples(&self) -> i64 {
        self.samples + i64::try_from(self.waiting.len() / crate::CHANNELS).unwrap_or(0)
    }

    /// Encodes interleaved samples.
    pub fn encode(&mut self, samples: &[f32], mut take: impl FnMut(av::Packet) -> Result<()>) -> Result<()> {
        self.waiting.extend_from_slice(samples);
        let block = (self.inner.frame_size().max(1) as usize) * crate::CHANNELS;
        let mut start = 0;
        while self.waiting.len() - start >= block {
            let frame = crate::frames::planar_frame(&self.waiting[start..start + block], self.samples)?;
            self.send(&frame, &mut take)?;
            start += block;
        }
        self.waiting.drain(..start);
        Ok(())
    }

    /// Encodes what is left (a short block) and hands out what the encoder still holds.
    pub fn finish(&mut self, mut take: impl FnMut(av::Packet) -> Result<()>) -> Result<()> {
        if !self.waiting.is_empty() {
            let frame = crate::frames::planar_frame(&self.waiting, self.samples)?;
            self.waiting.clear();
            self.send(&frame, &mut take)?;
        }
        self.inner.send_eof().map_err(|e| Error::encoder(Self::NAME, e))?;
        drain(&mut self.inner, Self::NAME, take)
    }

    fn send(&mut self, frame: &frame::Audio, take: impl FnMut(av::Packet) -> Result<()>) -> Result<()> {
        self.samples += i64::try_from(frame.samples()).unwrap_or(0);
        self.inner.send_frame(frame).map_err(|e| Error::encoder(Self::NAME, e))?;
        drain(&mut self.inner, Self::NAME, take)
    }
}

#[cfg(test)]
mod tests {
    use super::{VideoCodec, VideoEncoder, VideoSettings};
    use ffmpeg_next::ffi;

    #[test]
    fn asking_for_a_global_header_keeps_the_gop_closed() {
        let settings = VideoSettings {
            codec: VideoCodec::H264,
            width: 64,
            height: 64,
            fps: 30,
            crf: 23.0,
            preset: "ultrafast".into(),
            threads: 1,
            keyframe_interval: 30,
            ten_bit: false,
        };
        let encoder = VideoEncoder::open(&settings).unwrap();
        // SAFETY: the context is open and alive; `flags` is a plain field.
        let flags = unsafe { (*encoder.context().as_ptr()).flags };
        let wanted = ffi::AV_CODEC_FLAG_CLOSED_GOP | ffi::AV_CODEC_FLAG_GLOBAL_HEADER;
        assert_eq!(flags & wanted.cast_signed(), wanted.cast_signed());
    }
}
