//! Writing a container. A file that was not finished is removed when its muxer goes away.
#![expect(unsafe_code, reason = "the codec tag of a stream is a plain field of a C structure")]

use crate::encode::{AudioEncoder, VideoEncoder};
use crate::error::{Error, Result};
use ffmpeg_next as av;
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

impl Drop for Muxer {
    fn drop(&mut self) {
        if !self.finished {
            self.output = None;
            // It may never have been there; a file that cannot be removed lies in scratch and goes with it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
