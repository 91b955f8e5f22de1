//! Encoders that take only what they were opened for, and keep the defaults that matter.
#![expect(unsafe_code, reason = "flags, options and audio layouts of a codec context have no safe door")]

use crate::codec::{Choice, PRESETS, Vendor, VideoCodec, Wish, chain};
use crate::error::{Error, Result};
use crate::fault::{self, Fault};
use crate::graph::{Graph, VideoFormat};
use crate::upload::Uploader;
use ffmpeg_next::{self as av, ffi, format::Pixel, frame};
use std::ffi::{CString, c_int};

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

    /// Whether they make sense, whichever encoder takes them.
    pub fn check(&self) -> Result<()> {
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

/// Tells an encoder what was chosen. What only makes it better may be unknown to this libav; what it is told must not be.
fn set_parameters(context: &mut av::codec::Context, choice: &Choice) -> Result<()> {
    for parameter in &choice.parameters {
        match set_option(context, &choice.encoder, parameter.name, &parameter.value) {
            // A person said it of software; of hardware a table did.
            Err(Error::Setting(text)) if parameter.needed && choice.vendor() != Vendor::Software => {
                return Err(Error::encoder(&choice.encoder, text));
            }
            Err(error) if parameter.needed => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

/// The format an encoder takes pictures in. Where it is another than that of the renderer, they are converted without loss.
fn native(vendor: Vendor, ten_bit: bool) -> Pixel {
    match (vendor, ten_bit) {
        (Vendor::Software, true) => Pixel::YUV420P10LE,
        (Vendor::Software | Vendor::Nvenc, false) => Pixel::YUV420P,
        (_, true) => Pixel::P010LE,
        (_, false) => Pixel::NV12,
    }
}

/// Encodes pictures at a constant frame rate, BT.709 limited range, with closed GOPs.
pub struct VideoEncoder {
    inner: av::codec::encoder::video::Encoder,
    name: String,
    format: VideoFormat,
    /// Brings pictures into the encoder's own format, and onto its GPU.
    convert: Option<Graph>,
    upload: Option<Uploader>,
    fault: Option<Fault>,
    frames: u64,
    packets: u64,
}

impl VideoEncoder {
    /// Opens the codec's software encoder.
    pub fn open(settings: &VideoSettings) -> Result<Self> {
        settings.check()?;
        let chain = chain(settings, &Wish::Software, false, &[]);
        let choice =
            chain.choices.first().ok_or_else(|| Error::Missing { what: "software encoder".into() })?;
        Self::open_choice(settings, choice)
    }

    /// Opens one encoder of a chain.
    pub fn open_choice(settings: &VideoSettings, choice: &Choice) -> Result<Self> {
        Self::open_for(settings, choice, false)
    }

    /// Opens an encoder, perhaps only to see whether it works. Hardware that refuses what would only make it better is opened
    /// without: what a generation can is told by tables, and drivers know more.
    pub(crate) fn open_for(settings: &VideoSettings, choice: &Choice, probing: bool) -> Result<Self> {
        let plain = choice.plain();
        match Self::open_with(settings, choice, probing) {
            Err(first @ Error::Encoder { .. }) if plain.parameters.len() < choice.parameters.len() => {
                Self::open_with(settings, &plain, probing).map_err(|_| first)
            }
            opened => opened,
        }
    }

    fn open_with(settings: &VideoSettings, choice: &Choice, probing: bool) -> Result<Self> {
        crate::log::clear();
        settings.check()?;
        let fault = fault::of(&choice.encoder);
        let stand_in = fault.map(|_| stand_in(settings));
        if let Some(fault) = fault {
            fault.at_open(&choice.encoder, probing)?;
        }
        let (choice, name) = (stand_in.as_ref().unwrap_or(choice), choice.encoder.clone());
        let codec = av::encoder::find_by_name(&choice.encoder)
            .ok_or_else(|| Error::Missing { what: format!("encoder {name}") })?;
        let mut context = av::codec::Context::new_with_codec(codec);
        want_global_header(&mut context);
        set_parameters(&mut context, choice)?;
        let format = settings.format();
        let pixel = native(choice.vendor(), settings.ten_bit);
        let size = (settings.width, settings.height);
        let upload = (choice.vendor() == Vendor::Vaapi)
            .then(|| Uploader::open(&name, choice.device.as_deref(), size, pixel.into()))
            .transpose()?;
        if let Some(upload) = &upload {
            upload.attach(&mut context);
        }
        let convert = (pixel != format.pixel).then(|| conversion(&format, pixel)).transpose()?;
        // SAFETY: the context is owned and not open yet; `thread_count` is a plain field to be set before.
        unsafe {
            (*context.as_mut_ptr()).thread_count = c_int::try_from(settings.threads).unwrap_or(0);
        }
        let mut video = context.encoder().video().map_err(|e| Error::encoder(&name, e))?;
        video.set_width(format.width);
        video.set_height(format.height);
        video.set_format(if upload.is_some() { Pixel::VAAPI } else { pixel });
        video.set_time_base(format.time_base);
        video.set_frame_rate(Some(format.time_base.invert()));
        video.set_aspect_ratio(format.sar);
        video.set_gop(settings.keyframe_interval);
        video.set_colorspace(av::color::Space::BT709);
        video.set_color_range(av::color::Range::MPEG);
        video.set_color_primaries(av::color::Primaries::BT709);
        video.set_color_transfer_characteristic(av::color::TransferCharacteristic::BT709);
        let inner = video.open_as(codec).map_err(|e| Error::encoder(&name, e))?;
        // Probed, it works unless it is to fail then.
        let fault = fault.filter(|_| !probing);
        Ok(Self { inner, name, format, convert, upload, fault, frames: 0, packets: 0 })
    }

    /// What a frame has to be.
    #[must_use]
    pub fn format(&self) -> &VideoFormat {
        &self.format
    }

    /// Its name in libav.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
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
            return Err(Error::mismatch(&self.name, wanted, got));
        }
        crate::frames::prepare_for_encoder(frame);
        frame.set_pts(Some(i64::try_from(self.frames).unwrap_or(i64::MAX)));
        let number = self.frames;
        self.frames += 1;
        self.send(frame, number).and_then(|()| self.drain(take)).map_err(|error| error.at_frame(number))
    }

    fn send(&mut self, frame: &frame::Video, number: u64) -> Result<()> {
        if let Some(fault) = self.fault {
            fault.at_frame(&self.name, number)?;
        }
        let convert = |graph: &mut Graph| graph.through("the encoder", crate::frames::share(frame));
        let converted = self.convert.as_mut().map(convert).transpose()?;
        let frame = converted.as_ref().unwrap_or(frame);
        let uploaded = self.upload.as_ref().map(|upload| upload.upload(frame)).transpose()?;
        let frame = uploaded.as_ref().unwrap_or(frame);
        self.inner.send_frame(frame).map_err(|e| Error::encoder(&self.name, e))
    }

    fn drain(&mut self, mut take: impl FnMut(av::Packet) -> Result<()>) -> Result<()> {
        let packets = &mut self.packets;
        drain(&mut self.inner, &self.name, |packet| {
            *packets += 1;
            take(packet)
        })
    }

    /// Hands out what the encoder still holds. A packet for every frame, or it is the encoder's fault: devices that are lost
    /// have been seen to end as if all was well.
    pub fn finish(&mut self, take: impl FnMut(av::Packet) -> Result<()>) -> Result<()> {
        let last = self.frames;
        let sent = self.inner.send_eof().map_err(|e| Error::encoder(&self.name, e));
        sent.and_then(|()| self.drain(take)).map_err(|error| error.at_frame(last))?;
        if self.packets != self.frames {
            let reason = format!("it gave {} packets for {} frames", self.packets, self.frames);
            return Err(Error::encoder_at(&self.name, Some(last), reason));
        }
        Ok(())
    }
}

/// Who takes the place of an encoder that is made to fail.
fn stand_in(settings: &VideoSettings) -> Choice {
    let settings = VideoSettings { codec: VideoCodec::H264, crf: 23.0, ..settings.clone() };
    let mut chain = chain(&settings, &Wish::Named(fault::STAND_IN.into()), false, &[]);
    chain.choices.remove(0)
}

fn conversion(format: &VideoFormat, pixel: Pixel) -> Result<Graph> {
    let name = pixel.descriptor().map_or("nv12", |descriptor| descriptor.name());
    Graph::video(&format!("[in0]setsar=1,format={name}[out]"), std::slice::from_ref(format))
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
    use super::{VideoEncoder, VideoSettings, set_option};
    use crate::codec::{Generation, PRESETS, Probed, VideoCodec, Wish, chain, hardware_encoders};
    use ffmpeg_next::{self as av, ffi};
    use std::collections::BTreeSet;

    #[test]
    fn this_libav_knows_what_hardware_is_told_and_all_that_decides_the_quality() {
        crate::log::init();
        let mut unknown = BTreeSet::new();
        for codec in [VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1] {
            for (encoder, preset) in
                hardware_encoders(codec).flat_map(|name| PRESETS.map(|p| (name.clone(), p)))
            {
                // What is not compiled in cannot be asked.
                let Some(found) = av::encoder::find_by_name(&encoder) else { continue };
                for word in ["", "turing", "ampere", "ada", "blackwell", "arc", "integrated", "rdna3"] {
                    let settings = VideoSettings {
                        codec,
                        width: 64,
                        height: 64,
                        fps: 30,
                        crf: codec.default_crf(),
                        preset: preset.into(),
                        threads: 1,
                        keyframe_interval: 30,
                        ten_bit: false,
                    };
                    let generation = Generation::from_word(word);
                    let device = Some("0".to_owned());
                    let probed = Probed { encoder: encoder.clone(), generation, device, failure: None };
                    let chain = chain(&settings, &Wish::Named(encoder.clone()), false, &[probed]);
                    for parameter in chain.choices.into_iter().flat_map(|choice| choice.parameters) {
                        let mut context = av::codec::Context::new_with_codec(found);
                        let set = set_option(&mut context, &encoder, parameter.name, &parameter.value);
                        assert!(!parameter.needed || set.is_ok(), "{encoder} {preset} {word}: {parameter:?}");
                        if set.is_err() {
                            unknown.insert((encoder.clone(), parameter.name, parameter.value));
                        }
                    }
                }
            }
        }
        // These came later, or with another codec only.
        unknown.retain(|(_, name, value)| {
            !matches!((*name, value.as_str()), ("tune", "uhq") | ("adaptive_b", _))
        });
        assert!(unknown.is_empty(), "{unknown:?}");
    }

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
