//! Writing a container. A file that was not finished is removed when its muxer goes away.
#![expect(unsafe_code, reason = "streams of text, and the codec tag of a stream, have no safe door")]

use crate::encode::{AudioEncoder, VideoEncoder};
use crate::error::{Error, Result};
use ffmpeg_next::{self as av, ffi};
use std::path::{Path, PathBuf};

/// A container being written.
pub struct Muxer {
    output: Option<av::format::context::Output>,
    path: PathBuf,
    /// For each stream: the encoder's unit of time, and the last decoding time written.
    streams: Vec<(av::Rational, Option<i64>)>,
    started: bool,
    finished: bool,
}

impl Muxer {
    /// Creates the file; the container follows from its extension (`.mp4`, `.mkv`, …).
    pub fn create(path: &Path) -> Result<Self> {
        crate::log::clear();
        let output = av::format::output(path).map_err(|e| Error::output(path, e))?;
        let path = path.to_owned();
        Ok(Self { output: Some(output), path, streams: Vec::new(), started: false, finished: false })
    }

    /// Adds the pictures; the answer is the stream's number for [`Self::write`].
    pub fn add_video(&mut self, encoder: &VideoEncoder) -> Result<usize> {
        let h265 = encoder.context().id() == av::codec::Id::HEVC;
        self.add(encoder.context(), h265.then(|| u32::from_le_bytes(*b"hvc1")))
    }

    /// Adds the sound.
    pub fn add_audio(&mut self, encoder: &AudioEncoder) -> Result<usize> {
        self.add(encoder.context(), None)
    }

    /// Adds a stream whose packets come from another file, with their unit of time and an ISO 639-2 language.
    pub(crate) fn add_copy(
        &mut self,
        parameters: &av::codec::Parameters,
        time_base: av::Rational,
        language: Option<&str>,
    ) -> Result<usize> {
        let output = self.output.as_mut().ok_or_else(|| Error::output(&self.path, "it is closed"))?;
        let h265 = parameters.id() == av::codec::Id::HEVC;
        let video = parameters.medium() == av::media::Type::Video;
        // SAFETY: the context is open and borrowed mutably; the new stream belongs to it, and its parameters become a copy
        // of those given. A tag belongs to the container it came from: the muxer chooses, but for the one that all players
        // know.
        let index = unsafe {
            let stream = ffi::avformat_new_stream(output.as_mut_ptr(), std::ptr::null());
            if stream.is_null() || ffi::avcodec_parameters_copy((*stream).codecpar, parameters.as_ptr()) < 0 {
                return Err(Error::output(&self.path, "no memory for a stream"));
            }
            (*(*stream).codecpar).codec_tag = if h265 { u32::from_le_bytes(*b"hvc1") } else { 0 };
            (*stream).index
        };
        let index = usize::try_from(index).unwrap_or(0);
        if let Some(mut stream) = output.stream_mut(index) {
            stream.set_time_base(time_base);
            if video {
                stream.set_avg_frame_rate(time_base.invert());
                stream.set_rate(time_base.invert());
            }
            if let Some(language) = language {
                let mut metadata = av::Dictionary::new();
                metadata.set("language", language);
                stream.set_metadata(metadata);
            }
        }
        self.streams.push((time_base, None));
        Ok(self.streams.len() - 1)
    }

    fn add(&mut self, context: &av::codec::Context, tag: Option<u32>) -> Result<usize> {
        let output = self.output.as_mut().ok_or_else(|| Error::output(&self.path, "it is closed"))?;
        let time_base = context.time_base();
        let mut stream = output.add_stream_with(context).map_err(|e| Error::output(&self.path, e))?;
        stream.set_time_base(time_base);
        if context.medium() == av::media::Type::Video {
            stream.set_avg_frame_rate(time_base.invert());
            stream.set_rate(time_base.invert());
        }
        if let Some(tag) = tag {
            // SAFETY: the stream was just made and is borrowed mutably; its parameters are set before the header.
            unsafe {
                (*(*stream.as_mut_ptr()).codecpar).codec_tag = tag;
            }
        }
        self.streams.push((time_base, None));
        Ok(self.streams.len() - 1)
    }

    /// Adds a track of text that players can show (`mov_text`, 3GPP TS 26.245), with an ISO 639-2 language. Its times
    /// are milliseconds.
    pub fn add_text(&mut self, language: &str, width: u32, height: u32) -> Result<usize> {
        let output = self.output.as_mut().ok_or_else(|| Error::output(&self.path, "it is closed"))?;
        let time_base = av::Rational(1, 1_000);
        let description = text_description();
        // SAFETY: the context is open and borrowed mutably; the new stream belongs to it. The description is copied
        // into memory of libav's allocator with the padding that it asks for, and freed by libav.
        let index = unsafe {
            let stream = ffi::avformat_new_stream(output.as_mut_ptr(), std::ptr::null());
            let padding = ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
            let extra = ffi::av_mallocz(description.len() + padding).cast::<u8>();
            if stream.is_null() || extra.is_null() {
                return Err(Error::output(&self.path, "no memory for a track of text"));
            }
            std::ptr::copy_nonoverlapping(description.as_ptr(), extra, description.len());
            let parameters = (*stream).codecpar;
            (*parameters).codec_type = ffi::AVMediaType::AVMEDIA_TYPE_SUBTITLE;
            (*parameters).codec_id = ffi::AVCodecID::AV_CODEC_ID_MOV_TEXT;
            (*parameters).extradata = extra;
            (*parameters).extradata_size = i32::try_from(description.len()).unwrap_or(0);
            (*parameters).width = i32::try_from(width).unwrap_or(0);
            (*parameters).height = i32::try_from(height).unwrap_or(0);
            (*stream).index
        };
        let index = usize::try_from(index).unwrap_or(0);
        if let Some(mut stream) = output.stream_mut(index) {
            stream.set_time_base(time_base);
            let mut metadata = av::Dictionary::new();
            metadata.set("language", language);
            stream.set_metadata(metadata);
        }
        self.streams.push((time_base, None));
        Ok(self.streams.len() - 1)
    }

    /// Writes a text of such a track; an empty one ends the text before.
    pub fn write_text(&mut self, stream: usize, start_ms: u64, end_ms: u64, text: &str) -> Result<()> {
        let text = &text.as_bytes()[..text.floor_char_boundary(usize::from(u16::MAX))];
        let length = u16::try_from(text.len()).unwrap_or(0).to_be_bytes();
        let mut packet = av::Packet::copy(&[&length, text].concat());
        let time = |ms: u64| i64::try_from(ms).ok();
        packet.set_pts(time(start_ms));
        packet.set_dts(time(start_ms));
        packet.set_duration(time(end_ms.saturating_sub(start_ms)).unwrap_or(0));
        packet.set_flags(av::packet::Flags::KEY);
        self.write(stream, packet)
    }

    fn start(&mut self) -> Result<()> {
        let Some(output) = self.output.as_mut() else { return Ok(()) };
        let mut options = av::Dictionary::new();
        if output.format().name().contains("mp4") {
            options.set("movflags", "+faststart");
        }
        output.write_header_with(options).map_err(|e| Error::output(&self.path, e))?;
        self.started = true;
        Ok(())
    }

    /// Writes one packet of a stream; decoding times have to rise.
    pub fn write(&mut self, stream: usize, mut packet: av::Packet) -> Result<()> {
        if !self.started {
            self.start()?;
        }
        let Some(output) = self.output.as_mut() else { return Ok(()) };
        let (time_base, last) = &mut self.streams[stream];
        let target =
            output.stream(stream).ok_or_else(|| Error::output(&self.path, "no such stream"))?.time_base();
        if let (Some(dts), Some(before)) = (packet.dts(), *last)
            && dts <= before
        {
            return Err(Error::mismatch("the container", format!("a time after {before}"), format!("{dts}")));
        }
        *last = packet.dts().or(*last);
        packet.set_stream(stream);
        packet.rescale_ts(*time_base, target);
        packet.write_interleaved(output).map_err(|e| Error::output(&self.path, e))
    }

    /// Closes the file; the answer is its length in bytes.
    pub fn finish(mut self) -> Result<u64> {
        if !self.started {
            return Err(Error::output(&self.path, "nothing was written"));
        }
        if let Some(mut output) = self.output.take() {
            output.write_trailer().map_err(|e| Error::output(&self.path, e))?;
        }
        self.finished = true;
        let length = std::fs::metadata(&self.path).map_err(|e| Error::output(&self.path, e))?;
        Ok(length.len())
    }
}

/// How a track of text looks where the player has no wish of its own: white, below, in the middle.
fn text_description() -> Vec<u8> {
    let mut bytes = vec![0, 0, 0, 0, 1, 0xff];
    // No background, and a box that the player chooses.
    bytes.extend([0; 12]);
    // All letters in font 1, size 18, white.
    bytes.extend([0, 0, 0, 0, 0, 1, 0, 18, 0xff, 0xff, 0xff, 0xff]);
    // A table of one font: 23 bytes, one entry, number 1, a name of ten letters.
    bytes.extend([0, 0, 0, 23]);
    bytes.extend(b"ftab");
    bytes.extend([0, 1, 0, 1, 10]);
    bytes.extend(b"Sans-Serif");
    bytes
}

impl Drop for Muxer {
    fn drop(&mut self) {
        if !self.finished {
            self.output = None;
            // It may never have been there; a file that cannot be removed lies in scratch and goes with it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
